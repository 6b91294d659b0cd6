//! `make chaos`: faults from a seed against real processes, and what their clients saw.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::nemesis::options::{self, Options};
use twinrail_chaos_tests::nemesis::run::{self, Outcome};

/// As shells tell the end by SIGINT.
const INTERRUPTED: u8 = 130;

/// Real directors, servers and clients in the lab, faults drawn from a seed, and an HTML report; fails when an invariant is broken.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    if options.list {
        options::list();
        return ExitCode::SUCCESS;
    }
    match chaos(&options) {
        Ok(outcome) if !outcome.is_clean() => ExitCode::FAILURE,
        Ok(Outcome { interrupted: true, .. }) => INTERRUPTED.into(),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chaos(options: &Options) -> Result<Outcome> {
    let plan = options.plan()?;
    let _turn = remnants::turn()?;
    run::run(&plan)
}
