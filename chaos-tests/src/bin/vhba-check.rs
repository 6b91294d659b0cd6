//! `make vhba-check`: whether a vHBA's disk keeps what it has acknowledged through many takeovers.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use twinrail_chaos_tests::consistency::check::{self, CheckOptions};
use twinrail_chaos_tests::lab::array::Slowness;
use twinrail_chaos_tests::lab::remnants;

#[derive(Parser)]
#[command(about = "Load and takeovers on a vHBA's disk in the lab; fails when a read gives what it must not")]
struct Options {
    /// What load and faults are drawn from; several, separated by commas, are run one after the other.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    seed: Vec<u64>,
    /// Takeovers for each seed.
    #[arg(long, default_value_t = 50)]
    takeovers: usize,
    /// Directors do not fence: the check must then find stale reads, or it proves nothing.
    #[arg(long)]
    skip_fence: bool,
    /// More of the array's writes are slow, and slower: for builds and machines that do few writes a second.
    #[arg(long)]
    harsh: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    let _turn = remnants::turn()?;
    let mut clean = true;
    for &seed in &options.seed {
        println!("seed {seed}, {} takeovers", options.takeovers);
        let slowness = if options.harsh { Slowness::harsh(seed) } else { Slowness::usual(seed) };
        let Options { takeovers, skip_fence, .. } = *options;
        let options = CheckOptions { seed, takeovers, slowness, skip_fence, until_violation: false };
        let verdict = check::run(&options)?;
        println!("seed {seed}: {verdict}");
        clean &= verdict.is_clean();
    }
    Ok(clean)
}
