//! The vHBAs of this server: each one's data path, and its LUNs as exports that programs attach.
//!
//! ```text
//!   assigned ──▶ Vhbas ──▶ Running, for each vHBA:
//!                            datapath::disks::Vhba    one thread: home, discovery, I/O
//!                            Keeper                   one thread: exports and memory follow what the discovery found
//! ```
//!
//! * Exports are there from the start of the agent on, as they were before ([`memory`]); their I/O waits for a home.
//! * A vHBA that is no longer assigned ends what it has begun, then its exports go, then [`Vhbas::has`] says so: what relies
//!   on it, the acknowledgement of a release, comes after.
//! * When the agent stops, exports go and the memory of them stays.

mod exports;
mod files;
mod keeper;
mod loops;
mod memory;
mod nodes;
mod paths;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use twinrail_datapath::commands::initiator::{Home, InitiatorConfig};
use twinrail_datapath::commands::tcp::AgentAddresses;
use twinrail_datapath::disks::{Vhba, VhbaConfig};
use twinrail_proto::domain::{AdapterId, DirectorId, Name, Rail, RailAddresses};
use twinrail_proto::grpc::internal::v1::device_report;
use twinrail_proto::rail::command::COMMAND_PORT;
use twinrail_proto::rail::{ClusterTag, Incarnation};

use crate::config::VhbaSettings;
use keeper::Keeper;
use memory::Remembered;
pub use memory::{LunMemory, LunMemoryError};

/// What a vHBA is called, and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    pub profile: Name,
    pub name: Name,
    /// The LUNs that are served; empty: all that the SAN shows.
    pub mask: BTreeSet<u16>,
}

/// Where its commands go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub home: Option<Home>,
    /// Whether each path to the home is up.
    pub up: [bool; 2],
}

/// What all vHBAs of this server share.
pub struct Common {
    pub cluster: ClusterTag,
    pub server: Name,
    pub machine_id: String,
    pub rails: RailAddresses,
    pub settings: VhbaSettings,
    pub memory: LunMemory,
}

/// All vHBAs that this server has.
pub struct Vhbas {
    common: Arc<Common>,
    incarnation: Incarnation,
    directors: BTreeMap<DirectorId, RailAddresses>,
    wanted: BTreeMap<AdapterId, (Assigned, Way)>,
    running: BTreeMap<AdapterId, Running>,
    news: Arc<Notify>,
}

struct Running {
    assigned: Assigned,
    way: Way,
    vhba: Arc<Vhba>,
    keeper: Keeper,
}

impl Vhbas {
    /// Begins with those that are remembered. `news` is told when there is something new to report.
    pub fn start(common: Common, news: Arc<Notify>) -> Self {
        if common.settings.device_nodes
            && let Err(error) = loops::clear(&nodes::prefix(&common.machine_id))
        {
            tracing::warn!(%error, "what a former agent left of device nodes is not removed");
        }
        let remembered = common.memory.read_all();
        let mut vhbas = Self {
            common: Arc::new(common),
            incarnation: Incarnation::from_random(rand::random()),
            directors: BTreeMap::new(),
            wanted: BTreeMap::new(),
            running: BTreeMap::new(),
            news,
        };
        for (adapter, remembered) in remembered {
            vhbas.wanted.insert(adapter, (remembered.assigned.clone(), Way::default()));
            vhbas.begin(adapter, remembered);
        }
        vhbas
    }

    pub fn set_directors(&mut self, directors: BTreeMap<DirectorId, RailAddresses>) {
        if self.directors != directors {
            self.running.values().for_each(|it| it.vhba.set_directors(directors.clone()));
            self.directors = directors;
        }
    }

    /// These it has from now on, and no others.
    pub fn set(&mut self, wanted: BTreeMap<AdapterId, (Assigned, Way)>) {
        self.wanted = wanted;
        self.reconcile();
    }

    /// Something of the profile is still there.
    pub fn has(&self, profile: &Name) -> bool {
        self.running.values().any(|it| it.assigned.profile == *profile)
    }

    /// Takes note of those that have gone, and begins what had to wait for that.
    pub fn reconcile(&mut self) {
        self.running.retain(|_, it| !it.keeper.has_ended());
        for (adapter, running) in &mut self.running {
            match self.wanted.get(adapter).filter(|(it, _)| it.same_place(&running.assigned)) {
                Some((assigned, way)) => running.adopt(assigned, *way),
                None => running.keeper.release(),
            }
        }
        let absent = self.wanted.iter().filter(|(adapter, _)| !self.running.contains_key(adapter));
        let absent: Vec<_> = absent.map(|(&adapter, (assigned, _))| (adapter, assigned.clone())).collect();
        for (adapter, assigned) in absent {
            self.begin(adapter, Remembered { assigned, units: BTreeMap::new() });
        }
    }

    /// What is to be told of them. `names`: of the directors.
    pub fn reports(&self, names: &BTreeMap<DirectorId, Name>) -> impl Iterator<Item = device_report::Device> {
        self.running.iter().map(|(&adapter, Running { vhba, keeper, .. })| {
            report::device(adapter, &keeper.told(), &vhba.path(), vhba.counts(), names)
        })
    }

    fn begin(&mut self, adapter: AdapterId, remembered: Remembered) {
        let Remembered { assigned, units } = remembered;
        let initiator = InitiatorConfig {
            cluster: self.common.cluster,
            server: self.common.server.clone(),
            adapter,
            incarnation: self.incarnation,
            io_timeout: self.common.settings.io_timeout_s.saturating_mul(1_000_000_000),
        };
        let addresses =
            AgentAddresses { own: self.common.rails, directors: self.directors.clone(), port: COMMAND_PORT };
        let config = VhbaConfig { initiator, addresses, mask: assigned.mask.clone(), remembered: units };
        match self.try_begin(adapter, &assigned, config) {
            Ok((vhba, keeper)) => {
                tracing::info!(adapter = adapter.0, profile = %assigned.profile, vhba = %assigned.name, "a vHBA begins");
                let way = Way { home: None, up: [true; 2] };
                let mut running = Running { assigned, way, vhba, keeper };
                if let Some((assigned, way)) = self.wanted.get(&adapter) {
                    running.adopt(assigned, *way);
                }
                self.running.insert(adapter, running);
            }
            Err(error) => tracing::error!(adapter = adapter.0, %error, "a vHBA cannot begin"),
        }
    }

    fn try_begin(
        &self,
        adapter: AdapterId,
        assigned: &Assigned,
        config: VhbaConfig,
    ) -> std::io::Result<(Arc<Vhba>, Keeper)> {
        let bell = keeper::Bell::default();
        let rings = bell.clone();
        let vhba = Arc::new(Vhba::start(config, Box::new(move || rings.look()))?);
        let keeper =
            Keeper::start(adapter, assigned.clone(), &self.common, Arc::clone(&vhba), bell, Arc::clone(&self.news))?;
        Ok((vhba, keeper))
    }
}

impl Assigned {
    /// Under the same path.
    fn same_place(&self, other: &Self) -> bool {
        (&self.profile, &self.name) == (&other.profile, &other.name)
    }

    /// The folder of its exports.
    fn folder(&self, run_dir: &std::path::Path) -> PathBuf {
        run_dir.join(self.profile.as_str()).join(self.name.as_str())
    }
}

impl Running {
    fn adopt(&mut self, assigned: &Assigned, way: Way) {
        if self.assigned.mask != assigned.mask {
            self.vhba.set_mask(assigned.mask.clone());
            self.keeper.assign(assigned.clone());
            self.assigned = assigned.clone();
        }
        if self.way.home != way.home {
            self.vhba.set_home(way.home);
        }
        for rail in Rail::ALL.into_iter().filter(|it| way.up[it.index()] != self.way.up[it.index()]) {
            self.vhba.set_path(rail, way.up[rail.index()]);
        }
        self.way = way;
    }
}
