//! What goes wrong in the lab, on demand.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use twinrail_proto::domain::Rail;

use super::build::port;
use super::{Lab, Machine, Segment, rdma, shell};
use crate::measure::clock::{self, Nanos};

/// The bridge family's table in which partitions are cut. One table, replaced whole.
const CUT_TABLE: &str = "cut";
/// A program that is asked to end does within this.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

impl Lab {
    /// Cuts a machine's power: its links go down first, then SIGKILL, so that its kernel cannot say goodbye for it.
    /// Gives the time just before.
    pub fn power_cut(&mut self, name: &str) -> Result<Nanos> {
        let at = clock::now();
        self.set_ports(name, "down")?;
        self.kill(name)?;
        Ok(at)
    }

    /// Power comes back: links up, and the process starts with the data that it had on disk.
    pub fn power_on(&mut self, name: &str) -> Result<()> {
        self.set_ports(name, "up")?;
        self.start(name)
    }

    /// SIGKILL alone: the links stay up and the kernel closes the sockets.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let process = self.machine_mut(name)?.process.take();
        let mut process = process.with_context(|| format!("nothing runs on {name}"))?;
        process.kill()
    }

    /// SIGTERM, and waits until it has ended in order.
    pub fn stop(&mut self, name: &str) -> Result<()> {
        let process = self.machine_mut(name)?.process.take();
        let mut process = process.with_context(|| format!("nothing runs on {name}"))?;
        process.terminate(STOPS_WITHIN).map(drop)
    }

    /// SIGSTOP: the machine hangs, with all that it knew.
    pub fn pause(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::STOP)
    }

    pub fn resume(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::CONT)
    }

    /// All of a machine's links go down; what runs on it goes on. Gives the time just before.
    pub fn cut_off(&self, name: &str) -> Result<Nanos> {
        let at = clock::now();
        self.set_ports(name, "down")?;
        Ok(at)
    }

    /// The end of [`Self::cut_off`].
    pub fn reconnect(&self, name: &str) -> Result<()> {
        self.set_ports(name, "up")
    }

    /// Takes a whole rail down for everybody.
    pub fn cut_rail(&self, rail: Rail) -> Result<Nanos> {
        let at = clock::now();
        self.set_rail(rail, "down")?;
        Ok(at)
    }

    pub fn restore_rail(&self, rail: Rail) -> Result<()> {
        self.set_rail(rail, "up")
    }

    /// Takes one cable of one machine down.
    pub fn cut_cable(&self, name: &str, segment: Segment) -> Result<Nanos> {
        let at = clock::now();
        self.fabric.ip(&self.set_lines(name, segment, "down"))?;
        Ok(at)
    }

    pub fn restore_cable(&self, name: &str, segment: Segment) -> Result<()> {
        self.fabric.ip(&self.set_lines(name, segment, "up"))
    }

    /// Nothing passes between these machines and those, on either rail; everything else does.
    pub fn partition(&self, these: &[&str], those: &[&str]) -> Result<()> {
        self.cut_ways(&[(these, those), (those, these)])
    }

    /// Nothing passes on either rail from the first machines of each pair to the second: other ways, the way back among them,
    /// are open.
    pub fn cut_ways(&self, ways: &[(&[&str], &[&str])]) -> Result<()> {
        let mut rules = String::new();
        let ip = self.layout.rail_family.header();
        for (rail, (from, to)) in Rail::ALL.into_iter().flat_map(|rail| ways.iter().map(move |way| (rail, way))) {
            let (from, to) = (self.addresses(from, rail)?, self.addresses(to, rail)?);
            writeln!(rules, "{ip} saddr {{ {from} }} {ip} daddr {{ {to} }} drop")?;
        }
        for (rail, (from, to)) in self.layout.verbs.iter().flat_map(|rail| ways.iter().map(move |way| (*rail, way))) {
            let (from, to) = (self.rdma_macs(from, rail)?, self.rdma_macs(to, rail)?);
            writeln!(rules, "ether saddr {{ {from} }} ether daddr {{ {to} }} drop")?;
        }
        self.replace_cuts(&rules)
    }

    /// Ends every partition.
    pub fn heal(&self) -> Result<()> {
        self.replace_cuts("")
    }

    fn replace_cuts(&self, rules: &str) -> Result<()> {
        let text = format!(
            "add table bridge {CUT_TABLE}\ndelete table bridge {CUT_TABLE}\ntable bridge {CUT_TABLE} {{\n\
             chain forward {{\ntype filter hook forward priority 0; policy accept;\n{rules}}}\n}}\n"
        );
        shell::run_with_input(&mut self.fabric.command(Path::new("nft"), &["-f", "-"]), &text).map(drop)
    }

    fn addresses(&self, machines: &[&str], rail: Rail) -> Result<String> {
        let address = |name: &&str| {
            let address = self.layout.rail_address(self.machine(name)?.kind, rail);
            Ok(address.with_context(|| format!("{name} is not on rail {rail}"))?.to_string())
        };
        Ok(machines.iter().map(address).collect::<Result<Vec<_>>>()?.join(", "))
    }

    fn rdma_macs(&self, machines: &[&str], rail: Rail) -> Result<String> {
        let mac =
            |name: &&str| rdma::mac(self.machine(name)?.kind, rail).with_context(|| format!("{name} is on no rail"));
        Ok(machines.iter().map(mac).collect::<Result<Vec<_>>>()?.join(", "))
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let process = self.machine(name)?.process.as_ref();
        process.with_context(|| format!("nothing runs on {name}"))?.signal(signal)
    }

    fn set_ports(&self, name: &str, state: &str) -> Result<()> {
        let segments = self.layout.segments_of(self.machine(name)?.kind);
        let lines: String = segments.map(|segment| self.set_lines(name, segment, state)).collect();
        self.fabric.ip(&lines)
    }

    fn set_rail(&self, rail: Rail, state: &str) -> Result<()> {
        let segment = Segment::Rail(rail);
        let is_on_it = |machine: &&Machine| self.layout.segments_of(machine.kind).any(|it| it == segment);
        let on_rail = self.machines.values().filter(is_on_it);
        let lines: String = on_rail.map(|machine| self.set_lines(&machine.name, segment, state)).collect();
        self.fabric.ip(&lines)
    }

    /// A machine's cable, and on a rail that is RDMA the one beside it.
    fn set_lines(&self, name: &str, segment: Segment, state: &str) -> String {
        let rdma = rdma::port(name, segment, &self.layout);
        [port(name, segment)].into_iter().chain(rdma).map(|port| format!("link set {port} {state}\n")).collect()
    }
}
