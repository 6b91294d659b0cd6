//! Masking, logins that fence, task management.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use twinrail_datapath::san::file::{DiskConfig, FileSan, FileSanConfig, FileSanError};
use twinrail_datapath::san::{NotTaken, Report, San, SessionEnd, Tag};
use twinrail_datapath::scsi::{
    Cdb, Command, Lun, SenseCode, Status, TaskAnswer, TaskAttribute, TaskFunction, TaskManagement,
};
use twinrail_proto::domain::Wwn;

use crate::support::{BLOCK, Host, disk, initiator, write};

/// Initiator 1 sees disk a as LUN 0 and b as LUN 7; initiator 2 sees b as LUN 0; initiator 3 may log in and sees nothing.
fn masks() -> BTreeMap<Wwn, BTreeMap<u16, String>> {
    let mask = |luns: &[(u16, &str)]| luns.iter().map(|&(lun, name)| (lun, name.to_owned())).collect();
    [(1, mask(&[(0, "a"), (7, "b")])), (2, mask(&[(0, "b")])), (3, mask(&[]))]
        .map(|(number, mask)| (initiator(number).wwpn, mask))
        .into()
}

fn config(folder: &Path) -> FileSanConfig {
    FileSanConfig { disks: vec![disk(folder, "a"), disk(folder, "b")], masks: masks() }
}

struct World {
    san: FileSan,
    folder: TempDir,
}

/// Blocks of a command that keeps the disk's thread busy for tens of ms: the most that WRITE SAME may fill.
const LONG: u32 = (64 << 20) / BLOCK as u32;

impl World {
    /// With a disk a on which a long command fits, and LONG blocks after that are free.
    fn large() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config(folder.path());
        config.disks[0].octets = 2 * u64::from(LONG) * BLOCK as u64;
        config.masks.insert(initiator(2).wwpn, [(0, "a".to_owned())].into());
        Self { san: FileSan::open(&config).expect("a SAN"), folder }
    }

    /// Sends the long command, and waits until it is being executed.
    fn keep_busy(&self, host: &mut Host) -> Tag {
        let sent = host.submit(Command::sending(Lun::ZERO, Cdb::write_same_16(0, LONG, false), vec![0xee; BLOCK]));
        while self.octet(0) != 0xee {
            std::thread::yield_now();
        }
        sent
    }

    /// The first octet of a block of disk a, as it is now.
    fn octet(&self, lba: u64) -> u8 {
        let file = std::fs::File::open(self.folder.path().join("a")).expect("the disk's file");
        let mut octet = [0];
        file.read_exact_at(&mut octet, lba * BLOCK as u64).expect("read");
        octet[0]
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { san: FileSan::open(&config(folder.path())).expect("a SAN"), folder }
    }

    fn host(&self, number: u64) -> Host {
        Host::ready(self.san.log_in(initiator(number), 0).expect("admitted"))
    }

    fn block(&self, name: &str, lba: usize) -> u8 {
        std::fs::read(self.folder.path().join(name)).expect("the disk's file")[lba * BLOCK]
    }
}

fn luns(host: &mut Host) -> Vec<String> {
    let data = host.run(Command::reading(Lun::ZERO, Cdb::report_luns(4096), 4096)).data_in;
    data[8..].chunks_exact(8).map(|it| Lun::from_octets(it.try_into().expect("eight")).to_string()).collect()
}

#[test]
fn each_sees_its_own_luns_and_no_other() {
    let world = World::new();
    let (mut first, mut second, mut third) = (world.host(1), world.host(2), world.host(3));
    assert_eq!((luns(&mut first), luns(&mut second), luns(&mut third)), {
        (vec!["0".into(), "7".into()], vec!["0".into()], vec![])
    });
    assert!(first.write(7, 5, 0x77).is_good());
    assert_eq!(second.read(0, 5).data_in[..], [0x77; BLOCK]);
    assert!(first.write(0, 5, 0x11).is_good());
    assert_eq!((world.block("a", 5), world.block("b", 5)), (0x11, 0x77));
    for lun in [7, 300] {
        assert_eq!(second.write(lun, 5, 0x22).sense_code(), Some(SenseCode::LUN_NOT_SUPPORTED));
        assert_eq!(second.manage(Lun::new(lun).expect("a LUN"), TaskFunction::LunReset), TaskAnswer::NoSuchLun);
    }
    let nobody = second.run(Command::reading(Lun::new(7).expect("a LUN"), Cdb::inquiry(36), 36));
    assert_eq!((nobody.status, nobody.data_in[0]), (Status::Good, 0x7f));
    let stranger = world.san.log_in(initiator(9), 0).err();
    assert!(matches!(stranger, Some(SessionEnd::Denied(_))), "{stranger:?}");
}

#[test]
fn other_masks_are_announced_and_in_force() {
    let world = World::new();
    let (mut first, mut second) = (world.host(1), world.host(2));
    let mut masks = masks();
    masks.insert(initiator(2).wwpn, [(0, "b".to_owned()), (1, "a".to_owned())].into());
    masks.insert(initiator(1).wwpn, [(7, "b".to_owned())].into());
    world.san.set_masks(masks).expect("set");
    assert_eq!(second.read(0, 0).sense_code(), Some(SenseCode::REPORTED_LUNS_CHANGED));
    second.wait_for(|it| *it == Report::LunsChanged);
    assert_eq!(luns(&mut second), ["0", "1"]);
    assert_eq!(first.read(0, 0).sense_code(), Some(SenseCode::LUN_NOT_SUPPORTED));
    // Who has asked for the list knows.
    assert_eq!(luns(&mut first), ["7"]);
    assert!(first.read(7, 0).is_good());
    let bad = [(initiator(1).wwpn, [(0, "c".to_owned())].into())].into();
    assert!(matches!(world.san.set_masks(bad), Err(FileSanError::UnknownDisk { .. })));
    assert!(first.read(7, 0).is_good(), "masks that are refused change nothing");
}

/// The fence: when the new login is answered, nothing of the former one is executed any more.
#[test]
fn the_same_identity_again_ends_the_former_commands_first() {
    let world = World::new();
    for round in 0..20 {
        let mut former = world.host(1);
        for lba in 0..250 {
            former.submit(write(0, lba % 60, 0xee));
        }
        let mut new = Host::new(world.san.log_in(initiator(1), 0).expect("admitted"));
        new.wait_for(|it| *it == Report::LoggedIn);
        let at_login = std::fs::read(world.folder.path().join("a")).expect("the disk's file");
        assert_eq!(new.read(0, 0).sense_code(), Some(SenseCode::NEXUS_LOSS), "round {round}");
        std::thread::sleep(Duration::from_millis(2));
        assert!(std::fs::read(world.folder.path().join("a")).expect("the disk's file") == at_login);
        former.wait_for(|it| *it == Report::Ended(SessionEnd::Replaced));
        let refused = former.session.submit(Tag(999), write(0, 0, 0xdd), 0).expect_err("it is over");
        assert_eq!(refused.why, NotTaken::NotOpen);
        let zero = Cdb::write_same_16(0, 60, true);
        assert!(new.run(Command::sending(Lun::ZERO, zero, vec![0; BLOCK])).is_good());
    }
}

/// The same with a command that takes its time: it is finished before the login is answered, and what waited behind it is
/// never executed.
#[test]
fn a_login_waits_for_what_is_being_executed() {
    let world = World::large();
    let mut former = world.host(1);
    world.keep_busy(&mut former);
    former.submit(write(0, LONG.into(), 0xdd));
    let mut new = Host::new(world.san.log_in(initiator(1), 0).expect("admitted"));
    new.wait_for(|it| *it == Report::LoggedIn);
    assert_eq!(world.octet(u64::from(LONG) - 1), 0xee, "the login came before the end of the former command");
    new.run(Command::without_data(Lun::ZERO, Cdb::test_unit_ready()));
    assert!(new.read(0, 0).is_good());
    assert_eq!(world.octet(LONG.into()), 0);
}

#[test]
fn a_lun_reset_ends_what_waits_and_lets_finish_what_is_executed() {
    let world = World::large();
    let (mut first, mut second) = (world.host(1), world.host(2));
    let long = world.keep_busy(&mut first);
    let waiting = second.submit(write(0, LONG.into(), 0xdd));
    assert_eq!(first.manage(Lun::ZERO, TaskFunction::LunReset), TaskAnswer::Complete);
    assert_eq!(world.octet(u64::from(LONG) - 1), 0xee, "the answer came before the end of the command");
    let response = |host: &mut Host, sent: Tag| match host
        .wait_for(|it| matches!(it, Report::Completed { tag, .. } if *tag == sent))
    {
        Report::Completed { response, .. } => response.status,
        other => panic!("{other:?}"),
    };
    assert_eq!((response(&mut first, long), response(&mut second, waiting)), (Status::Good, Status::TaskAborted));
    assert_eq!(world.octet(LONG.into()), 0);
}

#[test]
fn a_session_that_is_dropped_leaves_nothing_waiting() {
    let world = World::new();
    let mut host = world.host(1);
    for lba in 0..250 {
        host.submit(write(0, lba % 60, 0xee));
    }
    drop(host);
    let mut next = world.host(1);
    let before = std::fs::read(world.folder.path().join("a")).expect("the disk's file");
    assert!(next.read(0, 0).is_good());
    std::thread::sleep(Duration::from_millis(2));
    assert!(std::fs::read(world.folder.path().join("a")).expect("the disk's file") == before);
}

#[test]
fn a_lun_reset_ends_everybodys_commands_and_tells_everybody() {
    let world = World::new();
    let (mut first, mut second) = (world.host(1), world.host(2));
    let sent: Vec<Tag> = (0..200).map(|lba| second.submit(write(0, lba % 60, 0xcc))).collect();
    let lun = Lun::new(7).expect("a LUN");
    assert_eq!(first.manage(lun, TaskFunction::LunReset), TaskAnswer::Complete);
    let after = std::fs::read(world.folder.path().join("b")).expect("the disk's file");
    for sent in sent {
        let report = second.wait_for(|it| matches!(it, Report::Completed { tag, .. } if *tag == sent));
        let Report::Completed { response, .. } = report else { unreachable!() };
        assert!(matches!(response.status, Status::Good | Status::TaskAborted), "{response:?}");
    }
    assert!(std::fs::read(world.folder.path().join("b")).expect("the disk's file") == after);
    assert_eq!(second.read(0, 0).sense_code(), Some(SenseCode::DEVICE_RESET));
    assert_eq!(first.read(7, 0).sense_code(), Some(SenseCode::DEVICE_RESET));
    assert!(first.read(0, 0).is_good(), "the other unit was not reset");
}

#[test]
fn task_management_says_what_became_of_the_commands() {
    let world = World::new();
    let mut host = world.host(1);
    assert_eq!(host.manage(Lun::ZERO, TaskFunction::AbortTask { tag: 4711 }), TaskAnswer::NoSuchTask);
    assert_eq!(host.manage(Lun::ZERO, TaskFunction::ClearAca), TaskAnswer::NotSupported);
    for function in [TaskFunction::AbortTaskSet, TaskFunction::ClearTaskSet] {
        let sent: Vec<Tag> = (0..100).map(|lba| host.submit(write(0, lba % 60, 1))).collect();
        assert_eq!(host.manage(Lun::ZERO, function), TaskAnswer::Complete);
        // Each of them was reported before, or never is.
        let reported = host.poll().len();
        assert!(reported <= sent.len());
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(host.poll().len(), reported);
        host.poll().clear();
        assert!(host.read(0, 0).is_good(), "their tags are free again");
    }
}

#[test]
fn the_head_of_the_queue_is_executed_before_what_waits() {
    let world = World::new();
    let mut host = world.host(1);
    // A command that takes its time, then two that wait.
    let long = Cdb::write_same_16(0, 64, false);
    for _ in 0..50 {
        host.submit(Command::sending(Lun::ZERO, long, vec![1; BLOCK]));
    }
    let last = host.submit(write(0, 0, 2));
    let read = Command::reading(Lun::ZERO, Cdb::read_16(0, 1), BLOCK as u32);
    let head = host.submit(Command { attribute: TaskAttribute::HeadOfQueue, ..read });
    let position = |host: &mut Host, sent: Tag| {
        host.poll().iter().position(|it| matches!(it, Report::Completed { tag, .. } if *tag == sent))
    };
    while position(&mut host, last).is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(position(&mut host, head) < position(&mut host, last));
}

#[test]
fn a_session_pushes_back_when_it_is_full() {
    let world = World::new();
    let mut host = world.host(1);
    let mut taken = 0;
    // Nothing is polled, so nothing becomes free.
    let refused = loop {
        match host.session.submit(Tag(1_000_000 + taken), write(0, 0, 1), 0) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!((taken, refused.why), (256, NotTaken::Full));
    let reset = TaskManagement { lun: Lun::ZERO, function: TaskFunction::LunReset };
    assert_eq!(host.session.manage(Tag(5), reset, 0), Err(NotTaken::Full));
    host.wait_for(|it| matches!(it, Report::Completed { tag, .. } if tag.0 == 1_000_255));
    assert!(host.run(refused.command).is_good());
}

#[test]
fn logging_out_is_the_last_report() {
    let world = World::new();
    let mut host = world.host(1);
    host.session.log_out(0);
    host.wait_for(|it| *it == Report::Ended(SessionEnd::LoggedOut));
    assert_eq!(host.session.submit(Tag(77), write(0, 0, 1), 0).expect_err("over").why, NotTaken::NotOpen);
    assert!(host.poll().is_empty());
}

#[test]
fn it_says_that_it_is_not_shared_and_is_not() {
    let world = World::new();
    let character = world.san.character();
    assert!(!character.shared_between_machines && character.login_fences);
    assert!(character.description.contains("not shared between machines"));
    assert!(matches!(FileSan::open(&config(world.folder.path())), Err(FileSanError::InUse(_))));
    let World { san, folder } = world;
    drop(san);
    FileSan::open(&config(folder.path())).expect("free again");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = config(folder.path());
    let twice = FileSanConfig { disks: vec![disk(folder.path(), "a"), disk(folder.path(), "a")], ..good.clone() };
    assert!(matches!(FileSan::open(&twice), Err(FileSanError::SameName(_))));
    for name in ["", "umlaut-\u{e4}", "a\nb", &"x".repeat(65)] {
        let disks = vec![DiskConfig { name: name.into(), ..disk(folder.path(), "a") }];
        let named = FileSanConfig { disks, masks: BTreeMap::new() };
        assert!(matches!(FileSan::open(&named), Err(FileSanError::Name(_))), "{name:?}");
    }
    let far = [(initiator(1).wwpn, [(16384, "a".to_owned())].into())].into();
    assert!(matches!(FileSan::open(&FileSanConfig { masks: far, ..good }), Err(FileSanError::Lun { .. })));
}
