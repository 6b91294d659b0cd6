//! The lab for people, the programs that measure in it, and the benchmarks.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use twinrail_chaos_tests::bench;
use twinrail_chaos_tests::lab::{janitor, up};
use twinrail_chaos_tests::measure::{frames, prober, raw_responder, responder, round_trip, tcp_stream};

#[derive(Parser)]
#[command(about = "Twinrail's lab: network namespaces on one machine, and what measures in them")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build a lab and keep it until Ctrl-C: bare namespaces, or a whole cluster.
    Up(up::UpOptions),
    /// Measure Twinrail beside etcd, kernel VXLAN and keepalived.
    Bench(bench::BenchOptions),
    /// Probe a responder every millisecond; tell every gap and every lost probe.
    Prober(prober::ProberOptions),
    /// Answer probes and echo verified TCP streams.
    Responder(responder::ResponderOptions),
    /// Answer probes on a device that may not be there yet, from its first frame on.
    RawResponder(raw_responder::RawResponderOptions),
    /// Keep one TCP connection busy and verify what comes back.
    TcpStream(tcp_stream::TcpStreamOptions),
    /// Measure round trips, one at a time.
    RoundTrip(round_trip::RoundTripOptions),
    /// Send 64-byte frames as fast as one core can.
    Frames(frames::FramesOptions),
    /// Remove a lab when the process that holds our standard input ends. For the lab's own use.
    #[command(hide = true)]
    Janitor {
        #[arg(long)]
        lab: String,
    },
}

fn main() -> ExitCode {
    match run(Options::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Up(options) => up::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Prober(options) => prober::run(&options),
        Command::Responder(options) => responder::run(&options),
        Command::RawResponder(options) => raw_responder::run(&options),
        Command::TcpStream(options) => tcp_stream::run(&options),
        Command::RoundTrip(options) => round_trip::run(&options),
        Command::Frames(options) => frames::run(&options),
        Command::Janitor { lab } => janitor::serve(&lab),
    }
}
