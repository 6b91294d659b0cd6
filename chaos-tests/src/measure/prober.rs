//! `lab prober`: one probe every interval, one thread, no catching up after a stall.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clock::{self, MILLISECOND, Nanos};
use super::echo::{LENGTH, Probe};
use super::probe_log::ProbeLog;
use super::report::ProbeEvent;
use super::responder::stop_flag;

/// How often what was seen is printed.
const TELL_EVERY: Nanos = 50 * MILLISECOND;
/// The prober was not scheduled when it sends so late.
const OWN_STALL: Nanos = 5 * MILLISECOND;

#[derive(Debug, Args)]
pub struct ProberOptions {
    /// The responder.
    #[arg(long)]
    target: SocketAddr,
    /// The address to send from: with two network cards in one network, it chooses the card.
    #[arg(long, default_value = "0.0.0.0")]
    source: IpAddr,
    #[arg(long, default_value_t = 1_000)]
    interval_us: u64,
    /// Ends by itself after so long; otherwise by SIGTERM.
    #[arg(long)]
    seconds: Option<u64>,
}

struct Prober {
    socket: UdpSocket,
    id: u64,
    log: ProbeLog,
}

pub fn run(options: &ProberOptions) -> Result<()> {
    let stop = stop_flag()?;
    let mut prober = Prober::open(options)?;
    let interval = options.interval_us * 1_000;
    let start = clock::now();
    let end = options.seconds.map_or(Nanos::MAX, |seconds| start + clock::nanos(Duration::from_secs(seconds)));
    let (mut next_send, mut next_tell) = (start, start + TELL_EVERY);
    while clock::now() < end && !stop.is_set() {
        prober.wait_until(next_send)?;
        let now = clock::now();
        if now >= next_send {
            next_send = prober.send(next_send, now, interval);
        }
        if now >= next_tell {
            tell(&prober.log.tick(now))?;
            next_tell = now + TELL_EVERY;
        }
    }
    // Answers that are still under way are waited for: a probe sent just now is not lost.
    prober.wait_until(clock::now() + 100 * MILLISECOND)?;
    tell(&prober.log.finish(clock::now()))
}

impl Prober {
    fn open(options: &ProberOptions) -> Result<Self> {
        let socket = UdpSocket::bind((options.source, 0))
            .with_context(|| format!("could not open a UDP socket on {}", options.source))?;
        socket.connect(options.target).with_context(|| format!("could not aim at {}", options.target))?;
        socket.set_nonblocking(true).context("could not make the socket non-blocking")?;
        Ok(Self { socket, id: uuid::Uuid::new_v4().as_u64_pair().0, log: ProbeLog::default() })
    }

    /// Sends one probe; the time of the next. After a stall the schedule starts anew: no burst.
    fn send(&mut self, due: Nanos, now: Nanos, interval: Nanos) -> Nanos {
        let probe = Probe { prober: self.id, number: self.log.next_number(), sent_at: now };
        // A send that fails (no route, no buffer) is a probe that gets no answer.
        self.socket.send(&probe.encode()).ok();
        self.log.on_sent(now);
        if now - due < OWN_STALL {
            return due + interval;
        }
        self.log.on_own_stall(due, now);
        now + interval
    }

    /// Reads answers until then.
    fn wait_until(&mut self, end: Nanos) -> Result<()> {
        loop {
            self.read_all();
            let now = clock::now();
            if now >= end {
                return Ok(());
            }
            let left = Duration::from_nanos(end - now);
            let timeout = Timespec::try_from(left).context("the time to wait is too long")?;
            let mut fds = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("could not wait for answers"),
            }
        }
    }

    fn read_all(&mut self) {
        let mut buffer = [0; LENGTH + 1];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => match Probe::decode(&buffer[..length]) {
                    Some(probe) if probe.prober == self.id => self.log.on_answer(probe.number, clock::now()),
                    _ => {}
                },
                // A responder that is away answers "refused": no answer yet, and the next may come.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => return,
            }
        }
    }
}

fn tell(events: &[ProbeEvent]) -> Result<()> {
    let mut text = String::new();
    for event in events {
        text.push_str(&serde_json::to_string(event).context("could not write an event as JSON")?);
        text.push('\n');
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("could not print")
}
