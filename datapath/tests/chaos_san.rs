//! The SAN that misbehaves: what a takeover must be able to deal with really happens, and happens again with the same seed.
//! Time is what the test says it is; only the disks' threads of the SAN inside take their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use twinrail_datapath::san::chaos::{ChaosSan, SanFaults};
use twinrail_datapath::san::file::{DiskConfig, FileSan, FileSanConfig};
use twinrail_datapath::san::{Identity, NotTaken, Report, San, Session, SessionEnd, SessionId, Tag};
use twinrail_datapath::scsi::{Cdb, Command, Lun, Response, Status, TaskAnswer, TaskFunction, TaskManagement};

const BLOCK: usize = 512;
const MS: u64 = 1_000_000;
const SLOW: SanFaults = SanFaults { slow_write: 1.0, slow_write_for: 150 * MS, ..NONE };
const NONE: SanFaults = SanFaults {
    slow_write: 0.0,
    slow_write_for: 0,
    login_after: 0,
    login_waits_for_writes: false,
    end_session: 0.0,
    lose_answer: 0.0,
};

fn identity(number: u64) -> Identity {
    let wwpn = twinrail_proto::domain::Wwn::new(0x5001_4380_0000_0000 | number).expect("a WWPN");
    Identity { wwpn, session: SessionId([0x80, 0, 0, 0, 0, 1]) }
}

struct World {
    san: ChaosSan,
    folder: TempDir,
}

impl World {
    fn new(faults: SanFaults) -> Self {
        Self::seeded(7, faults)
    }

    fn seeded(seed: u64, faults: SanFaults) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = DiskConfig {
            name: "disk".into(),
            path: folder.path().join("disk"),
            octets: 64 * BLOCK as u64,
            block_length: BLOCK as u32,
        };
        let mask = |number| (identity(number).wwpn, [(0, "disk".to_owned())].into());
        let config = FileSanConfig { disks: vec![disk], masks: [mask(1), mask(2)].into() };
        let inner = FileSan::open(&config).expect("a SAN");
        Self { san: ChaosSan::new(Arc::new(inner), seed, faults), folder }
    }

    fn block(&self, lba: usize) -> u8 {
        std::fs::read(self.folder.path().join("disk")).expect("the disk's file")[lba * BLOCK]
    }

    /// Waits until the disk's thread has come so far.
    fn settles_at(&self, lba: usize, octet: u8, now: u64) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.block(lba) != octet {
            assert!(Instant::now() < deadline, "block {lba} is {}, not {octet}", self.block(lba));
            self.san.drive(now);
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn host(&self, number: u64, now: u64) -> Host {
        let mut host = self.login(number, now);
        host.wait_for(|it| *it == Report::LoggedIn);
        for _ in 0..2 {
            host.run(Command::without_data(Lun::ZERO, Cdb::test_unit_ready()));
        }
        host
    }

    fn login(&self, number: u64, now: u64) -> Host {
        let session = self.san.log_in(identity(number), now).expect("admitted");
        Host { session, now, tag: 0, reports: Vec::new() }
    }
}

struct Host {
    session: Box<dyn Session>,
    now: u64,
    tag: u64,
    reports: Vec<Report>,
}

impl Host {
    fn submit(&mut self, command: Command) -> Tag {
        self.tag += 1;
        self.session.submit(Tag(self.tag), command, self.now).expect("taken");
        Tag(self.tag)
    }

    fn write(&mut self, lba: u64, octet: u8) -> Tag {
        self.submit(Command::sending(Lun::ZERO, Cdb::write_16(lba, 1, false), vec![octet; BLOCK]))
    }

    fn run(&mut self, command: Command) -> Response {
        let sent = self.submit(command);
        self.answer(sent)
    }

    fn answer(&mut self, sent: Tag) -> Response {
        match self.wait_for(|it| matches!(it, Report::Completed { tag, .. } if *tag == sent)) {
            Report::Completed { response, .. } => response,
            other => panic!("{other:?}"),
        }
    }

    fn manage(&mut self, function: TaskFunction) -> TaskAnswer {
        self.tag += 1;
        let asked = Tag(self.tag);
        self.session.manage(asked, TaskManagement { lun: Lun::ZERO, function }, self.now).expect("taken");
        match self.wait_for(|it| matches!(it, Report::Managed { tag, .. } if *tag == asked)) {
            Report::Managed { answer, .. } => answer,
            other => panic!("{other:?}"),
        }
    }

    fn poll(&mut self) -> &mut Vec<Report> {
        self.session.poll(self.now, &mut self.reports);
        &mut self.reports
    }

    fn wait_for(&mut self, which: impl Fn(&Report) -> bool) -> Report {
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

/// The danger itself: without a fence the former session's write comes after the new one's, which was acknowledged.
#[test]
fn a_held_write_overwrites_what_was_acknowledged_after_a_mere_login() {
    let world = World::new(SLOW);
    let mut old = world.host(1, 0);
    old.write(3, 0xaa);
    drop(old);
    world.san.set(NONE);
    let mut new = world.host(1, 10 * MS);
    let sent = new.write(3, 0xbb);
    assert!(new.answer(sent).is_good());
    assert_eq!((world.block(3), world.san.held()), (0xbb, 1));
    assert_eq!(world.san.drive(20 * MS), Some(150 * MS));
    world.settles_at(3, 0xaa, 150 * MS);
}

#[test]
fn after_a_lun_reset_it_does_not() {
    let world = World::new(SLOW);
    let mut old = world.host(1, 0);
    for lba in 0..8 {
        old.write(lba, 0xaa);
    }
    drop(old);
    world.san.set(NONE);
    let mut new = world.host(1, 10 * MS);
    assert_eq!(world.san.held(), 8);
    assert_eq!(new.manage(TaskFunction::LunReset), TaskAnswer::Complete);
    assert_eq!(world.san.held(), 0);
    new.run(Command::without_data(Lun::ZERO, Cdb::test_unit_ready()));
    let sent = new.write(3, 0xbb);
    assert!(new.answer(sent).is_good());
    assert_eq!(world.san.drive(10_000 * MS), None);
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!((world.block(3), world.block(4)), (0xbb, 0));
}

#[test]
fn a_held_write_is_answered_when_it_is_executed() {
    let world = World::new(SLOW);
    let mut host = world.host(1, 0);
    let sent = host.write(3, 0xaa);
    host.now = 149 * MS;
    std::thread::sleep(Duration::from_millis(5));
    assert!(host.poll().is_empty());
    assert_eq!((world.block(3), host.session.next_deadline()), (0, Some(150 * MS)));
    host.now = 150 * MS;
    assert!(host.answer(sent).is_good());
    assert_eq!(world.block(3), 0xaa);
    // Reads are not held up.
    assert!(host.run(Command::reading(Lun::ZERO, Cdb::read_16(3, 1), BLOCK as u32)).is_good());
}

#[test]
fn the_same_identity_ends_the_former_session_and_not_what_it_holds() {
    let world = World::new(SLOW);
    let mut old = world.host(1, 0);
    old.write(3, 0xaa);
    let _new = world.host(1, MS);
    old.wait_for(|it| *it == Report::Ended(SessionEnd::Replaced));
    let refused = old.session.submit(Tag(99), Command::without_data(Lun::ZERO, Cdb::test_unit_ready()), MS);
    assert_eq!(refused.expect_err("over").why, NotTaken::NotOpen);
    world.settles_at(3, 0xaa, 200 * MS);
    assert!(!world.san.character().login_fences);
}

#[test]
fn others_are_told_of_held_commands_that_a_reset_ended() {
    let world = World::new(SLOW);
    let (mut first, mut second) = (world.host(1, 0), world.host(2, 0));
    let sent = second.write(3, 0xaa);
    let own = first.write(4, 0xbb);
    assert_eq!(first.manage(TaskFunction::LunReset), TaskAnswer::Complete);
    assert_eq!(second.answer(sent).status, Status::TaskAborted);
    assert!(!first.poll().iter().any(|it| matches!(it, Report::Completed { tag, .. } if *tag == own)));
    assert_eq!(world.san.held(), 0);
}

#[test]
fn abort_task_reaches_a_held_command_of_its_own_session() {
    let world = World::new(SLOW);
    let mut host = world.host(1, 0);
    let sent = host.write(3, 0xaa);
    host.write(4, 0xbb);
    assert_eq!(host.manage(TaskFunction::AbortTask { tag: sent.0 }), TaskAnswer::Complete);
    assert_eq!(world.san.held(), 1);
    assert_eq!(host.manage(TaskFunction::AbortTask { tag: sent.0 }), TaskAnswer::NoSuchTask);
}

#[test]
fn a_login_is_answered_late() {
    let world = World::new(SanFaults { login_after: 500 * MS, ..NONE });
    let mut host = world.login(1, 0);
    host.now = 499 * MS;
    for _ in 0..20 {
        assert!(host.poll().is_empty());
        std::thread::sleep(Duration::from_millis(1));
    }
    let refused = host.session.submit(Tag(1), Command::without_data(Lun::ZERO, Cdb::test_unit_ready()), host.now);
    assert_eq!(refused.expect_err("not yet").why, NotTaken::NotOpen);
    assert_eq!(host.session.next_deadline(), Some(500 * MS));
    host.now = 500 * MS;
    host.wait_for(|it| *it == Report::LoggedIn);
}

#[test]
fn a_login_may_wait_for_the_former_sessions_writes() {
    let world = World::new(SanFaults { login_waits_for_writes: true, ..SLOW });
    let mut old = world.host(1, 0);
    old.write(3, 0xaa);
    drop(old);
    let mut new = world.login(1, 10 * MS);
    for _ in 0..20 {
        assert!(new.poll().is_empty());
        std::thread::sleep(Duration::from_millis(1));
    }
    new.now = 150 * MS;
    for _ in 0..200 {
        new.now += MS;
        if new.poll().contains(&Report::LoggedIn) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(new.poll().contains(&Report::LoggedIn));
    assert_eq!(world.block(3), 0xaa, "executed before the login was answered");
}

#[test]
fn a_session_ends_and_an_answer_is_lost() {
    let world = World::new(NONE);
    let mut host = world.host(1, 0);
    world.san.set(SanFaults { lose_answer: 1.0, ..NONE });
    host.write(3, 0xaa);
    for _ in 0..100 {
        host.poll();
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(host.poll().is_empty());
    assert_eq!(world.block(3), 0xaa, "executed all the same");
    world.san.set(SanFaults { end_session: 1.0, ..NONE });
    host.write(4, 0xbb);
    host.wait_for(|it| *it == Report::Ended(SessionEnd::Closed));
}

#[test]
fn the_same_seed_holds_the_same_writes() {
    let held = |seed| {
        let world = World::seeded(seed, NONE);
        let mut host = world.host(1, 0);
        world.san.set(SanFaults { slow_write: 0.3, slow_write_for: MS, ..NONE });
        let mut pattern = Vec::new();
        for lba in 0..60 {
            host.write(lba, 1);
            pattern.push(world.san.held());
        }
        pattern
    };
    assert_eq!(held(1), held(1));
    assert_ne!(held(1), held(2));
}
