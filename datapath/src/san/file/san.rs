use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use twinrail_proto::domain::Wwn;

use super::config::FileSanConfig;
use super::error::FileSanError;
use super::nexus::Nexus;
use super::queue::{Arrival, Job};
use super::session::FileSession;
use super::unit::LogicalUnit;
use super::worker::Worker;
use crate::rail::Nanos;
use crate::san::{Character, Identity, San, Session, SessionEnd};
use crate::scsi::{Lun, Response, Sense, SenseCode};

/// LUNs that one WWPN may be shown. A REPORT LUNS of all of them has 2 KiB.
const LUNS: usize = 256;

/// For each WWPN its LUNs, by number, and the disk behind each.
type Masks = BTreeMap<Wwn, BTreeMap<u16, String>>;

/// A SAN of files. A clone is the same one; its threads end with the last clone and the last session.
#[derive(Clone)]
pub struct FileSan {
    shared: Arc<Shared>,
}

/// What all sessions see.
pub(super) struct Shared {
    disks: BTreeMap<String, Worker>,
    masks: ArcSwap<Masks>,
    logins: Mutex<BTreeMap<Identity, Arc<Nexus>>>,
}

impl FileSan {
    /// Opens, locks and, where they are missing, makes the files.
    pub fn open(config: &FileSanConfig) -> Result<Self, FileSanError> {
        check_names(config)?;
        check_masks(&config.masks, |name| config.disks.iter().any(|disk| disk.name == name))?;
        let mut disks = BTreeMap::new();
        for disk in &config.disks {
            let worker = Worker::start(&disk.name, LogicalUnit::open(disk)?);
            let failure = |source| FileSanError::Thread { name: disk.name.clone(), source };
            disks.insert(disk.name.clone(), worker.map_err(failure)?);
        }
        let masks = ArcSwap::from_pointee(config.masks.clone());
        Ok(Self { shared: Arc::new(Shared { disks, masks, logins: Mutex::default() }) })
    }

    /// Shows other LUNs. Those who are logged in learn of it by a unit attention; what waits for a disk that is not shown to
    /// them any more is not executed.
    pub fn set_masks(&self, masks: Masks) -> Result<(), FileSanError> {
        check_masks(&masks, |name| self.shared.disks.contains_key(name))?;
        let new = Arc::new(masks);
        let old = self.shared.masks.swap(Arc::clone(&new));
        for identity in self.shared.logins().keys() {
            let (before, after) = (old.get(&identity.wwpn), new.get(&identity.wwpn));
            if before != after {
                self.shared.change(*identity, before, after);
            }
        }
        Ok(())
    }
}

impl San for FileSan {
    fn character(&self) -> Character {
        let disks = self.shared.disks.len();
        Character {
            shared_between_machines: false,
            login_fences: true,
            description: format!("{disks} disks in files of this machine; not shared between machines or processes"),
        }
    }

    fn log_in(&self, identity: Identity, _now: Nanos) -> Result<Box<dyn Session>, SessionEnd> {
        if !self.shared.masks.load().contains_key(&identity.wwpn) {
            return Err(SessionEnd::Denied(format!("nothing is shown to {}", identity.wwpn)));
        }
        let nexus = Nexus::new(identity).map_err(|error| SessionEnd::Unavailable(error.to_string()))?;
        let nexus = Arc::new(nexus);
        self.shared.admit(&nexus);
        Ok(Box::new(FileSession::new(Arc::clone(&self.shared), nexus)))
    }
}

impl Shared {
    /// Ends the former login of this identity, and answers the new one when every disk has finished with it. All disks,
    /// not only those that it is shown: the former one may have been shown others.
    fn admit(&self, nexus: &Arc<Nexus>) {
        // Held to the end, so that two logins come to all disks in the same order.
        let mut logins = self.logins();
        if let Some(former) = logins.insert(nexus.identity(), Arc::clone(nexus)) {
            former.end(SessionEnd::Replaced);
        }
        if self.disks.is_empty() {
            nexus.logged_in();
        }
        let arrival = Arc::new(Arrival::new(Arc::clone(nexus), self.disks.len()));
        for disk in self.disks.values() {
            disk.queue().push(Job::Arrival(Arc::clone(&arrival)));
        }
    }

    /// A session is over.
    pub fn forget(&self, nexus: &Arc<Nexus>) {
        let mut logins = self.logins();
        if logins.get(&nexus.identity()).is_some_and(|it| Arc::ptr_eq(it, nexus)) {
            logins.remove(&nexus.identity());
            for disk in self.disks.values() {
                disk.queue().push(Job::Departure(nexus.identity()));
            }
        }
    }

    /// The disk behind a LUN of this initiator.
    pub fn disk(&self, wwpn: Wwn, lun: Lun) -> Option<&Worker> {
        let masks = self.masks.load();
        let name = masks.get(&wwpn)?.get(&lun.number()?)?;
        self.disks.get(name)
    }

    /// What this initiator is shown.
    pub fn luns(&self, wwpn: Wwn) -> BTreeMap<u16, &Worker> {
        let masks = self.masks.load();
        let shown = masks.get(&wwpn).into_iter().flatten();
        shown.filter_map(|(number, name)| Some((*number, self.disks.get(name)?))).collect()
    }

    fn change(
        &self,
        identity: Identity,
        before: Option<&BTreeMap<u16, String>>,
        after: Option<&BTreeMap<u16, String>>,
    ) {
        let names = |mask: Option<&BTreeMap<u16, String>>| -> BTreeSet<String> {
            mask.into_iter().flat_map(BTreeMap::values).cloned().collect()
        };
        for name in names(before).difference(&names(after)) {
            for task in self.disks[name].queue().withdraw(|it| it.nexus.identity() == identity, |_| None) {
                let sense = Sense::illegal_request(SenseCode::LUN_NOT_SUPPORTED);
                task.nexus.complete(task.tag, Response::check_condition(sense));
            }
        }
        for name in names(after) {
            self.disks[&name].queue().push(Job::LunsChanged(identity));
        }
    }

    fn logins(&self) -> MutexGuard<'_, BTreeMap<Identity, Arc<Nexus>>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_names(config: &FileSanConfig) -> Result<(), FileSanError> {
    let mut names = BTreeSet::new();
    for disk in &config.disks {
        let printable = disk.name.bytes().all(|it| it.is_ascii_graphic() || it == b' ');
        if !printable || !(1..=64).contains(&disk.name.len()) {
            return Err(FileSanError::Name(disk.name.clone()));
        }
        if !names.insert(&disk.name) {
            return Err(FileSanError::SameName(disk.name.clone()));
        }
    }
    Ok(())
}

fn check_masks(masks: &Masks, is_disk: impl Fn(&str) -> bool) -> Result<(), FileSanError> {
    for (&wwpn, mask) in masks {
        if mask.len() > LUNS {
            return Err(FileSanError::TooManyLuns { wwpn, luns: mask.len(), limit: LUNS });
        }
        for (&lun, name) in mask {
            Lun::new(lun).map_err(|_| FileSanError::Lun { wwpn, lun })?;
            if !is_disk(name) {
                return Err(FileSanError::UnknownDisk { wwpn, name: name.clone() });
            }
        }
    }
    Ok(())
}
