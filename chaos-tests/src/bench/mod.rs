//! The benchmarks: Twinrail beside what others reach, both measured in one run, because this kind of machine swings by
//! tens of percent from run to run. What counts is the ratio; the absolute figures are printed for orientation.

pub mod api;
pub mod failover;
pub mod lan;
pub mod load;
mod table;
pub mod vhba;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::lab::remnants;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Benchmark {
    /// Committed writes a second beside etcd.
    Api,
    /// Throughput, small frames and round trips beside kernel VXLAN and one veth pair.
    Lan,
    /// The gap of a failover beside keepalived.
    Failover,
    /// A vHBA's disk beside libiscsi straight to the array, and nbdkit.
    Vhba,
}

#[derive(Debug, Args)]
pub struct BenchOptions {
    /// Which; all when none is named.
    which: Vec<Benchmark>,
    /// Measure only one side: there are no ratios then.
    #[arg(long)]
    only: Option<Side>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    Twinrail,
    Others,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    pub twinrail: bool,
    pub others: bool,
}

pub fn run(options: &BenchOptions) -> Result<()> {
    let _turn = remnants::turn()?;
    let all = [Benchmark::Api, Benchmark::Lan, Benchmark::Failover, Benchmark::Vhba];
    let which = if options.which.is_empty() { &all[..] } else { &options.which };
    let sides = Sides { twinrail: options.only != Some(Side::Others), others: options.only != Some(Side::Twinrail) };
    which.iter().try_for_each(|benchmark| match benchmark {
        Benchmark::Api => api::run(sides),
        Benchmark::Lan => lan::run(sides),
        Benchmark::Failover => failover::run(sides),
        Benchmark::Vhba => vhba::run(sides),
    })
}
