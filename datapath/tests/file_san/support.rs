use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use twinrail_datapath::san::file::{DiskConfig, LogicalUnit, Outcome};
use twinrail_datapath::san::{Identity, Report, Session, SessionId, Tag};
use twinrail_datapath::scsi::{Cdb, Command, Lun, Response, SenseCode, TaskAnswer, TaskFunction, TaskManagement};

pub const BLOCK: usize = 512;
pub const BLOCKS: usize = 64;

/// Initiators by number.
pub fn initiator(number: u64) -> Identity {
    let wwpn = twinrail_proto::domain::Wwn::new(0x5001_4380_0000_0000 | number).expect("a WWPN");
    Identity { wwpn, session: SessionId([0x80, 0, 0, 0, 0, 1]) }
}

pub fn disk(folder: &Path, name: &str) -> DiskConfig {
    DiskConfig {
        name: name.into(),
        path: folder.join(name),
        octets: (BLOCK * BLOCKS) as u64,
        block_length: BLOCK as u32,
    }
}

/// A CDB in hex.
pub fn cdb(hex: &str) -> Cdb {
    let octets: Vec<u8> = hex.split(' ').map(|it| u8::from_str_radix(it, 16).expect("hex")).collect();
    Cdb::new(&octets).unwrap_or_else(|error| panic!("{hex}: {error}"))
}

/// A logical unit in a folder of its own.
pub struct Unit {
    pub unit: LogicalUnit,
    pub config: DiskConfig,
    _folder: TempDir,
}

impl Unit {
    /// With these initiators logged in, who have taken their unit attentions.
    pub fn new(initiators: &[u64]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = disk(folder.path(), "disk");
        let unit = LogicalUnit::open(&config).expect("a unit");
        let mut unit = Self { unit, config, _folder: folder };
        unit.log_in(initiators);
        unit
    }

    pub fn log_in(&mut self, initiators: &[u64]) {
        for &it in initiators {
            self.unit.arrive(initiator(it));
            assert_eq!(self.reads(it, "00 00 00 00 00 00").sense_code(), Some(SenseCode::POWER_ON_OR_RESET));
        }
    }

    /// As after a power cut: nothing is left but the file.
    pub fn reopen(self) -> Self {
        let Self { unit, config, _folder } = self;
        drop(unit);
        Self { unit: LogicalUnit::open(&config).expect("a unit"), config, _folder }
    }

    pub fn execute(&mut self, by: u64, cdb: Cdb, data_out: Vec<u8>) -> Outcome {
        let command = Command { data_in_length: 1 << 20, ..Command::sending(Lun::ZERO, cdb, data_out) };
        let outcome = self.unit.execute(initiator(by), &command);
        if outcome.durable {
            self.unit.sync().expect("synced");
        }
        outcome
    }

    pub fn reads(&mut self, by: u64, hex: &str) -> Response {
        self.execute(by, cdb(hex), Vec::new()).response
    }

    pub fn writes(&mut self, by: u64, hex: &str, data: impl Into<Vec<u8>>) -> Response {
        self.execute(by, cdb(hex), data.into()).response
    }

    pub fn content(&self) -> Vec<u8> {
        std::fs::read(&self.config.path).expect("the disk's file")
    }
}

/// One vHBA and its thread.
pub struct Host {
    pub session: Box<dyn Session>,
    reports: Vec<Report>,
    tag: u64,
}

impl Host {
    pub fn new(session: Box<dyn Session>) -> Self {
        Self { session, reports: Vec::new(), tag: 0 }
    }

    /// Waits until it is logged in and has taken its unit attentions, at LUN 0 and at LUN 7.
    pub fn ready(session: Box<dyn Session>) -> Self {
        let mut host = Self::new(session);
        host.wait_for(|it| *it == Report::LoggedIn);
        for lun in [0, 7] {
            host.run(Command::without_data(Lun::new(lun).expect("a LUN"), Cdb::test_unit_ready()));
        }
        host
    }

    pub fn submit(&mut self, command: Command) -> Tag {
        self.tag += 1;
        self.session.submit(Tag(self.tag), command, 0).expect("taken");
        Tag(self.tag)
    }

    pub fn run(&mut self, command: Command) -> Response {
        let sent = self.submit(command);
        match self.wait_for(|it| matches!(it, Report::Completed { tag, .. } if *tag == sent)) {
            Report::Completed { response, .. } => response,
            other => panic!("{other:?}"),
        }
    }

    pub fn manage(&mut self, lun: Lun, function: TaskFunction) -> TaskAnswer {
        self.tag += 1;
        let asked = Tag(self.tag);
        self.session.manage(asked, TaskManagement { lun, function }, 0).expect("taken");
        match self.wait_for(|it| matches!(it, Report::Managed { tag, .. } if *tag == asked)) {
            Report::Managed { answer, .. } => answer,
            other => panic!("{other:?}"),
        }
    }

    pub fn write(&mut self, lun: u16, lba: u64, octet: u8) -> Response {
        self.run(write(lun, lba, octet))
    }

    pub fn read(&mut self, lun: u16, lba: u64) -> Response {
        self.run(Command::reading(Lun::new(lun).expect("a LUN"), Cdb::read_16(lba, 1), BLOCK as u32))
    }

    pub fn poll(&mut self) -> &mut Vec<Report> {
        self.session.poll(0, &mut self.reports);
        &mut self.reports
    }

    /// Takes the first such report out; the others stay.
    pub fn wait_for(&mut self, which: impl Fn(&Report) -> bool) -> Report {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let reports = self.poll();
            if let Some(index) = reports.iter().position(&which) {
                return reports.remove(index);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        panic!("it was not reported; but {:?} was", self.reports);
    }
}

/// One block full of this octet.
pub fn write(lun: u16, lba: u64, octet: u8) -> Command {
    Command::sending(Lun::new(lun).expect("a LUN"), Cdb::write_16(lba, 1, false), vec![octet; BLOCK])
}
