//! NBD over SCSI to the end: a model, and real clients on a LUN of the file SAN.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use twinrail_datapath::nbd::scsi::{CommandTag, Patience, Probe, ProbeError, Probed, Translator, UnitFacts, WriteSame};
use twinrail_datapath::nbd::{BlockDevice, MemoryDevice, Request, Ticket, Zeroing};
use twinrail_datapath::san::file::{DiskConfig, FileSan, FileSanConfig, LogicalUnit};
use twinrail_datapath::san::{Identity, Report, San, Session, SessionId, Tag};
use twinrail_datapath::scsi::{Command, Lun, Response, Sense, SenseCode, SenseKey, Status};

use crate::peers::{Served, fio_verifies, succeeds};
use crate::support::octets;

fn initiator() -> Identity {
    let wwpn = twinrail_proto::domain::Wwn::new(0x5001_4380_0000_0001).expect("a WWPN");
    Identity { wwpn, session: SessionId([0x80, 0, 0, 0, 0, 1]) }
}

fn disk(folder: &TempDir, octets: u64, block_length: u32) -> DiskConfig {
    DiskConfig { name: "disk".into(), path: folder.path().join("disk"), octets, block_length }
}

/// Asks a unit, by whatever executes commands.
fn probe(mut execute: impl FnMut(Command) -> Response) -> Result<UnitFacts, ProbeError> {
    let mut probe = Probe::new(Lun::ZERO);
    loop {
        if let Probed::Known(facts) = probe.answered(&execute(probe.command()))? {
            return Ok(facts);
        }
    }
}

/// A unit of the file SAN, without the SAN.
struct Unit {
    unit: LogicalUnit,
    _folder: TempDir,
}

impl Unit {
    fn new(octets: u64, block_length: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut unit = LogicalUnit::open(&disk(&folder, octets, block_length)).expect("a unit");
        unit.arrive(initiator());
        Self { unit, _folder: folder }
    }

    fn execute(&mut self, command: &Command) -> Response {
        self.unit.execute(initiator(), command).response
    }
}

#[test]
fn the_probe_learns_what_the_file_san_promises() {
    for block in [512, 4096] {
        let mut unit = Unit::new(1 << 20, block);
        let facts = probe(|command| unit.execute(&command)).expect("facts");
        assert_eq!((facts.block_length, facts.blocks), (block, (1 << 20) / u64::from(block)));
        assert_eq!(facts.largest_transfer, (1 << 20) / block);
        assert!(facts.force_unit_access && facts.write_cache && !facts.write_protected && !facts.rotational);
        assert_eq!(facts.write_same, Some(WriteSame { largest: (64 << 20) / block, unmaps: true }));
        assert_eq!(facts.unmap.map(|it| it.largest), Some((1 << 30) / block));
        let export = facts.export("disk");
        assert_eq!((export.size, export.block, export.trim, export.read_only), (1 << 20, block, true, false));
    }
}

#[test]
fn a_unit_that_cannot_be_exported_is_refused_by_name() {
    let capacity = |last: u64, block: u32| {
        move |command: Command| {
            let data = [&last.to_be_bytes()[..], &block.to_be_bytes(), &[0; 20]].concat();
            if command.data_in_length == 0 { Response::good() } else { Response::data(data.into(), &command) }
        }
    };
    assert_eq!(probe(capacity(99, 520)), Err(ProbeError::BlockLength(520)));
    assert_eq!(probe(capacity(99, 0)), Err(ProbeError::BlockLength(0)));
    assert!(matches!(probe(capacity(u64::MAX, 512)), Err(ProbeError::Size(..))));
    let silent = probe(|_| Response::good());
    assert!(matches!(silent, Err(ProbeError::CutShort(_))));
    let busy = probe(|_| Response::with_status(Status::Busy));
    assert!(matches!(busy, Err(ProbeError::NotAnswered { .. })));
    let absent = probe(|_| Response::check_condition(Sense::illegal_request(SenseCode::LUN_NOT_SUPPORTED)));
    assert!(absent.expect_err("refused").to_string().contains("logical unit not supported"));
}

#[test]
fn a_unit_that_says_little_is_promised_little() {
    let facts = probe(|command| match command.cdb.octets()[0] {
        0x00 => Response::good(),
        0x9e => Response::data([&9u64.to_be_bytes()[..], &512u32.to_be_bytes(), &[0; 20]].concat().into(), &command),
        _ => Response::check_condition(Sense::illegal_request(SenseCode::INVALID_FIELD_IN_CDB)),
    });
    let facts = facts.expect("facts");
    assert!(facts.write_cache && !facts.force_unit_access && facts.unmap.is_none());
    let export = facts.export("disk");
    assert_eq!((export.size, export.trim), (5120, false));
}

const BLOCKS: u64 = 64;

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let one = (0..5, 0..BLOCKS, 1..BLOCKS, any::<u8>(), any::<bool>()).prop_map(|(kind, block, blocks, seed, flag)| {
        let (offset, length) = (block * 512, (blocks.min(BLOCKS - block) * 512) as u32);
        match kind {
            0 => Request::Read { offset, length },
            1 | 2 => Request::Write { offset, data: octets(length as usize, seed), fua: flag },
            3 => Request::WriteZeroes { offset, length, how: Zeroing { may_unmap: flag, ..Zeroing::default() } },
            _ => Request::Flush,
        }
    });
    vec(one, 1..12)
}

/// Chances that a command is not executed, and what is answered instead.
fn disturbance(chance: u8) -> Option<Response> {
    match chance {
        0..20 => Some(Response::with_status(Status::Busy)),
        20..40 => Some(Response::with_status(Status::TaskSetFull)),
        40..60 => Some(Response::check_condition(Sense::unit_attention(SenseCode::DEVICE_RESET))),
        60..70 => Some(Response::check_condition(Sense::new(SenseKey::AbortedCommand, SenseCode::NONE))),
        _ => None,
    }
}

/// Executes one request to its end, with the commands of each round in the other order.
fn finish(translator: &mut Translator<()>, unit: &mut Unit, chances: &mut impl Iterator<Item = u8>) -> Bytes {
    let mut now = 0;
    loop {
        let mut sent: Vec<_> = std::iter::from_fn(|| translator.next_command(now)).collect();
        sent.reverse();
        if let Some(((), result)) = translator.next_finished() {
            return result.expect("no error lasts");
        }
        for (tag, command) in sent {
            let disturbed = chances.next().and_then(disturbance);
            let response = disturbed.unwrap_or_else(|| unit.execute(&command));
            translator.completed(tag, &response, now);
        }
        now = translator.next_deadline().unwrap_or(now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a unit cuts, refuses for a while and falls short of its promises, it reads like memory.
    #[test]
    fn a_unit_reads_like_memory(
        requests in requests(),
        chances in vec(any::<u8>(), 200),
        transfer in 1u32..9,
        depth in 1usize..5,
        fua: bool,
        same in prop::option::of(1u32..9),
    ) {
        let mut unit = Unit::new(BLOCKS * 512, 512);
        let facts = probe(|command| unit.execute(&command)).expect("facts");
        let write_same = same.map(|largest| WriteSame { largest, unmaps: true });
        let facts = UnitFacts { largest_transfer: transfer, force_unit_access: fua, write_same, ..facts };
        let patience = Patience { depth, attempts: 1000, hold: Duration::from_secs(1000) };
        let mut translator = Translator::new(facts, patience);
        let memory = MemoryDevice::new((BLOCKS * 512) as usize);
        let mut chances = chances.into_iter();
        let all = Request::Read { offset: 0, length: (BLOCKS * 512) as u32 };
        for request in requests.into_iter().chain([all]) {
            let expected = memory.execute(&request).expect("memory");
            translator.submit(request, ());
            prop_assert!(finish(&mut translator, &mut unit, &mut chances) == expected);
        }
    }
}

/// One LUN of a session, driven by a thread that looks for work every so often. Only for tests: it polls.
struct SessionDisk(Mutex<Sender<(Request, Ticket)>>);

impl BlockDevice for SessionDisk {
    fn submit(&self, request: Request, ticket: Ticket) {
        // A disk that is gone drops the ticket, which is an error to the client.
        let _ = self.0.lock().expect("no panic").send((request, ticket));
    }
}

/// Waits for the report of a command that is the only one.
fn run(session: &mut dyn Session, tag: u64, command: Command) -> Response {
    session.submit(Tag(tag), command, 0).expect("taken");
    let mut reports = Vec::new();
    loop {
        session.poll(0, &mut reports);
        if let Some(Report::Completed { response, .. }) = reports.pop() {
            return response;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn drive(mut session: Box<dyn Session>, mut translator: Translator<Ticket>, requests: &Receiver<(Request, Ticket)>) {
    let mut reports = Vec::new();
    let mut now = 0;
    loop {
        loop {
            match requests.try_recv() {
                Ok((request, ticket)) => translator.submit(request, ticket),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        while let Some((tag, command)) = translator.next_command(now) {
            if session.submit(Tag(tag.0), command, now).is_err() {
                translator.refused(tag);
                break;
            }
        }
        session.poll(now, &mut reports);
        for report in reports.drain(..) {
            if let Report::Completed { tag, response } = report {
                translator.completed(CommandTag(tag.0), &response, now);
            }
        }
        while let Some((ticket, result)) = translator.next_finished() {
            ticket.complete(result);
        }
        std::thread::sleep(Duration::from_micros(100));
        now += 100_000;
    }
}

/// A LUN of 16 MiB, logged in to and served.
fn served(block_length: u32) -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let masks = BTreeMap::from([(initiator().wwpn, BTreeMap::from([(0, "disk".to_owned())]))]);
    let config = FileSanConfig { disks: vec![disk(&folder, 16 << 20, block_length)], masks };
    let san = FileSan::open(&config).expect("a SAN");
    let mut session = san.log_in(initiator(), 0).expect("a login");
    let mut reports = Vec::new();
    while reports != [Report::LoggedIn] {
        session.poll(0, &mut reports);
        std::thread::sleep(Duration::from_micros(100));
    }
    let mut tag = 1 << 60;
    let facts = probe(|command| {
        tag += 1;
        run(&mut *session, tag, command)
    });
    let facts = facts.expect("facts");
    let (sender, receiver) = channel();
    let (export, translator) = (facts.export("disk"), Translator::new(facts, Patience::default()));
    std::thread::spawn(move || {
        drive(session, translator, &receiver);
        drop((san, folder));
    });
    Served::new(export, Arc::new(SessionDisk(Mutex::new(sender))))
}

#[test]
fn fio_verifies_a_lun_of_the_file_san() {
    let served = served(512);
    fio_verifies(&served.uri(), served.folder.path());
}

#[test]
fn a_lun_of_4096_octet_blocks_is_copied_zeroed_and_trimmed() {
    let served = served(4096);
    let (uri, from, to) = (served.uri(), served.file("from"), served.file("to"));
    let mut data = octets(16 << 20, 7).to_vec();
    data[1 << 20..9 << 20].fill(0);
    std::fs::write(&from, &data).expect("written");
    succeeds("nbdcopy", &["--flush", "--request-size=4194304", &from, &uri]);
    succeeds("nbdcopy", &["--request-size=4194304", &uri, &to]);
    assert!(std::fs::read(&to).expect("read") == data);
    let text = succeeds(
        "qemu-io",
        &["-f", "raw", "-c", "write -z -u 9M 1M", "-c", "read -P 0 9M 1M", "-c", "discard 10M 1M", "-c", "flush", &uri],
    );
    assert!(!text.contains("failed"), "{text}");
}
