//! An NBD client with many requests in flight: `doc/proto.md` of NetworkBlockDevice/nbd, fixed newstyle, option GO, simple
//! replies. Independent of the server's code, and no more than the checker needs.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::disk::{Cookie, Disk, Reply, Request};

const INIT_PASSWD: u64 = u64::from_be_bytes(*b"NBDMAGIC");
const HAVE_OPTION: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const SIMPLE_REPLY: u32 = 0x6744_6698;
/// Fixed newstyle, no zeroes.
const HANDSHAKE: u32 = 3;
const GO: u32 = 7;
const ACK: u32 = 1;
const INFO: u32 = 3;
const INFO_EXPORT: u16 = 0;
const READ: u16 = 0;
const WRITE: u16 = 1;
const FLUSH: u16 = 3;
const REPLY_HEAD: usize = 16;
/// A server that is there says hello within this.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Octets taken from the socket at once.
const CHUNK: usize = 256 * 1024;
/// An option's answer longer than this is nonsense.
const LONGEST_ANSWER: u32 = 64 * 1024;

/// One client of one export.
pub struct NbdDisk {
    stream: UnixStream,
    size: u64,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// What the reply to each command in flight carries.
    awaited: BTreeMap<Cookie, usize>,
}

impl NbdDisk {
    /// Attaches to the default export of a socket.
    pub fn attach(socket: &Path) -> Result<Self> {
        let mut stream = UnixStream::connect(socket).with_context(|| format!("nobody at {}", socket.display()))?;
        stream.set_read_timeout(Some(HELLO_WITHIN)).context("could not set a timeout")?;
        let size = negotiate(&mut stream).with_context(|| format!("the NBD handshake at {}", socket.display()))?;
        stream.set_nonblocking(true).context("could not set the socket to non-blocking")?;
        Ok(Self { stream, size, outgoing: Vec::new(), incoming: Vec::new(), awaited: BTreeMap::new() })
    }

    /// Octets.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn send(&mut self) -> Result<()> {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("the export was closed while a request was sent"),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<()> {
        let mut chunk = [0; CHUNK];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("the export was closed with {} requests in flight", self.awaited.len()),
                Ok(length) => self.incoming.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("could not read replies"),
            }
        }
    }

    /// The whole replies that have come in.
    fn parse(&mut self) -> Result<Vec<Reply>> {
        let (mut replies, mut at) = (Vec::new(), 0);
        while let Some((reply, length)) = self.parse_one(at)? {
            self.awaited.remove(&reply.cookie);
            replies.push(reply);
            at += length;
        }
        self.incoming.drain(..at);
        Ok(replies)
    }

    fn parse_one(&self, at: usize) -> Result<Option<(Reply, usize)>> {
        let rest = &self.incoming[at..];
        let Some(head) = rest.first_chunk::<REPLY_HEAD>() else { return Ok(None) };
        ensure!(number32(&head[..4]) == SIMPLE_REPLY, "not a simple reply: {head:x?}");
        let (error, cookie) = (number32(&head[4..8]), number64(&head[8..]));
        let carried = self.awaited.get(&cookie).with_context(|| format!("a reply to nothing: cookie {cookie}"))?;
        if error != 0 {
            return Ok(Some((Reply { cookie, result: Err(error) }, REPLY_HEAD)));
        }
        let end = REPLY_HEAD + carried;
        let data = rest.get(REPLY_HEAD..end);
        Ok(data.map(|data| (Reply { cookie, result: Ok(data.to_vec()) }, end)))
    }

    /// Waits until the socket has replies, or room for what is still to be sent.
    fn wait(&self, patience: Duration) -> Result<()> {
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, !self.outgoing.is_empty());
        let time = Timespec::try_from(patience).context("too long a wait")?;
        match poll(&mut [PollFd::from_borrowed_fd(self.stream.as_fd(), flags)], Some(&time)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).context("could not wait for replies"),
        }
    }
}

impl Disk for NbdDisk {
    fn submit(&mut self, cookie: Cookie, request: Request) -> Result<()> {
        let (command, offset, length, carried) = match &request {
            Request::Read { offset, length } => (READ, *offset, *length, *length as usize),
            Request::Write { offset, data } => (WRITE, *offset, data.len() as u32, 0),
            Request::Flush => (FLUSH, 0, 0, 0),
        };
        ensure!(self.awaited.insert(cookie, carried).is_none(), "cookie {cookie} is in use");
        self.outgoing.extend_from_slice(&REQUEST.to_be_bytes());
        self.outgoing.extend_from_slice(&[0, 0]);
        self.outgoing.extend_from_slice(&command.to_be_bytes());
        self.outgoing.extend_from_slice(&cookie.to_be_bytes());
        self.outgoing.extend_from_slice(&offset.to_be_bytes());
        self.outgoing.extend_from_slice(&length.to_be_bytes());
        if let Request::Write { data, .. } = &request {
            self.outgoing.extend_from_slice(data);
        }
        self.send()
    }

    fn replies(&mut self, patience: Duration) -> Result<Vec<Reply>> {
        let end = Instant::now() + patience;
        loop {
            self.send()?;
            self.receive()?;
            let replies = self.parse()?;
            let left = end.saturating_duration_since(Instant::now());
            if !replies.is_empty() || left.is_zero() {
                return Ok(replies);
            }
            self.wait(left)?;
        }
    }
}

/// Chooses the default export; its size.
fn negotiate(stream: &mut UnixStream) -> Result<u64> {
    let hello = take::<18>(stream)?;
    ensure!(number64(&hello[..8]) == INIT_PASSWD && number64(&hello[8..16]) == HAVE_OPTION, "not fixed newstyle");
    let mut words = HANDSHAKE.to_be_bytes().to_vec();
    words.extend_from_slice(&HAVE_OPTION.to_be_bytes());
    words.extend_from_slice(&GO.to_be_bytes());
    // An empty name (its length of 4 octets), and no wishes (their number of 2).
    words.extend_from_slice(&[0, 0, 0, 6, 0, 0, 0, 0, 0, 0]);
    stream.write_all(&words).context("could not send the choice of an export")?;
    let mut size = None;
    loop {
        let head = take::<20>(stream)?;
        ensure!(number64(&head[..8]) == OPTION_REPLY, "not an answer to an option: {head:x?}");
        let (kind, length) = (number32(&head[12..16]), number32(&head[16..]));
        ensure!(length <= LONGEST_ANSWER, "an answer of {length} octets");
        let mut answer = vec![0; length as usize];
        stream.read_exact(&mut answer).context("half an answer")?;
        match kind {
            ACK => return size.context("the server did not say how large the export is"),
            INFO if answer.len() >= 10 && answer[..2] == INFO_EXPORT.to_be_bytes() => {
                size = Some(number64(&answer[2..10]));
            }
            INFO => {}
            error => bail!("refused with {error:#x}: {}", String::from_utf8_lossy(&answer)),
        }
    }
}

fn take<const N: usize>(stream: &mut UnixStream) -> Result<[u8; N]> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets).context("the server said less than it should")?;
    Ok(octets)
}

fn number32(octets: &[u8]) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|index| octets[index]))
}

fn number64(octets: &[u8]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|index| octets[index]))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use twinrail_datapath::nbd::{Export, MemoryDevice, Offer, Server, ServerConfig};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn it_speaks_with_our_server_and_hears_errors() {
        let folder = tempfile::tempdir().unwrap();
        let config = ServerConfig { path: folder.path().join("s"), mode: 0o600, owner: None, clients: 2 };
        let offer = Offer { export: Export::plain("", 65_536, 4_096), device: Arc::new(MemoryDevice::new(65_536)) };
        let server = Server::start(&config, vec![offer]).unwrap();
        let mut disk = NbdDisk::attach(server.path()).unwrap();
        assert_eq!(disk.size(), 65_536);
        let mut answer = |cookie, request| {
            disk.submit(cookie, request).unwrap();
            let replies = disk.replies(PATIENCE).unwrap();
            assert_eq!(replies.iter().map(|it| it.cookie).collect::<Vec<_>>(), [cookie]);
            replies.into_iter().next().unwrap().result
        };
        let data = vec![0x5a; 8_192];
        assert_eq!(answer(1, Request::Write { offset: 4_096, data: data.clone() }), Ok(Vec::new()));
        assert_eq!(answer(2, Request::Read { offset: 4_096, length: 8_192 }), Ok(data));
        assert_eq!(answer(3, Request::Flush), Ok(Vec::new()));
        const INVALID: u32 = 22;
        assert_eq!(answer(4, Request::Read { offset: 65_536, length: 4_096 }), Err(INVALID));
        drop(server);
        let end = disk.replies(PATIENCE).unwrap_err();
        assert!(format!("{end:#}").contains("closed"), "{end:#}");
    }
}
