//! What is left of a SAN of files after it was closed, or cut off from power.

use twinrail_datapath::san::file::{DiskConfig, FileSanError, LogicalUnit};
use twinrail_datapath::scsi::Cdb;

use crate::support::{BLOCK, Unit, disk};

#[test]
fn what_was_written_is_there() {
    let mut unit = Unit::new(&[1]);
    assert!(unit.execute(1, Cdb::write_16(3, 1, true), vec![0xab; BLOCK]).durable);
    let mut unit = unit.reopen();
    unit.log_in(&[1]);
    assert_eq!(unit.execute(1, Cdb::read_16(3, 1), vec![]).response.data_in[..], [0xab; BLOCK]);
}

#[test]
fn a_disk_grows_and_never_shrinks() {
    let mut unit = Unit::new(&[1]);
    unit.execute(1, Cdb::write_16(63, 1, true), vec![1; BLOCK]);
    let octets = unit.config.octets;
    unit.config.octets = 2 * octets;
    let mut unit = unit.reopen();
    unit.log_in(&[1]);
    assert_eq!(unit.execute(1, Cdb::read_capacity_10(), vec![]).response.data_in[3], 127);
    assert_eq!(unit.execute(1, Cdb::read_16(63, 2), vec![]).response.data_in[..], [[1; BLOCK], [0; BLOCK]].concat());
    let smaller = DiskConfig { octets, ..unit.config.clone() };
    drop(unit.unit);
    assert!(matches!(LogicalUnit::open(&smaller), Err(FileSanError::Larger { .. })));
}

#[test]
fn one_file_has_one_user() {
    let unit = Unit::new(&[]);
    assert!(matches!(LogicalUnit::open(&unit.config), Err(FileSanError::InUse(_))));
    unit.reopen();
}

#[test]
fn damaged_reservations_keep_the_disk_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = disk(folder.path(), "disk");
    std::fs::write(folder.path().join("disk.reservations"), "twinrail reservations 1\ncrc 00000000\n")
        .expect("written");
    assert!(matches!(LogicalUnit::open(&config), Err(FileSanError::DamagedReservations { .. })));
}

#[test]
fn geometries_that_no_disk_has_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (octets, block_length) in [(0, 512), (1000, 512), (4096, 520), (512, 0), (1 << 63, 512)] {
        let config = DiskConfig { name: "bad".into(), path: folder.path().join("bad"), octets, block_length };
        assert!(matches!(LogicalUnit::open(&config), Err(FileSanError::Geometry { .. })), "{octets} by {block_length}");
        assert!(!config.path.exists());
    }
}
