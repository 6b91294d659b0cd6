//! Bad CDBs, LBAs and lengths end with the right sense, and change nothing.

use twinrail_datapath::scsi::{Residual, SenseCode, SenseKey, Status};

use crate::support::{BLOCK, Unit};

/// CDB, octets of data, sense key and code, and where in the CDB or the parameters it points.
type Row = (&'static str, usize, SenseKey, SenseCode, Option<u16>);

const fn row(cdb: &'static str, data: usize, code: SenseCode, at: Option<u16>) -> Row {
    (cdb, data, SenseKey::IllegalRequest, code, at)
}

const ROWS: &[Row] = &[
    // Opcodes and service actions that there are not.
    row("c0 00 00 00 00 00", 0, SenseCode::INVALID_OPCODE, None),
    row("04 00 00 00 00 00", 0, SenseCode::INVALID_OPCODE, None),
    row("9e 1f 00 00 00 00 00 00 00 00 00 00 00 20 00 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(1)),
    row("5e 04 00 00 00 00 00 00 20 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(1)),
    row("5f 07 00 00 00 00 00 00 18 00", 24, SenseCode::INVALID_FIELD_IN_CDB, Some(1)),
    // Reserved bits; protection information; NACA.
    row("00 01 00 00 00 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(1)),
    row("00 00 00 00 00 04", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(5)),
    row("2a 20 00 00 00 00 00 00 01 00", BLOCK, SenseCode::INVALID_FIELD_IN_CDB, Some(1)),
    row("2a 00 00 00 00 00 01 00 01 00", BLOCK, SenseCode::INVALID_FIELD_IN_CDB, Some(6)),
    // Beyond the end: 64 blocks.
    row("0a 00 00 40 01 00", BLOCK, SenseCode::LBA_OUT_OF_RANGE, None),
    row("2a 00 00 00 00 3f 00 00 02 00", 2 * BLOCK, SenseCode::LBA_OUT_OF_RANGE, None),
    row("28 00 ff ff ff ff 00 ff ff 00", 0, SenseCode::LBA_OUT_OF_RANGE, None),
    row("28 00 00 00 00 41 00 00 00 00", 0, SenseCode::LBA_OUT_OF_RANGE, None),
    row("8a 00 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", BLOCK, SenseCode::LBA_OUT_OF_RANGE, None),
    row("91 00 00 00 00 00 00 00 00 41 00 00 00 00 00 00", 0, SenseCode::LBA_OUT_OF_RANGE, None),
    row("93 08 00 00 00 00 00 00 00 20 00 00 00 21 00 00", BLOCK, SenseCode::LBA_OUT_OF_RANGE, None),
    row("89 00 00 00 00 00 00 00 00 40 00 00 00 01 00 00", 2 * BLOCK, SenseCode::LBA_OUT_OF_RANGE, None),
    // Less data than the CDB says.
    row("2a 00 00 00 00 00 00 00 02 00", BLOCK, SenseCode::INVALID_FIELD_IN_UNIT, None),
    row("2a 00 00 00 00 00 00 00 01 00", BLOCK - 1, SenseCode::INVALID_FIELD_IN_UNIT, None),
    row("89 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00", BLOCK, SenseCode::INVALID_FIELD_IN_UNIT, None),
    row("93 00 00 00 00 00 00 00 00 00 00 00 00 02 00 00", 0, SenseCode::INVALID_FIELD_IN_UNIT, None),
    // More than a command may ask for; BYTCHK that there is not.
    row("89 00 00 00 00 00 00 00 00 00 00 00 00 21 00 00", 66 * BLOCK, SenseCode::INVALID_FIELD_IN_CDB, Some(13)),
    row("93 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", BLOCK, SenseCode::INVALID_FIELD_IN_CDB, Some(10)),
    row("2f 04 00 00 00 00 00 00 01 00", BLOCK, SenseCode::INVALID_FIELD_IN_CDB, Some(1)),
    row("2e 06 00 00 00 00 00 00 01 00", BLOCK, SenseCode::INVALID_FIELD_IN_CDB, Some(1)),
    // Parameter lists.
    row("42 00 00 00 00 00 00 00 07 00", 7, SenseCode::PARAMETER_LIST_LENGTH_ERROR, None),
    row("42 00 00 00 00 00 00 00 18 00", 8, SenseCode::PARAMETER_LIST_LENGTH_ERROR, None),
    row("5f 00 00 00 00 00 00 00 17 00", 23, SenseCode::PARAMETER_LIST_LENGTH_ERROR, None),
    row("5f 00 00 00 00 00 00 00 18 00", 23, SenseCode::PARAMETER_LIST_LENGTH_ERROR, None),
    row("5f 01 02 00 00 00 00 00 18 00", 24, SenseCode::INVALID_FIELD_IN_CDB, Some(2)),
    row("5f 01 11 00 00 00 00 00 18 00", 24, SenseCode::INVALID_FIELD_IN_CDB, Some(2)),
    // Pages that there are not.
    row("12 01 b3 00 ff 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(2)),
    row("12 00 80 00 ff 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(2)),
    row("1a 00 02 00 ff 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(2)),
    row("1a 00 0a 01 ff 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(3)),
    row("1a 00 c8 00 ff 00", 0, SenseCode::SAVING_NOT_SUPPORTED, None),
    row("1b 00 00 00 02 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(4)),
    row("a3 0c 01 5e 00 00 00 00 10 00 00 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(2)),
    row("a3 0c 02 28 00 00 00 00 10 00 00 00", 0, SenseCode::INVALID_FIELD_IN_CDB, Some(2)),
];

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let mut unit = Unit::new(&[1]);
    assert!(unit.writes(1, "93 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00", vec![0x5a; BLOCK]).is_good());
    let before = unit.content();
    for &(text, length, key, code, at) in ROWS {
        let response = unit.writes(1, text, vec![0xff; length]);
        let sense = response.sense.unwrap_or_else(|| panic!("{text} ended in {:?}", response.status));
        let points_at = sense.key_specific.map(|[_, high, low]| u16::from_be_bytes([high, low]));
        assert_eq!((sense.key, sense.code, points_at), (key, code, at), "{text}");
        assert_eq!(response.status, Status::CheckCondition);
        assert!(unit.content() == before, "{text} changed the disk");
        assert!(unit.reads(1, "00 00 00 00 00 00").is_good(), "{text} left something behind");
    }
}

/// RFC 7143, 11.4.5.1: how much more would have been transferred, had it been there.
#[test]
fn a_write_with_less_data_than_its_cdb_says_tells_how_much_was_missing() {
    let mut unit = Unit::new(&[1]);
    let response = unit.writes(1, "2a 00 00 00 00 00 00 00 02 00", vec![0xff; 200]);
    assert_eq!(response.residual, Residual::Overflow(2 * BLOCK as u32 - 200));
    assert_eq!(unit.writes(1, "2a 00 00 00 00 41 00 00 01 00", vec![0xff; BLOCK]).residual, Residual::Exact);
}

#[test]
fn one_bad_descriptor_and_none_is_unmapped() {
    let mut unit = Unit::new(&[1]);
    assert!(unit.writes(1, "2a 00 00 00 00 00 00 00 01 00", vec![7; BLOCK]).is_good());
    let before = unit.content();
    let descriptor = |lba: u64, blocks: u32| [&lba.to_be_bytes()[..], &blocks.to_be_bytes(), &[0; 4]].concat();
    for (second, code) in [
        (descriptor(64, 1), SenseCode::LBA_OUT_OF_RANGE),
        (descriptor(u64::MAX, u32::MAX), SenseCode::LBA_OUT_OF_RANGE),
    ] {
        let list = [vec![0, 38, 0, 32, 0, 0, 0, 0], descriptor(0, 1), second].concat();
        let response = unit.writes(1, "42 00 00 00 00 00 00 00 28 00", list);
        assert_eq!(response.sense_code(), Some(code));
        assert!(unit.content() == before);
    }
    // A list that claims more descriptors than came.
    let list = [vec![0, 54, 0, 48, 0, 0, 0, 0], descriptor(0, 1), descriptor(1, 1)].concat();
    let response = unit.writes(1, "42 00 00 00 00 00 00 00 28 00", list);
    assert_eq!(response.sense_code(), Some(SenseCode::INVALID_FIELD_IN_PARAMETERS));
    assert!(unit.content() == before);
}

/// Somebody has cut the file off behind our back: the medium is bad, and nothing worse happens.
#[test]
fn a_file_that_lost_its_end_is_a_medium_error() {
    let mut unit = Unit::new(&[1]);
    let file = std::fs::File::options().write(true).open(&unit.config.path).expect("the disk's file");
    file.set_len(10 * BLOCK as u64).expect("cut");
    let sense = unit.reads(1, "28 00 00 00 00 0a 00 00 01 00").sense.expect("sense");
    assert_eq!((sense.key, sense.code), (SenseKey::MediumError, SenseCode::UNRECOVERED_READ_ERROR));
    assert_eq!(sense.information, Some(10));
    assert!(unit.reads(1, "28 00 00 00 00 09 00 00 01 00").is_good());
}

#[test]
fn more_than_one_command_may_carry_is_refused() {
    let mut unit = Unit::new(&[1]);
    unit.config.octets = 64 << 20;
    let mut unit = unit.reopen();
    unit.log_in(&[1]);
    assert!(unit.reads(1, "88 00 00 00 00 00 00 00 00 00 00 00 40 00 00 00").is_good(), "8 MiB");
    let sense = unit.reads(1, "88 00 00 00 00 00 00 00 00 00 00 00 40 01 00 00").sense.expect("sense");
    assert_eq!((sense.code, sense.key_specific), (SenseCode::INVALID_FIELD_IN_CDB, Some([0xc0, 0, 10])));
}
