//! Makes and removes devices, makes the forwarding table, and puts it in force. Runs in the control plane's thread.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use twinrail_proto::domain::AdapterId;

use super::forwarding::{Adapter, Forwarding};
use super::reaper::Reaper;
use super::table::{ServerAdapter, ServerTable};
use crate::edge::{Device, DeviceSpec, Devices};
use crate::error::Problem;
use crate::exchange::Exchange;
use crate::peer::{Machine, PeerTable};
use crate::recorder::{Recorded, Recorder, RecorderIndex};

pub(super) struct Publisher {
    exchange: Arc<Exchange<Forwarding>>,
    devices: Box<dyn Devices>,
    recorder: Option<Arc<Recorder>>,
    reaper: Reaper,
    /// One table at a time.
    index: Mutex<RecorderIndex>,
    /// False for engines without threads, which take a table over at their next turn.
    threaded: bool,
}

/// A device that was made and is not waited for yet.
pub(super) struct NewDevice {
    pub adapter: AdapterId,
    pub name: String,
    pub token: u64,
    pub device: Arc<dyn Device>,
}

impl Publisher {
    pub fn new(
        exchange: Arc<Exchange<Forwarding>>,
        devices: Box<dyn Devices>,
        recorder: Option<Arc<Recorder>>,
        threaded: bool,
    ) -> Self {
        let index = recorder.as_ref().map(|it| it.index()).unwrap_or_default();
        Self { exchange, devices, recorder, reaper: Reaper::default(), index: Mutex::new(index), threaded }
    }

    pub fn exchange(&self) -> Arc<Exchange<Forwarding>> {
        Arc::clone(&self.exchange)
    }

    pub fn current(&self) -> Arc<Forwarding> {
        self.exchange.current()
    }

    /// Puts the table in force in two steps: first devices go, so that their names are free, then new ones are made.
    pub fn publish(&self, table: ServerTable, problems: &mut Vec<Problem>) -> Vec<NewDevice> {
        let index = &mut *self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let ServerTable { directors, adapters } = table;
        let former = self.exchange.current();
        let machines = directors.into_iter().map(|it| (Machine::Director(it.name), it.rails));
        let peers = PeerTable::build(machines, &former.peers, problems);
        let mut seen = BTreeSet::new();
        let mut entries = Vec::new();
        for adapter in adapters {
            match seen.insert(adapter.id) {
                true => entries.push(self.entry(index, &former, &peers, adapter, problems)),
                false => problems.push(Problem::SameAdapter { adapter: adapter.id }),
            }
        }
        let kept = |it: &&Adapter| it.device.is_some();
        if entries.iter().filter(kept).count() < former.adapters().iter().filter(kept).count() {
            drop(former);
            self.remove(&entries, problems);
        }
        let mut new_devices = Vec::new();
        if entries.iter().any(|it| it.device.is_none()) {
            self.reaper.wait();
        }
        for entry in entries.iter_mut().filter(|it| it.device.is_none()) {
            self.make(entry, &mut new_devices, problems);
        }
        self.swap(Forwarding::new(peers, entries), problems);
        new_devices
    }

    /// The adapter with the device that it has already, if it has.
    fn entry(
        &self,
        index: &mut RecorderIndex,
        former: &Forwarding,
        peers: &PeerTable,
        adapter: ServerAdapter,
        problems: &mut Vec<Problem>,
    ) -> Adapter {
        let ServerAdapter { id, epoch, mac, mtu, name, home, paused } = adapter;
        let home = home.and_then(|home| {
            let known = peers.index_of(&Machine::Director(home.clone()));
            if known.is_none() {
                problems.push(Problem::UnknownPeer { adapter: id, machine: home });
            }
            known
        });
        let spec = DeviceSpec { name: name.as_str().into(), mac, mtu };
        let known = former.find(id);
        let device = known.filter(|it| it.spec.name == spec.name).and_then(|it| {
            let device = it.device.clone().filter(|device| !device.is_gone())?;
            if it.spec != spec
                && let Err(source) = self.devices.change(&spec)
            {
                problems.push(Problem::Device { adapter: id, source });
            }
            Some(device)
        });
        let record = self.recorder.as_ref().and_then(|it| {
            let slot = it.slot(index, (id, epoch, Recorded::ToDevice));
            if slot.is_none() {
                problems.push(Problem::RecorderFull { adapter: id, epoch });
            }
            slot
        });
        let tally = known.map(|it| Arc::clone(&it.tally)).unwrap_or_default();
        Adapter { id, epoch, home, paused, spec, device, tally, record }
    }

    /// Puts a table in force without the devices that must go; the last use of them ends here, and with it they.
    fn remove(&self, entries: &[Adapter], problems: &mut Vec<Problem>) {
        let former = self.exchange.current();
        let machines = former.peers.entries().iter().map(|it| (it.machine.clone(), it.addresses));
        let peers = PeerTable::build(machines, &former.peers, problems);
        let staying = |it: &&Adapter| entries.iter().any(|entry| entry.id == it.id && entry.device.is_some());
        let adapters = former.adapters().iter().filter(staying).cloned().collect();
        drop(former);
        self.swap(Forwarding::new(peers, adapters), problems);
    }

    fn make(&self, entry: &mut Adapter, new_devices: &mut Vec<NewDevice>, problems: &mut Vec<Problem>) {
        match self.devices.create(&entry.spec) {
            Ok(device) => {
                entry.device = Some(Arc::clone(&device));
                let (name, token) = (entry.spec.name.clone(), entry.token());
                new_devices.push(NewDevice { adapter: entry.id, name, token, device });
            }
            Err(source) => problems.push(Problem::Device { adapter: entry.id, source }),
        }
    }

    fn swap(&self, forwarding: Forwarding, problems: &mut Vec<Problem>) {
        let former = self.exchange.current();
        self.exchange.swap(forwarding);
        if self.threaded {
            let adopted: Result<(), Duration> = self.exchange.wait_adopted();
            problems.extend(adopted.err().map(Problem::NotAdopted));
        }
        if self.threaded {
            self.reaper.bury(former);
        }
    }
}
