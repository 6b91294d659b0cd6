//! A target in memory: one disk, honest unless a test speaks in its name.

use std::collections::BTreeMap;
use std::io::IoSlice;

use bytes::Bytes;

use crate::san::iscsi::engine::Engine;
use crate::san::iscsi::engine::outbox::Outbox;
use crate::san::iscsi::engine::receiver::{Found, Receiver};
use crate::san::iscsi::login::next;
use crate::san::iscsi::pdu::{
    DataIn, DataOut, FromInitiator, FromTarget, LARGEST_SEGMENT, LoginRequest, LoginResponse, LogoutResponse, NO_TAG,
    NopIn, ReadyToTransfer, Residual, ScsiCommand, ScsiResponse, Serial, Stage, TargetNumbers, TaskManagementResponse,
    TextResponse,
};
use crate::scsi::{Cdb, Opcode};

pub const BLOCK: usize = 512;

pub struct Peer {
    receiver: Receiver,
    incoming: Option<FromInitiator>,
    segment: Vec<u8>,
    outbox: Outbox,
    stat_sn: Serial,
    pub exp_cmd_sn: Serial,
    /// How many commands it takes ahead.
    pub window: u32,
    /// What it says to the offer, pairs with a NUL after each.
    keys: String,
    digests: bool,
    /// The longest Data-In, and the longest burst that it asks for.
    pub segment_length: usize,
    pub burst: usize,
    pub disk: Vec<u8>,
    /// Takes commands and data and answers nothing of them.
    pub silent: bool,
    pub seen: Vec<FromInitiator>,
    writes: BTreeMap<u32, Write>,
}

struct Write {
    command: ScsiCommand,
    data: Vec<u8>,
    have: usize,
    /// Where the data that was sent or asked for ends.
    asked: usize,
    r2t_sn: Serial,
}

impl Peer {
    pub fn new(keys: &str) -> Self {
        Self {
            receiver: Receiver::new(LARGEST_SEGMENT),
            incoming: None,
            segment: Vec::new(),
            outbox: Outbox::default(),
            stat_sn: Serial(u32::MAX - 3),
            exp_cmd_sn: Serial(1),
            window: 8,
            keys: keys.replace(' ', "\0") + "\0",
            digests: keys.contains("CRC32C"),
            segment_length: 4096,
            burst: 8192,
            disk: vec![0; 1 << 20],
            silent: false,
            seen: Vec::new(),
            writes: BTreeMap::new(),
        }
    }

    /// The numbers for a PDU that uses its StatSN up, or not.
    pub fn numbers(&mut self, counts: bool) -> TargetNumbers {
        let stat_sn = self.stat_sn;
        self.stat_sn = if counts { stat_sn.next() } else { stat_sn };
        let max_cmd_sn = self.exp_cmd_sn.plus(self.window.wrapping_sub(1));
        TargetNumbers { stat_sn, exp_cmd_sn: self.exp_cmd_sn, max_cmd_sn }
    }

    pub fn send(&mut self, pdu: FromTarget, data: &[u8]) {
        self.outbox.push(pdu.header(), Bytes::copy_from_slice(data));
    }

    /// What it has to say.
    pub fn take_octets(&mut self) -> Vec<u8> {
        let mut taken = Vec::new();
        while !self.outbox.is_empty() {
            let before = taken.len();
            let mut slices = [IoSlice::new(&[]); 7];
            let count = self.outbox.fill(&mut slices);
            slices[..count].iter().for_each(|it| taken.extend_from_slice(it));
            self.outbox.wrote(taken.len() - before);
        }
        taken
    }

    pub fn hear(&mut self, mut octets: &[u8]) {
        let mut receiver = std::mem::replace(&mut self.receiver, Receiver::new(LARGEST_SEGMENT));
        loop {
            match receiver.next(&mut octets).expect("the initiator counts its digests right") {
                Found::Nothing => break,
                Found::Header(header) => {
                    self.incoming = Some(FromInitiator::parse(&header).expect("the initiator speaks the protocol"));
                }
                Found::Data(octets) => self.segment.extend_from_slice(octets),
                Found::End => {
                    let pdu = self.incoming.take().expect("a PDU has a header");
                    let segment = std::mem::take(&mut self.segment);
                    self.seen.push(pdu);
                    self.on_pdu(pdu, &segment, &mut receiver);
                }
            }
        }
        self.receiver = receiver;
    }

    fn on_pdu(&mut self, pdu: FromInitiator, segment: &[u8], receiver: &mut Receiver) {
        match pdu {
            FromInitiator::Login(request) => self.on_login(&request, receiver),
            _ if self.silent => {}
            FromInitiator::ScsiCommand(command) => self.on_command(command, segment),
            FromInitiator::DataOut(data) => self.on_data_out(&data, segment),
            FromInitiator::NopOut(nop) if nop.task_tag != NO_TAG => {
                let numbers = self.numbers(true);
                let (task_tag, transfer_tag) = (nop.task_tag, NO_TAG);
                self.send(FromTarget::NopIn(NopIn { lun: [0; 8], task_tag, transfer_tag, numbers }), &[]);
            }
            FromInitiator::NopOut(_) => {}
            FromInitiator::TaskManagement(request) => {
                let (numbers, task_tag) = (self.numbers(true), request.task_tag);
                let response = TaskManagementResponse { response: 0, task_tag, numbers };
                self.send(FromTarget::TaskManagement(response), &[]);
            }
            FromInitiator::Text(request) => {
                let (numbers, task_tag, first) = (self.numbers(true), request.task_tag, request.transfer_tag == NO_TAG);
                let transfer_tag = if first { 5 } else { NO_TAG };
                let (last, continues, lun) = (!first, first, [0; 8]);
                let response = TextResponse { last, continues, lun, task_tag, transfer_tag, numbers };
                self.send(FromTarget::Text(response), if first { b"Target" } else { b"Name=iqn.a\0" });
            }
            FromInitiator::Logout(request) => {
                let (numbers, task_tag) = (self.numbers(true), request.task_tag);
                let response = LogoutResponse { response: 0, task_tag, numbers, time_to_wait: 0, time_to_retain: 0 };
                self.send(FromTarget::Logout(response), &[]);
            }
        }
    }

    fn on_login(&mut self, request: &LoginRequest, receiver: &mut Receiver) {
        assert!(request.transit && request.session == 0);
        let ends = request.stage == Stage::Operational;
        let response = LoginResponse {
            transit: true,
            continues: false,
            stage: request.stage,
            next_stage: next(request.stage),
            versions: [0, 0],
            isid: request.isid,
            session: if ends { 7 } else { 0 },
            task_tag: request.task_tag,
            numbers: self.numbers(true),
            status: [0, 0],
        };
        let keys = if ends { self.keys.clone() } else { "AuthMethod=None\0".into() };
        self.send(FromTarget::Login(response), keys.as_bytes());
        if ends {
            receiver.set(self.digests, self.digests, LARGEST_SEGMENT);
            // What was said before has no digests; what follows has.
            self.outbox.set_digests(self.digests, self.digests);
        }
    }

    fn on_command(&mut self, command: ScsiCommand, segment: &[u8]) {
        assert_eq!(command.numbers.cmd_sn, self.exp_cmd_sn, "commands come in their order");
        self.exp_cmd_sn = self.exp_cmd_sn.next();
        let cdb = Cdb::from_padded(&command.cdb).expect("a CDB of the tests");
        let at = cdb.lba().unwrap_or(0) as usize * BLOCK;
        let length = command.expected_length as usize;
        match cdb.opcode() {
            Opcode::READ_16 => self.read(command.task_tag, at, length),
            Opcode::WRITE_16 => {
                let asked = if command.last { segment.len() } else { length.min(65_536) };
                let mut data = vec![0; length];
                data[..segment.len()].copy_from_slice(segment);
                let write = Write { command, data, have: segment.len(), asked, r2t_sn: Serial(0) };
                self.go_on(write);
            }
            _ => self.respond(command.task_tag),
        }
    }

    fn read(&mut self, task_tag: u32, at: usize, length: usize) {
        let data = self.disk[at..at + length].to_vec();
        let count = length.div_ceil(self.segment_length);
        for (index, piece) in data.chunks(self.segment_length).enumerate() {
            let last = index + 1 == count;
            let data_in = DataIn {
                last,
                status: last.then_some(0),
                lun: [0; 8],
                task_tag,
                transfer_tag: NO_TAG,
                numbers: self.numbers(last),
                data_sn: Serial(index as u32),
                offset: (index * self.segment_length) as u32,
                residual: Residual::None,
            };
            self.send(FromTarget::DataIn(data_in), piece);
        }
    }

    fn on_data_out(&mut self, data: &DataOut, segment: &[u8]) {
        let mut write = self.writes.remove(&data.task_tag).expect("data of a command");
        let at = data.offset as usize;
        assert_eq!(at, write.have, "data comes in its order");
        write.data[at..at + segment.len()].copy_from_slice(segment);
        write.have += segment.len();
        assert_eq!(data.last, write.have == write.asked, "the last PDU of a sequence says so");
        self.go_on(write);
    }

    /// Waits for what was asked for, asks for more, or writes it down.
    fn go_on(&mut self, mut write: Write) {
        let task_tag = write.command.task_tag;
        if write.have == write.data.len() {
            let at = Cdb::from_padded(&write.command.cdb).unwrap().lba().unwrap() as usize * BLOCK;
            self.disk[at..at + write.data.len()].copy_from_slice(&write.data);
            return self.respond(task_tag);
        }
        if write.have == write.asked {
            let length = self.burst.min(write.data.len() - write.have);
            let r2t = ReadyToTransfer {
                lun: [0; 8],
                task_tag,
                transfer_tag: 3,
                numbers: self.numbers(false),
                r2t_sn: write.r2t_sn,
                offset: write.have as u32,
                length: length as u32,
            };
            write.asked += length;
            write.r2t_sn = write.r2t_sn.next();
            self.send(FromTarget::ReadyToTransfer(r2t), &[]);
        }
        self.writes.insert(task_tag, write);
    }

    fn respond(&mut self, task_tag: u32) {
        let (numbers, residual) = (self.numbers(true), Residual::None);
        let exp_data_sn = Serial(0);
        let response = ScsiResponse { response: 0, status: 0, task_tag, numbers, exp_data_sn, residual };
        self.send(FromTarget::ScsiResponse(response), &[]);
    }
}

/// What the engine has to say.
pub fn take_from(engine: &mut Engine) -> Vec<u8> {
    let mut taken = Vec::new();
    while engine.wants_write() {
        let before = taken.len();
        let mut slices = [IoSlice::new(&[]); 7];
        let count = engine.fill(&mut slices);
        slices[..count].iter().for_each(|it| taken.extend_from_slice(it));
        engine.wrote(taken.len() - before);
    }
    taken
}

/// Gives octets to the engine, so many at a time.
pub fn give_to(engine: &mut Engine, octets: &[u8], step: usize) {
    for piece in octets.chunks(step) {
        let mut given = 0;
        for mut place in engine.room() {
            let count = place.len().min(piece.len() - given);
            place[..count].copy_from_slice(&piece[given..given + count]);
            given += count;
        }
        assert_eq!(given, piece.len(), "there is room for {step} octets");
        engine.received(given, 0);
    }
}

/// Lets both speak until nobody has more to say.
pub fn converse(engine: &mut Engine, peer: &mut Peer, step: usize) {
    loop {
        let said = take_from(engine);
        said.chunks(step).for_each(|it| peer.hear(it));
        let answer = peer.take_octets();
        if said.is_empty() && answer.is_empty() {
            return;
        }
        give_to(engine, &answer, step);
    }
}
