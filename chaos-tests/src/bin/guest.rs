//! `guest`: programs of this machine on a Debian kernel with RDMA, under QEMU.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use twinrail_chaos_tests::guest::{Guest, trials, words};

/// What the guest's commands get of this program's environment.
const PASSED_ON: [&str; 2] = ["TWINRAIL_", "RUST_"];
/// `timeout` has it for a command that took too long.
const TOOK_TOO_LONG: u8 = 124;

#[derive(Parser)]
#[command(about = "Runs programs of this machine on a Debian kernel with RDMA, under QEMU")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Boot, run one command with this folder as its working folder, print its output, and end with its exit status.
    Run {
        /// Seconds for the command.
        #[arg(long, default_value_t = 120)]
        timeout: u64,
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
    /// Boot, and run the lab's tests on rails that are RDMA.
    Test(trials::TrialOptions),
}

fn main() -> ExitCode {
    let status = match Options::parse().command {
        Command::Run { timeout, command } => run(Duration::from_secs(timeout), &command),
        Command::Test(options) => trials::run(&options).map(|passed| i32::from(!passed)),
    };
    match status {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(TOOK_TOO_LONG)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(timeout: Duration, command: &[String]) -> Result<i32> {
    let folder = std::env::current_dir()?.display().to_string();
    let passed_on = std::env::vars().filter(|(name, _)| PASSED_ON.iter().any(|it| name.starts_with(it)));
    let variables: Vec<String> = passed_on.map(|(name, value)| format!("{name}={value}")).collect();
    let line = ["env", "-C", &folder].into_iter();
    let line = line.chain(variables.iter().map(String::as_str)).chain(command.iter().map(String::as_str));
    let mut output = std::io::stdout();
    let mut print = |octets: &[u8]| {
        // A reader that has gone must not end the command in the guest.
        output.write_all(octets).and_then(|()| output.flush()).ok();
    };
    Guest::boot()?.run(&words(line), timeout, &mut print)
}
