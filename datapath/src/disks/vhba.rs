use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use twinrail_proto::domain::{DirectorId, Rail, RailAddresses};

use super::inbound::{Inbound, Order};
use super::status::{Counts, DiskState, Path};
use super::thread::Thread;
use super::unit::Unit;
use crate::commands::initiator::{Home, InitiatorConfig};
use crate::commands::tcp::AgentAddresses;
use crate::nbd::{BlockDevice, Request, Ticket};

/// What a vHBA begins with.
#[derive(Clone, Debug)]
pub struct VhbaConfig {
    pub initiator: InitiatorConfig,
    pub addresses: AgentAddresses,
    /// The LUNs that are served; empty: all that the SAN shows.
    pub mask: BTreeSet<u16>,
    /// What was served before.
    pub remembered: BTreeMap<u16, Unit>,
}

/// Told by the vHBA's thread that disks or path are others now. Must not wait.
pub type Changed = Box<dyn Fn() + Send>;

/// A vHBA with its thread. Dropping it ends both; requests that were not answered are answered with errors.
pub struct Vhba {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

pub(super) struct Shared {
    pub inbound: Inbound,
    told: Mutex<Told>,
    quiet: Condvar,
}

/// What the thread has to tell.
#[derive(Default)]
struct Told {
    disks: BTreeMap<u16, DiskState>,
    path: Path,
    counts: Counts,
    /// Nothing is under way, and nothing begins any more.
    quiet: bool,
}

impl Vhba {
    pub fn start(config: VhbaConfig, changed: Changed) -> io::Result<Self> {
        let shared = Arc::new(Shared { inbound: Inbound::new()?, told: Mutex::default(), quiet: Condvar::new() });
        let thread = Thread::new(config, Arc::clone(&shared), changed)?;
        let thread = std::thread::Builder::new().name("vhba".into()).spawn(move || thread.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Who carries the vHBA now. What is older than what is known is passed over.
    pub fn set_home(&self, home: Option<Home>) {
        self.shared.inbound.put(Order::Home(home));
    }

    /// A path to the home came up or went down.
    pub fn set_path(&self, rail: Rail, up: bool) {
        self.shared.inbound.put(Order::Path(rail, up));
    }

    pub fn set_directors(&self, directors: BTreeMap<DirectorId, RailAddresses>) {
        self.shared.inbound.put(Order::Directors(directors));
    }

    pub fn set_mask(&self, mask: BTreeSet<u16>) {
        self.shared.inbound.put(Order::Mask(mask));
    }

    /// Asks the SAN anew which LUNs it shows, as soon as a home is attached.
    pub fn rescan(&self) {
        self.shared.inbound.put(Order::Rescan);
    }

    /// What clients of this generation of a LUN's disk talk to. When that is gone, requests fail.
    pub fn disk(&self, lun: u16, generation: u64) -> Arc<dyn BlockDevice> {
        Arc::new(DiskHandle { shared: Arc::clone(&self.shared), lun, generation })
    }

    pub fn disks(&self) -> BTreeMap<u16, DiskState> {
        self.shared.told().disks.clone()
    }

    pub fn path(&self) -> Path {
        self.shared.told().path.clone()
    }

    pub fn counts(&self) -> Counts {
        self.shared.told().counts
    }

    /// Lets no further request begin, and waits until what has begun is answered. While no home is attached that is not
    /// waited for beyond [`super::limits::FAREWELL`]: whatever a former home still has, the fence of the next one ends.
    pub fn quiesce(&self) {
        self.shared.inbound.put(Order::Close);
        let mut told = self.shared.told();
        while !told.quiet {
            told = self.shared.quiet.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Vhba {
    fn drop(&mut self) {
        self.shared.inbound.put(Order::Stop);
        if self.thread.take().is_some_and(|it| it.join().is_err()) {
            tracing::error!("a vHBA's thread had panicked");
        }
    }
}

impl Shared {
    pub fn tell_counts(&self, counts: Counts) {
        self.told().counts = counts;
    }

    pub fn tell(&self, disks: BTreeMap<u16, DiskState>, path: Path) {
        let mut told = self.told();
        (told.disks, told.path) = (disks, path);
    }

    pub fn tell_quiet(&self) {
        self.told().quiet = true;
        self.quiet.notify_all();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct DiskHandle {
    shared: Arc<Shared>,
    lun: u16,
    generation: u64,
}

impl BlockDevice for DiskHandle {
    fn submit(&self, request: Request, ticket: Ticket) {
        let Self { shared, lun, generation } = self;
        shared.inbound.put(Order::Request { lun: *lun, generation: *generation, request, ticket });
    }
}
