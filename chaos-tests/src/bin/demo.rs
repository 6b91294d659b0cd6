//! `make demo`. STAY=1 leaves the lab up at the end.

use std::process::ExitCode;

fn main() -> ExitCode {
    let stay = std::env::var("STAY").is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
    twinrail_chaos_tests::demo::run(stay)
}
