//! One connection: cuts the stream into PDUs, keeps the numbers, waits for the initiator and the SAN at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use twinrail_datapath::san::iscsi::pdu::{
    FromInitiator, FromTarget, HEADER_LENGTH, Header, InitiatorNumbers, LogoutResponse, NO_TAG, NopIn, Reject, Serial,
    TargetNumbers, TextRequest, TextResponse, padding,
};

use super::Target;
use super::login::{self, Admitted};
use super::tasks::Tasks;

/// The longest data segment that the target takes.
pub const LONGEST_SEGMENT: usize = 256 << 10;
/// Commands that an initiator may send ahead.
const WINDOW: u32 = 128;
/// An initiator that takes nothing for so long is gone.
const TAKES_WITHIN: Duration = Duration::from_secs(10);
/// How often the SAN is looked at when it does not call.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Reject reasons (RFC 7143, 11.17.1).
const PROTOCOL_ERROR: u8 = 0x04;
const NOT_SUPPORTED: u8 = 0x05;

/// What both stages of a connection speak through.
pub struct Wire {
    socket: TcpStream,
    received: Vec<u8>,
    stat_sn: Serial,
    exp_cmd_sn: Serial,
}

pub struct Pdu {
    pub header: Header,
    pub what: FromInitiator,
    pub data: Vec<u8>,
}

pub fn serve(target: &Target, socket: TcpStream) -> Result<()> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(TAKES_WITHIN))?;
    let portal = socket.local_addr()?;
    let mut wire = Wire { socket, received: Vec::new(), stat_sn: Serial(1), exp_cmd_sn: Serial(0) };
    match login::admit(target, &mut wire)? {
        None => Ok(()),
        Some(Admitted::Discovery) => discovery(target, &mut wire, portal),
        Some(Admitted::Normal { session, agreement }) => full_feature(wire, Tasks::new(session, agreement)),
    }
}

fn full_feature(mut wire: Wire, mut tasks: Tasks) -> Result<()> {
    loop {
        wire.wait(&tasks)?;
        tasks.poll(&mut wire)?;
        while let Some(pdu) = wire.next()? {
            if !wire.is_in_order(&pdu.what) {
                continue;
            }
            match pdu.what {
                FromInitiator::ScsiCommand(command) => tasks.command(command, pdu.data, &mut wire)?,
                FromInitiator::DataOut(data) => tasks.data(&data, &pdu.data, &mut wire)?,
                FromInitiator::TaskManagement(request) => tasks.manage(&request, &mut wire)?,
                FromInitiator::Logout(logout) => return wire.goodbye(logout.task_tag),
                _ => wire.answer(&pdu)?,
            }
        }
    }
}

fn discovery(target: &Target, wire: &mut Wire, portal: SocketAddr) -> Result<()> {
    loop {
        let pdu = wire.read()?;
        match pdu.what {
            _ if !wire.is_in_order(&pdu.what) => {}
            FromInitiator::Text(request) => {
                let text = format!("TargetName={}\0TargetAddress={portal},1\0", target.name);
                wire.send_text(&request, text.as_bytes())?;
            }
            FromInitiator::Logout(logout) => return wire.goodbye(logout.task_tag),
            _ => wire.answer(&pdu)?,
        }
    }
}

impl Wire {
    /// The next PDU; waits for it.
    pub fn read(&mut self) -> Result<Pdu> {
        loop {
            if let Some(pdu) = self.next()? {
                return Ok(pdu);
            }
            self.receive()?;
        }
    }

    /// The next PDU that is there as a whole.
    fn next(&mut self) -> Result<Option<Pdu>> {
        let Some(head) = self.received.first_chunk::<HEADER_LENGTH>() else { return Ok(None) };
        let header = Header(*head);
        let length = header.data_length() as usize;
        ensure!(length <= LONGEST_SEGMENT, "a data segment of {length} octets; {LONGEST_SEGMENT} were agreed");
        let start = HEADER_LENGTH + header.additional_length();
        let end = start + length + padding(length);
        if self.received.len() < end {
            return Ok(None);
        }
        let data = self.received[start..start + length].to_vec();
        self.received.drain(..end);
        let what = FromInitiator::parse(&header)?;
        Ok(Some(Pdu { header, what, data }))
    }

    fn receive(&mut self) -> Result<()> {
        let mut octets = [0; 64 << 10];
        let count = self.socket.read(&mut octets).context("cannot read")?;
        ensure!(count > 0, "the initiator closed it");
        self.received.extend_from_slice(&octets[..count]);
        Ok(())
    }

    /// Until the initiator has sent something (which is taken), or the SAN has something to say.
    fn wait(&mut self, tasks: &Tasks) -> Result<()> {
        let mut fds = vec![PollFd::new(&self.socket, PollFlags::IN)];
        let san = tasks.fd();
        fds.extend(san.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        match poll(&mut fds, Some(&LOOK_AGAIN)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => bail!("cannot poll: {error}"),
        }
        if fds[0].revents().is_empty() { Ok(()) } else { self.receive() }
    }

    pub fn numbers(&self) -> TargetNumbers {
        let max_cmd_sn = self.exp_cmd_sn.plus(WINDOW - 1);
        TargetNumbers { stat_sn: self.stat_sn, exp_cmd_sn: self.exp_cmd_sn, max_cmd_sn }
    }

    /// The same, for an answer that uses its StatSN up.
    pub fn counted(&mut self) -> TargetNumbers {
        let numbers = self.numbers();
        self.stat_sn = self.stat_sn.next();
        numbers
    }

    pub fn begin(&mut self, cmd_sn: Serial) {
        self.exp_cmd_sn = cmd_sn;
    }

    pub fn send(&mut self, pdu: FromTarget, data: &[u8]) -> Result<()> {
        let length = u32::try_from(data.len())?;
        let mut octets = Vec::with_capacity(HEADER_LENGTH + data.len() + 3);
        octets.extend_from_slice(&pdu.header().with_data_length(length).0);
        octets.extend_from_slice(data);
        octets.resize(octets.len() + padding(data.len()), 0);
        self.socket.write_all(&octets).context("cannot write")
    }

    /// Takes the CmdSN. What is not the next one is ignored (RFC 7143, 4.2.2.1): one connection has no gaps to wait for.
    fn is_in_order(&mut self, what: &FromInitiator) -> bool {
        let (immediate, numbers) = match what {
            FromInitiator::NopOut(it) => (it.immediate, it.numbers),
            FromInitiator::ScsiCommand(it) => (it.immediate, it.numbers),
            FromInitiator::TaskManagement(it) => (it.immediate, it.numbers),
            FromInitiator::Text(it) => (it.immediate, it.numbers),
            FromInitiator::Logout(it) => (it.immediate, it.numbers),
            FromInitiator::DataOut(_) | FromInitiator::Login(_) => (true, InitiatorNumbers::default()),
        };
        let in_order = immediate || numbers.cmd_sn == self.exp_cmd_sn;
        if in_order && !immediate {
            self.exp_cmd_sn = self.exp_cmd_sn.next();
        }
        in_order
    }

    /// What every stage answers alike.
    fn answer(&mut self, pdu: &Pdu) -> Result<()> {
        match pdu.what {
            FromInitiator::NopOut(nop) if nop.task_tag == NO_TAG => Ok(()),
            FromInitiator::NopOut(nop) => {
                let numbers = self.counted();
                let pong = NopIn { lun: nop.lun, task_tag: nop.task_tag, transfer_tag: NO_TAG, numbers };
                self.send(FromTarget::NopIn(pong), &pdu.data)
            }
            FromInitiator::Text(request) => self.send_text(&request, b""),
            FromInitiator::Login(_) => self.reject(&pdu.header, PROTOCOL_ERROR),
            _ => self.reject(&pdu.header, NOT_SUPPORTED),
        }
    }

    fn send_text(&mut self, request: &TextRequest, text: &[u8]) -> Result<()> {
        let numbers = self.counted();
        let (lun, task_tag) = (request.lun, request.task_tag);
        let response = TextResponse { last: true, continues: false, lun, task_tag, transfer_tag: NO_TAG, numbers };
        self.send(FromTarget::Text(response), text)
    }

    fn reject(&mut self, header: &Header, reason: u8) -> Result<()> {
        let numbers = self.counted();
        self.send(FromTarget::Reject(Reject { reason, numbers, data_sn: Serial(0) }), &header.0)
    }

    fn goodbye(&mut self, task_tag: u32) -> Result<()> {
        let numbers = self.counted();
        let response = LogoutResponse { response: 0, task_tag, numbers, time_to_wait: 0, time_to_retain: 0 };
        self.send(FromTarget::Logout(response), b"")
    }
}
