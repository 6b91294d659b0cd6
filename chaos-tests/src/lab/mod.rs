//! The lab: a data centre of network namespaces on one machine.
//!
//! ```text
//!                      ┌──────── LAN host: dnsmasq, iperf3, echo
//!   bridge lan  ───────┴──┬───────────┬───────────┐
//!                       lan0        lan0        lan0
//!                        d1          d2          d3            directors
//!                    railA railB railA railB railA railB
//!   bridge railA ──────┴─────│─────┴─────│─────┴─────│──┬────────┬────────┬────────┐
//!   bridge railB ────────────┴───────────┴───────────┴──│─┬──────│─┬──────│─┬──────│─┐
//!                                                     railA B  railA B  railA B  railA B
//!                                                        s1       s2       s3       s4   servers (s4: spare)
//! ```
//!
//! With [`Layout::san`] there is a bridge `san` as well, a machine `array` on it ([`mod@array`]), and a port `san0` of every director.
//!
//! The bridges live in one namespace, `fabric`; every machine is a namespace of its own with one veth to each bridge that it
//! is on. Guarantees:
//!
//! * Names are unique (`twr-<6 hex digits>-<machine>`), so that several labs can be up at once.
//! * Nothing is left behind: see [`janitor`]. Nothing of the host's own network is touched: both ends of every veth are
//!   created inside the lab's namespaces.
//! * A power cut is a power cut: the links go down first, then SIGKILL, so that no process can say goodbye.

pub mod api;
pub mod array;
pub mod attempts;
mod build;
pub mod card;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod dhcp;
mod faults;
pub mod files;
pub mod flight;
pub mod interrupt;
pub mod janitor;
pub mod launch;
pub mod layout;
pub mod namespace;
pub mod peer;
pub mod preload;
pub mod probes;
pub mod process;
pub mod programs;
pub mod rdma;
pub mod remnants;
pub mod requirements;
pub mod scenario;
pub mod setting;
pub mod shell;
pub mod sick;
mod start;
pub mod storage;
pub mod up;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use self::cli::Cli;
use self::janitor::Registration;
use self::launch::Launch;
use self::layout::MachineKind;
pub use self::layout::{Layout, Segment};
pub use self::namespace::Namespace;
pub use self::process::Process;
use self::programs::Programs;
use self::remnants::LabId;

/// One machine of the lab: a namespace, and the `twinrail` process that runs in it, if any.
pub struct Machine {
    pub name: String,
    pub kind: MachineKind,
    pub namespace: Namespace,
    pub process: Option<Process>,
    launch: Launch,
}

/// A lab that is up. Dropping it removes every process, interface and namespace of it; its logs stay when the thread
/// panics or [`Lab::keep_logs`] was called.
pub struct Lab {
    pub layout: Layout,
    pub programs: Programs,
    id: LabId,
    run_dir: PathBuf,
    fabric: Namespace,
    machines: BTreeMap<String, Machine>,
    services: Vec<Process>,
    keep_logs: bool,
    // Last: it removes the namespaces, after the processes above were ended.
    registration: Registration,
}

impl Lab {
    /// Builds the namespaces, the network and the LAN host's services. No director or server runs yet.
    pub fn build(layout: Layout) -> Result<Self> {
        requirements::check()?;
        if !layout.verbs.is_empty() {
            rdma::check()?;
        }
        interrupt::install()?;
        remnants::reap_orphans()?;
        build::build(layout)
    }

    /// Builds a lab for this work, and keeps its logs when the work fails.
    pub fn with<T>(layout: Layout, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let mut lab = Self::build(layout)?;
        let result = work(&mut lab);
        if result.is_err() {
            lab.keep_logs();
        }
        result
    }

    pub fn machine(&self, name: &str) -> Result<&Machine> {
        self.machines.get(name).with_context(|| format!("the lab has no machine '{name}'"))
    }

    pub fn namespace(&self, name: &str) -> Result<&Namespace> {
        Ok(&self.machine(name)?.namespace)
    }

    pub fn id(&self) -> &LabId {
        &self.id
    }

    /// Where the logs, configuration files and data folders of this lab are.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// Keeps the folder of logs when the lab goes, and adds what the machines that still run count: `<machine>.metrics`.
    pub fn keep_logs(&mut self) {
        self.keep_logs = true;
        for name in self.layout.director_names().iter().chain(&self.layout.servers) {
            if let Ok(metrics) = self.metrics(name)
                && let Err(error) = std::fs::write(self.run_dir.join(format!("{name}.metrics")), metrics)
            {
                eprintln!("the metrics of {name} could not be kept: {error}");
            }
        }
    }

    /// From now on the lab stays until a signal ends it, which is no failure: its logs go too, unless they are kept.
    pub fn stay(&self) {
        if !self.keep_logs {
            self.registration.forget_logs();
        }
    }

    /// A client of the public API, as an operator on that machine would run it.
    pub fn cli(&self, machine: &str) -> Result<Cli> {
        Ok(Cli::new(self.namespace(machine)?.clone(), self.programs.twinrail()?.to_owned()))
    }

    /// Starts a program on a machine; its output goes to `<label>.log` in the run folder. It ends with its handle.
    pub fn spawn(&self, machine: &str, label: &str, program: &Path, arguments: &[&str]) -> Result<Process> {
        let command = self.namespace(machine)?.command(program, arguments);
        Process::spawn(label, command, &self.run_dir)
    }

    fn machine_mut(&mut self, name: &str) -> Result<&mut Machine> {
        self.machines.get_mut(name).with_context(|| format!("the lab has no machine '{name}'"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.services.clear();
        self.machines.values_mut().for_each(|machine| machine.process = None);
        self.registration.tear_down();
        if self.keep_logs || std::thread::panicking() {
            eprintln!("the logs of lab {} are in {}", self.id, self.run_dir.display());
        } else if let Err(error) = std::fs::remove_dir_all(&self.run_dir) {
            eprintln!("the logs of lab {} could not be removed from {}: {error}", self.id, self.run_dir.display());
        }
    }
}
