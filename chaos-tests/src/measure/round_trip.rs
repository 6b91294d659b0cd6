//! `lab round-trip`: one probe at a time, the next when the answer is there.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use hdrhistogram::Histogram;

use super::clock;
use super::echo::{LENGTH, Probe};
use super::report::RoundTripReport;

/// An answer later than this is a lost one.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub struct RoundTripOptions {
    /// The responder.
    #[arg(long)]
    target: SocketAddr,
    #[arg(long, default_value = "0.0.0.0")]
    source: IpAddr,
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

pub fn run(options: &RoundTripOptions) -> Result<()> {
    let socket = UdpSocket::bind((options.source, 0)).context("could not open a UDP socket")?;
    socket.connect(options.target).with_context(|| format!("could not aim at {}", options.target))?;
    socket.set_read_timeout(Some(PATIENCE)).context("could not set a timeout")?;
    let mut times = Histogram::<u64>::new(3).context("could not make a histogram")?;
    let (mut lost, mut number) = (0, 0);
    let end = Instant::now() + Duration::from_secs(options.seconds);
    while Instant::now() < end {
        match exchange(&socket, number) {
            Some(nanos) => times.record(nanos).context("a round trip that does not fit the histogram")?,
            None => lost += 1,
        }
        number += 1;
    }
    let (p50, p99) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
    let report = RoundTripReport { samples: times.len(), lost, p50, p99 };
    println!("{}", serde_json::to_string(&report).context("could not write the report as JSON")?);
    Ok(())
}

fn exchange(socket: &UdpSocket, number: u64) -> Option<u64> {
    let sent_at = clock::now();
    socket.send(&Probe { prober: 0, number, sent_at }.encode()).ok()?;
    let mut buffer = [0; LENGTH + 1];
    loop {
        let length = socket.recv(&mut buffer).ok()?;
        // Answers to probes given up before are passed over.
        if Probe::decode(&buffer[..length]).is_some_and(|probe| probe.number == number) {
            return Some(clock::now() - sent_at);
        }
    }
}
