//! Makes the forwarding table out of the state's, and puts it in force. Runs in the control plane's thread.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use twinrail_proto::domain::{AdapterId, Name};

use super::forwarding::{Adapter, Forwarding, Membership, Port};
use super::hold::{Hold, HoldBudget};
use super::table::{Carry, DirectorAdapter, DirectorTable, LanPort};
use crate::driver::FIRST_EDGE;
use crate::edge::{Ports, Uplink};
use crate::error::Problem;
use crate::exchange::Exchange;
use crate::peer::{Machine, Peer, PeerTable};
use crate::recorder::{RecordSlot, Recorded, Recorder, RecorderIndex};

pub(super) struct Publisher {
    exchange: Arc<Exchange<Forwarding>>,
    ports: Box<dyn Ports>,
    recorder: Option<Arc<Recorder>>,
    /// One table at a time.
    own: Mutex<Own>,
}

struct Own {
    next_token: u64,
    index: RecorderIndex,
    budget: Arc<HoldBudget>,
}

/// A port that was opened and is not waited for yet.
pub(super) struct NewPort {
    pub lan: Name,
    pub device: String,
    pub token: u64,
    pub uplink: Arc<dyn Uplink>,
}

impl Publisher {
    pub fn new(exchange: Arc<Exchange<Forwarding>>, ports: Box<dyn Ports>, recorder: Option<Arc<Recorder>>) -> Self {
        let index = recorder.as_ref().map(|it| it.index()).unwrap_or_default();
        let own = Mutex::new(Own { next_token: FIRST_EDGE, index, budget: Arc::default() });
        Self { exchange, ports, recorder, own }
    }

    pub fn exchange(&self) -> Arc<Exchange<Forwarding>> {
        Arc::clone(&self.exchange)
    }

    pub fn current(&self) -> Arc<Forwarding> {
        self.exchange.current()
    }

    /// Puts the table in force and returns the ports that were opened for it.
    pub fn publish(&self, table: DirectorTable, problems: &mut Vec<Problem>) -> Vec<NewPort> {
        let own = &mut *self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let former = self.exchange.current();
        let DirectorTable { directors, servers, lans, adapters } = table;
        let peers = PeerTable::build(machines(directors, servers), &former.peers, problems);
        let mut new_ports = Vec::new();
        let ports = lans.into_iter().map(|it| self.port(own, &former, it, &mut new_ports, problems)).collect();
        let mut forwarding = Forwarding::new(peers, ports);
        let mut seen = BTreeSet::new();
        for adapter in adapters {
            let id = adapter.id;
            if !seen.insert(id) {
                problems.push(Problem::SameAdapter { adapter: id });
                continue;
            }
            let adapter = self.adapter(own, &former, &forwarding, adapter, problems);
            if let Some(first) = forwarding.add(adapter) {
                problems.push(Problem::SameMac { first, second: id });
            }
        }
        self.exchange.swap(forwarding);
        new_ports
    }

    pub fn wait_adopted(&self) -> Result<(), std::time::Duration> {
        self.exchange.wait_adopted()
    }

    /// The port of a LAN: the one that is open, if it still is the right one, else a new one.
    fn port(
        &self,
        own: &mut Own,
        former: &Forwarding,
        LanPort { lan, device }: LanPort,
        new_ports: &mut Vec<NewPort>,
        problems: &mut Vec<Problem>,
    ) -> Port {
        let open = former.ports().iter().find(|it| it.lan == lan && it.device == device);
        if let Some((uplink, token)) = open.and_then(|it| it.uplink.as_ref().map(|uplink| (uplink, it.token)))
            && uplink.is_current(&device)
        {
            return Port::new(lan, device, Some(Arc::clone(uplink)), token);
        }
        let token = own.next_token;
        own.next_token += 1;
        let uplink = match self.ports.open(&device) {
            Ok(uplink) => {
                let (lan, device) = (lan.clone(), device.clone());
                new_ports.push(NewPort { lan, device, token, uplink: Arc::clone(&uplink) });
                Some(uplink)
            }
            Err(source) => {
                problems.push(Problem::Port { lan: lan.clone(), source });
                None
            }
        };
        Port::new(lan, device, uplink, token)
    }

    fn adapter(
        &self,
        own: &mut Own,
        former: &Forwarding,
        forwarding: &Forwarding,
        adapter: DirectorAdapter,
        problems: &mut Vec<Problem>,
    ) -> Adapter {
        let DirectorAdapter { id, epoch, mac, lan, vlan, server, state } = adapter;
        let port = forwarding.port_of_lan(&lan);
        if port.is_none() {
            problems.push(Problem::UnknownLan { adapter: id, lan });
        }
        let peer = forwarding.peers.index_of(&Machine::Server(server.clone()));
        if peer.is_none() {
            problems.push(Problem::UnknownPeer { adapter: id, machine: server });
        }
        let known = former.index_of(id).map(|it| former.adapter(it));
        let hold = known.map_or_else(|| Arc::new(Hold::new(Arc::clone(&own.budget))), |it| Arc::clone(&it.hold));
        // What waits, waits for the server to say that it is ready, also when the epoch stayed the same.
        if state == Carry::Hold || !hold.is_empty() {
            hold.close();
        }
        let mut slot = |what| self.record(own, (id, epoch, what), problems);
        Adapter {
            id,
            epoch,
            mac,
            port,
            membership: Membership::new(&vlan),
            peer,
            carry: state == Carry::Carry,
            hold,
            tally: known.map(|it| Arc::clone(&it.tally)).unwrap_or_default(),
            to_lan: slot(Recorded::ToLan),
            announced: slot(Recorded::Announced),
        }
    }

    fn record(
        &self,
        own: &mut Own,
        key: (AdapterId, twinrail_proto::domain::Epoch, Recorded),
        problems: &mut Vec<Problem>,
    ) -> Option<RecordSlot> {
        let slot = self.recorder.as_ref()?.slot(&mut own.index, key);
        if slot.is_none() {
            problems.push(Problem::RecorderFull { adapter: key.0, epoch: key.1 });
        }
        slot
    }
}

fn machines(
    directors: Vec<Peer>,
    servers: Vec<Peer>,
) -> impl Iterator<Item = (Machine, twinrail_proto::domain::RailAddresses)> {
    let directors = directors.into_iter().map(|it| (Machine::Director(it.name), it.rails));
    directors.chain(servers.into_iter().map(|it| (Machine::Server(it.name), it.rails)))
}
