//! `lab frames`: UDP datagrams that make 64-byte Ethernet frames, as fast as one core sends them. How many arrived is read
//! from the far device's counters: the count then costs nothing.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use super::report::FramesReport;

/// 64 bytes of Ethernet: 14 header, 20 IPv4, 8 UDP, 18 of ours, 4 checksum.
const PAYLOAD: usize = 18;
/// Between two looks at the clock.
const BURST: u64 = 64;

#[derive(Debug, Args)]
pub struct FramesOptions {
    #[arg(long)]
    target: SocketAddr,
    #[arg(long, default_value = "0.0.0.0")]
    source: IpAddr,
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

pub fn run(options: &FramesOptions) -> Result<()> {
    let socket = UdpSocket::bind((options.source, 0)).context("could not open a UDP socket")?;
    socket.connect(options.target).with_context(|| format!("could not aim at {}", options.target))?;
    let payload = [0; PAYLOAD];
    let start = Instant::now();
    let duration = Duration::from_secs(options.seconds);
    let mut sent = 0;
    while start.elapsed() < duration {
        // A full queue or a "refused" from the far end is a frame that was not sent.
        sent += (0..BURST).filter(|_| socket.send(&payload).is_ok()).count() as u64;
    }
    let report = FramesReport { sent, seconds: start.elapsed().as_secs_f64() };
    println!("{}", serde_json::to_string(&report).context("could not write the report as JSON")?);
    Ok(())
}
