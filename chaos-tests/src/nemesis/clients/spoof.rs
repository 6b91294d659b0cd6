//! A server that sends what it may not: frames with another server's MAC as their source. And a listener on the LAN, who must never
//! see them, but sees that the server's own frames come.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use twinrail_datapath_sys::{PacketSocket, ReceiveQueue, SendQueue};
use twinrail_proto::domain::MacAddress;
use twinrail_proto::rail::{OFFLOAD_LENGTH, OffloadHeader};

use crate::lab::layout::LAN_HOST_NAME;
use crate::lab::{Lab, Segment};

/// Between one pair of frames and the next.
const REST: Duration = Duration::from_millis(100);
/// How long the listener waits before it looks whether it shall end.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// IEEE 802, local experimental EtherType 1.
const ETHER_TYPE: [u8; 2] = [0x88, 0xb5];
const MARK: [u8; 8] = *b"nemesis!";
/// The smallest Ethernet frame, without its check sequence.
const FRAME: usize = 60;
const BUFFER: usize = 2_048;

/// Frames seen on the LAN, by the MAC that they said they come from.
type Seen = Arc<Mutex<BTreeMap<[u8; 6], u64>>>;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Spoofed {
    /// Frames with the server's own MAC that the LAN saw, and how many were sent.
    pub own: u64,
    pub sent: u64,
    /// Frames with a MAC that is not the server's, which the LAN must not see.
    pub foreign: u64,
}

pub struct Spoofer {
    stop: Arc<AtomicBool>,
    own: [u8; 6],
    seen: Seen,
    sender: JoinHandle<Result<u64>>,
    listener: JoinHandle<Result<()>>,
}

impl Spoofer {
    /// From a server's device, which has this MAC, with its own and a foreign one.
    pub fn start(lab: &Lab, server: &str, device: &str, own: MacAddress, foreign: MacAddress) -> Result<Self> {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Seen::default());
        let (own, foreign) = (own.octets(), foreign.octets());
        let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let (from, ends, device) = (lab.namespace(server)?.clone(), stop.clone(), device.to_owned());
        let sender = spawn("spoofer").spawn(move || from.run(|| send(&device, own, foreign, &ends)));
        let (at, ends, notes) = (lab.namespace(LAN_HOST_NAME)?.clone(), stop.clone(), seen.clone());
        let listener = spawn("listener").spawn(move || at.run(|| listen(&notes, &ends)));
        let (sender, listener) = (sender.context("no thread")?, listener.context("no thread")?);
        Ok(Self { stop, own, seen, sender, listener })
    }

    pub fn finish(self) -> Result<Spoofed> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().map_err(|_| anyhow!("the spoofer panicked"))??;
        self.listener.join().map_err(|_| anyhow!("the listener panicked"))??;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let own = seen.get(&self.own).copied().unwrap_or(0);
        Ok(Spoofed { own, sent, foreign: seen.values().sum::<u64>() - own })
    }
}

fn send(device: &str, own: [u8; 6], foreign: [u8; 6], stop: &AtomicBool) -> Result<u64> {
    let socket = PacketSocket::open(device).with_context(|| format!("could not open {device}"))?;
    let (mut queue, mut sent) = (SendQueue::default(), 0);
    while !stop.load(Ordering::Relaxed) {
        for mac in [own, foreign] {
            let (plain, frame) = (OffloadHeader::PLAIN.encode(), frame(mac));
            let mut batch = queue.start();
            batch.message(None, None);
            batch.part(&plain);
            batch.part(&frame);
            // A device that is down for a moment sends nothing, and is tried again.
            sent += u64::from(batch.send(&socket, 0).is_ok() && mac == own);
        }
        std::thread::sleep(REST);
    }
    Ok(sent)
}

fn frame(source: [u8; 6]) -> Vec<u8> {
    let mut frame = [&[0xff; 6][..], &source, &ETHER_TYPE, &MARK].concat();
    frame.resize(FRAME, 0);
    frame
}

fn listen(seen: &Seen, stop: &AtomicBool) -> Result<()> {
    let socket = PacketSocket::open(Segment::Lan.device()).context("could not listen on the LAN")?;
    let (mut queue, mut buffer) = (ReceiveQueue::default(), [0; OFFLOAD_LENGTH + BUFFER]);
    while !stop.load(Ordering::Relaxed) {
        poll(&mut [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)], Some(&PATIENCE)).context("no waiting")?;
        match queue.receive(&socket, std::iter::once(&mut buffer[..])) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error).context("could not receive frames"),
        }
        let length = queue.message(0).length.min(buffer.len());
        let source = buffer.get(OFFLOAD_LENGTH..length).and_then(source_of);
        if let Some(source) = source {
            *seen.lock().unwrap_or_else(PoisonError::into_inner).entry(source).or_default() += 1;
        }
    }
    Ok(())
}

/// The source of a frame that is one of ours.
fn source_of(frame: &[u8]) -> Option<[u8; 6]> {
    let ours = frame.get(12..14)? == ETHER_TYPE && frame.get(14..22)? == MARK;
    if ours { frame.get(6..12)?.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_frames_count() {
        let mac = [2, 0x54, 0x57, 0, 0, 9];
        assert_eq!(source_of(&frame(mac)), Some(mac));
        assert_eq!(source_of(&frame(mac)[..20]), None);
        assert_eq!(source_of(&[0; 60]), None);
    }
}
