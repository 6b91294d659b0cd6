//! `lab responder`: answers UDP probes, and echoes TCP streams after it verified them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::pattern::{BLOCK, Checker};

/// Streams at a time; more are refused by closing them.
const MAX_STREAMS: usize = 64;
/// How often the threads look whether they shall end.
const LOOK: Duration = Duration::from_millis(100);
/// Larger than any probe; what is longer is cut and still sent back.
const DATAGRAM: usize = 2_048;

#[derive(Debug, Args)]
pub struct ResponderOptions {
    /// The address and port, UDP and TCP.
    #[arg(long)]
    listen: SocketAddr,
}

/// Set when SIGTERM or SIGINT came.
#[derive(Clone)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A flag that SIGTERM and SIGINT set.
pub fn stop_flag() -> Result<StopFlag> {
    let flag = StopFlag(Arc::default());
    let set = flag.clone();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime for signals")?;
    let entered = runtime.enter();
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    drop(entered);
    let wait = move || {
        runtime.block_on(async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        });
        set.0.store(true, Ordering::Relaxed);
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).context("could not start a thread")?;
    Ok(flag)
}

pub fn run(options: &ResponderOptions) -> Result<()> {
    let stop = stop_flag()?;
    let address = options.listen;
    let socket = UdpSocket::bind(address).with_context(|| format!("could not listen on UDP {address}"))?;
    let listener = TcpListener::bind(address).with_context(|| format!("could not listen on TCP {address}"))?;
    let accept = move || accept_streams(&listener);
    // Ends with the process: accept() blocks.
    std::thread::Builder::new().name("accept".to_owned()).spawn(accept).context("could not start a thread")?;
    answer_probes(&socket, &stop)
}

fn answer_probes(socket: &UdpSocket, stop: &StopFlag) -> Result<()> {
    socket.set_read_timeout(Some(LOOK)).context("could not set a timeout")?;
    let mut buffer = [0; DATAGRAM];
    while !stop.is_set() {
        match socket.recv_from(&mut buffer) {
            // An answer that cannot be sent is a probe lost: the prober counts it.
            Ok((length, from)) => drop(socket.send_to(&buffer[..length], from)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => {}
            Err(error) => return Err(error).context("could not receive probes"),
        }
    }
    Ok(())
}

fn accept_streams(listener: &TcpListener) {
    let live = Arc::new(());
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if Arc::strong_count(&live) > MAX_STREAMS {
            continue;
        }
        let held = live.clone();
        std::thread::spawn(move || {
            if let Err(error) = echo_verified(stream) {
                eprintln!("a stream ended: {error:#}");
            }
            drop(held);
        });
    }
}

fn echo_verified(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true).context("could not set TCP_NODELAY")?;
    let mut checker = Checker::default();
    let mut buffer = [0; BLOCK];
    loop {
        let length = stream.read(&mut buffer).context("could not read")?;
        if length == 0 {
            return Ok(());
        }
        checker.check(&buffer[..length])?;
        stream.write_all(&buffer[..length]).context("could not echo")?;
    }
}
