//! `lab tcp-stream`: one long TCP connection. What it sends is verified by the responder, what comes back here.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::net::TcpSocket;

use super::clock::{self, Nanos};
use super::pattern::{BLOCK, Checker, Writer};
use super::report::TcpReport;
use super::responder::{StopFlag, stop_flag};

/// A connection without any progress for so long is dead, whatever TCP still hopes for.
const DEAD_AFTER: Duration = Duration::from_secs(20);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub struct TcpStreamOptions {
    /// The responder.
    #[arg(long)]
    target: SocketAddr,
    /// The address to send from.
    #[arg(long, default_value = "0.0.0.0")]
    source: IpAddr,
    /// Blocks of 16 KiB are sent, echoed and verified at this pace (Mbit/s), so that streams on all vNICs leave a small
    /// machine its cores.
    #[arg(long, default_value_t = 8)]
    rate_mbit: u64,
    /// Ends by itself after so long; otherwise by SIGTERM.
    #[arg(long)]
    seconds: Option<u64>,
}

struct Transfer {
    stream: TcpStream,
    writer: Writer,
    checker: Checker,
    last_progress: Nanos,
    longest_stall: (Nanos, Nanos),
}

pub fn run(options: &TcpStreamOptions) -> Result<()> {
    let stop = stop_flag()?;
    let mut transfer = Transfer::connect(options)?;
    let outcome = transfer.run(options, &stop);
    let report = TcpReport {
        lived: outcome.is_ok(),
        error: outcome.err().map(|error| format!("{error:#}")),
        verified_bytes: transfer.checker.verified(),
        longest_stall: transfer.longest_stall.0,
        longest_stall_at: transfer.longest_stall.1,
    };
    println!("{}", serde_json::to_string(&report).context("could not write the report as JSON")?);
    Ok(())
}

impl Transfer {
    fn connect(options: &TcpStreamOptions) -> Result<Self> {
        let stream = connect_from(options.source, options.target)
            .with_context(|| format!("could not connect to {} from {}", options.target, options.source))?;
        stream.set_nodelay(true).context("could not set TCP_NODELAY")?;
        stream.set_read_timeout(Some(DEAD_AFTER)).context("could not set a timeout")?;
        stream.set_write_timeout(Some(DEAD_AFTER)).context("could not set a timeout")?;
        let (writer, checker) = (Writer::default(), Checker::default());
        Ok(Self { stream, writer, checker, last_progress: clock::now(), longest_stall: (0, 0) })
    }

    fn run(&mut self, options: &TcpStreamOptions, stop: &StopFlag) -> Result<()> {
        let pause = Duration::from_nanos(BLOCK as u64 * 8 * 1_000 / options.rate_mbit.max(1));
        let end = options.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut block = [0; BLOCK];
        let mut next = Instant::now();
        while !stop.is_set() && end.is_none_or(|end| Instant::now() < end) {
            self.exchange(&mut block)?;
            next = (next + pause).max(Instant::now());
            std::thread::sleep(next - Instant::now());
            self.last_progress = clock::now();
        }
        Ok(())
    }

    /// Sends one block and reads it back. The pause between blocks is no stall; waiting inside an exchange is.
    fn exchange(&mut self, block: &mut [u8; BLOCK]) -> Result<()> {
        self.writer.fill(block);
        self.stream.write_all(block).context("could not send")?;
        let mut left = BLOCK;
        while left > 0 {
            let length = match self.stream.read(&mut block[..left]) {
                Ok(0) => bail!("the connection was closed"),
                Ok(length) => length,
                // The signal that asks us to end.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => bail!("no progress for {DEAD_AFTER:?}"),
                Err(error) => return Err(error).context("the connection broke"),
            };
            self.checker.check(&block[..length])?;
            self.note_progress();
            left -= length;
        }
        Ok(())
    }

    fn note_progress(&mut self) {
        let now = clock::now();
        let stall = now - self.last_progress;
        if stall > self.longest_stall.0 {
            self.longest_stall = (stall, self.last_progress);
        }
        self.last_progress = now;
    }
}

/// std cannot bind a stream before it connects.
fn connect_from(source: IpAddr, target: SocketAddr) -> Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let stream = runtime.block_on(async {
        let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.context("no socket")?;
        socket.bind((source, 0).into()).context("could not bind")?;
        let connected = tokio::time::timeout(CONNECT_WITHIN, socket.connect(target)).await;
        connected.context("no answer in time")?.context("refused")?.into_std().context("not to be had from tokio")
    })?;
    stream.set_nonblocking(false).context("could not make the stream blocking")?;
    Ok(stream)
}
