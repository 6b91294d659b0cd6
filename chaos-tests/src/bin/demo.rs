//! `make demo`. STAY=1 leaves the lab up at the end.

use std::process::ExitCode;

use clap::Parser;

/// Twinrail's story, on this machine: a data centre of network namespaces, real traffic, power cuts; needs root rights.
#[derive(Parser)]
#[command(
    after_help = "It ends with status 0 if every promise held. With STAY=1 in the environment the data centre stays up until Ctrl-C."
)]
struct Options {}

fn main() -> ExitCode {
    let Options {} = Options::parse();
    let stay = std::env::var("STAY").is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
    twinrail_chaos_tests::demo::run(stay)
}
