//! The disks of a vHBA, from the sockets of their clients to a SAN of files and back, while homes come and go.

mod directors;
mod world;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use directors::{san, until};
use world::World;

const SIZE: u64 = 16 << 20;
const EIO: u32 = 5;

fn fio(world: &World, uri: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", "fio", "--name=disk", "--ioengine=nbd", "--size=16m"]).args(arguments);
    command.args([format!("--uri={uri}"), format!("--aux-path={}", world.folder.path().display())]);
    command
}

#[test]
fn fio_verifies_a_disk_whose_home_changes_all_the_time() {
    let mut world = World::new(1, &[(0, "disk", SIZE)]);
    let vhba = world.vhba(&[], BTreeMap::new());
    world.move_home(1, &vhba);
    let served = world.serve(&vhba, 0);
    let verifying = [
        "--rw=randwrite",
        "--bsrange=4k-64k",
        "--iodepth=16",
        "--rate_iops=400,400",
        "--fsync=16",
        "--verify=crc32c",
        "--do_verify=1",
        "--verify_state_save=0",
        "--verify_fatal=1",
    ];
    let mut fio = fio(&world, &served.uri(), &verifying).stdout(Stdio::piped()).spawn().expect("fio");
    let mut homes = [2, 1].into_iter().cycle();
    while fio.try_wait().expect("a state").is_none() {
        std::thread::sleep(Duration::from_millis(70));
        world.directors.lose_home();
        std::thread::sleep(Duration::from_millis(30));
        world.move_home(homes.next().expect("a cycle"), &vhba);
    }
    let output = fio.wait_with_output().expect("an end");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("err= 0"), "{text}");
    let counts = vhba.counts();
    assert!(world.epoch > 5 && counts.replayed > 0, "nothing was disturbed: epoch {}, {counts:?}", world.epoch);
    assert!(counts.errors == 0 && counts.read_octets >= SIZE && counts.written_octets >= SIZE, "{counts:?}");
}

#[test]
fn requests_wait_for_a_home_and_fail_when_none_comes_in_time() {
    let mut world = World::new(2, &[(0, "disk", SIZE)]);
    world.io_timeout = Duration::from_millis(1500);
    let vhba = world.vhba(&[], BTreeMap::new());
    world.move_home(1, &vhba);
    let served = world.serve(&vhba, 0);
    served.succeeds(&["write -P 1 0 1M"]);
    world.directors.lose_home();
    until("the loss", || vhba.path().attached.is_none().then_some(()));
    let began = Instant::now();
    // More at once than a unit is given: those that were not begun must not wait for those that were.
    assert_eq!(served.errors_of_reads(100), [EIO; 100]);
    let took = began.elapsed();
    assert!((Duration::from_millis(1500)..Duration::from_millis(4000)).contains(&took), "{took:?}");
    assert!(vhba.counts().errors >= 100, "{:?}", vhba.counts());
    world.move_home(2, &vhba);
    served.succeeds(&["read -P 1 0 1M", "write -P 2 0 4k", "read -P 2 0 4k"]);
}

#[test]
fn a_remembered_disk_is_served_at_once_and_waits_until_it_is_seen() {
    let mut world = World::new(3, &[(0, "disk", SIZE)]);
    let vhba = world.vhba(&[], BTreeMap::new());
    world.move_home(1, &vhba);
    world.serve(&vhba, 0).succeeds(&["write -P 7 0 4k"]);
    let unit = vhba.disks()[&0].unit.clone().expect("a unit");
    assert!(unit.identity.starts_with("naa.3") && unit.product == "TWINRAIL FILE LUN", "{unit:?}");
    drop(vhba);
    let vhba = world.vhba(&[], [(0, unit.clone())].into());
    let served = world.serve(&vhba, 0);
    assert!(!vhba.disks()[&0].confirmed);
    let waiting = std::thread::scope(|scope| {
        let reader = scope.spawn(|| served.io(&["read -P 7 0 4k"]));
        until("a request that waits", || (vhba.counts().held > 0).then_some(()));
        world.move_home(2, &vhba);
        reader.join().expect("no panic")
    });
    assert!(waiting.0, "{}", waiting.1);
    assert!(vhba.disks()[&0].confirmed && vhba.disks()[&0].generation == 1);
    drop((vhba, served));
    // Another disk has the LUN now, of the same size: what was meant for the old one must not reach it.
    world.san = Arc::new(san(world.folder.path(), &[(0, "other", SIZE)]));
    let vhba = world.vhba(&[], [(0, unit)].into());
    let former = world.serve(&vhba, 0);
    let (good, text) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| former.io(&["write -P 9 0 4k"]));
        until("a request that waits", || (vhba.counts().held > 0).then_some(()));
        world.move_home(1, &vhba);
        writer.join().expect("no panic")
    });
    assert!(!good, "{text}");
    assert_eq!(vhba.disks()[&0].generation, 2);
    world.serve(&vhba, 0).succeeds(&["read -P 0 0 4k"]);
}

#[test]
fn luns_come_and_go_with_a_rescan_as_far_as_the_mask_lets_them() {
    let mut world = World::new(4, &[(0, "a", SIZE), (300, "b", SIZE), (301, "c", SIZE)]);
    let vhba = world.vhba(&[0, 300], BTreeMap::new());
    world.move_home(1, &vhba);
    let luns = |count: usize| until("the LUNs", || Some(vhba.disks()).filter(|it| it.len() == count));
    assert_eq!(luns(2).into_keys().collect::<Vec<_>>(), [0, 300]);
    world.serve(&vhba, 300).succeeds(&["write -P 3 0 4k", "read -P 3 0 4k"]);
    vhba.set_mask([301].into());
    assert_eq!(luns(1).into_keys().collect::<Vec<_>>(), [301]);
    world.san = Arc::new(san(world.folder.path(), &[(301, "d", SIZE), (0, "e", SIZE)]));
    vhba.set_mask([].into());
    world.move_home(2, &vhba);
    until("the LUNs", || vhba.disks().into_keys().eq([0, 301]).then_some(()));
}

#[test]
fn a_vhba_that_goes_ends_what_it_began_and_begins_nothing() {
    let mut world = World::new(5, &[(0, "disk", SIZE)]);
    let vhba = world.vhba(&[], BTreeMap::new());
    world.move_home(1, &vhba);
    let mut served = world.serve(&vhba, 0);
    let server = served.server.take();
    let (good, text) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| served.io(&["write -P 5 0 1M", "sleep 500", "write -P 6 1M 1M"]));
        until("the first write", || (vhba.counts().written_octets >= 1 << 20).then_some(()));
        vhba.quiesce();
        std::thread::sleep(Duration::from_millis(700));
        assert!(!writer.is_finished(), "what was not begun is not answered before its export closes");
        drop(server);
        writer.join().expect("no panic")
    });
    assert!(!good, "{text}");
    drop(vhba);
    let vhba = world.vhba(&[], BTreeMap::new());
    world.move_home(2, &vhba);
    world.serve(&vhba, 0).succeeds(&["read -P 5 0 1M", "read -P 0 1M 1M"]);
}
