//! What a logical unit says of itself, and what its commands do.

use twinrail_datapath::scsi::{Residual, SenseCode, SenseKey, Status};

use crate::support::{BLOCK, BLOCKS, Unit, cdb, initiator};

#[test]
fn inquiry_tells_what_linux_asks_for() {
    let mut unit = Unit::new(&[1]);
    let standard = unit.reads(1, "12 00 00 00 60 00");
    assert_eq!(standard.data_in[..8], [0, 0, 6, 0x12, 69, 0, 0, 2]);
    assert_eq!(&standard.data_in[8..36], b"TWINRAILFILE LUN        0001");
    assert_eq!(unit.reads(1, "12 01 00 00 ff 00").data_in[..], [0, 0, 0, 6, 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2]);
    assert_eq!(unit.reads(1, "12 01 80 00 ff 00").data_in[..], *b"\0\x80\0\x04disk");
    let names = unit.reads(1, "12 01 83 00 ff 00").data_in;
    assert_eq!(names[..8], [0, 0x83, 0, 28, 1, 3, 0, 8]);
    assert_eq!(names[8] >> 4, 3, "a locally assigned NAA");
    assert_eq!(names[16..], *b"\x02\x01\0\x0cTWINRAILdisk");
    // Block limits: WSNZ and compare length; 8 MiB; 4 KiB granularity; 64 MiB WRITE SAME.
    let limits = unit.reads(1, "12 01 b0 00 ff 00").data_in;
    assert_eq!(limits[..12], [0, 0xb0, 0, 0x3c, 1, 32, 0, 8, 0, 0, 0x40, 0]);
    assert_eq!(limits[20..32], [0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0, 0, 0, 0, 8]);
    assert_eq!(limits[36..44], [0, 0, 0, 0, 0, 2, 0, 0]);
    assert_eq!(unit.reads(1, "12 01 b1 00 ff 00").data_in[..6], [0, 0xb1, 0, 0x3c, 0, 1]);
    assert_eq!(unit.reads(1, "12 01 b2 00 ff 00").data_in[..], [0, 0xb2, 0, 4, 0, 0xe4, 2, 0]);
}

#[test]
fn the_write_cache_is_told_truthfully() {
    let mut unit = Unit::new(&[1]);
    let caching = unit.reads(1, "1a 08 08 00 ff 00").data_in;
    assert_eq!(caching[..7], [23, 0, 0x10, 0, 0x08, 18, 0x04], "WCE, and FUA is taken");
    let changeable = unit.reads(1, "1a 08 48 00 ff 00").data_in;
    assert_eq!(changeable[4..], [&[0x08, 18][..], &[0; 18]].concat(), "nothing can be changed");
    let all = unit.reads(1, "5a 00 3f 00 00 00 00 02 00 00").data_in;
    assert_eq!(all[..16], [0, 70, 0, 0x10, 0, 0, 0, 8, 0, 0, 0, 64, 0, 0, 2, 0]);
    assert_eq!(all.len(), 72);
}

#[test]
fn capacity_in_both_forms() {
    let mut unit = Unit::new(&[1]);
    assert_eq!(unit.reads(1, "25 00 00 00 00 00 00 00 00 00").data_in[..], [0, 0, 0, 63, 0, 0, 2, 0]);
    let long = unit.reads(1, "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00").data_in;
    assert_eq!(long[..16], [0, 0, 0, 0, 0, 0, 0, 63, 0, 0, 2, 0, 0, 0, 0xc0, 0]);
    let short = unit.reads(1, "9e 10 00 00 00 00 00 00 00 00 00 00 00 08 00 00").data_in;
    assert_eq!(short[..], long[..8], "cut to the allocation length");
}

/// FUA, VERIFY and SYNCHRONIZE CACHE are answered after a sync; nothing else claims to be durable.
#[test]
fn what_is_answered_only_when_it_is_durable() {
    let mut unit = Unit::new(&[1]);
    for (text, data, durable) in [
        ("2a 00 00 00 00 00 00 00 01 00", BLOCK, false),
        ("2a 08 00 00 00 00 00 00 01 00", BLOCK, true),
        ("aa 08 00 00 00 00 00 00 00 01 00 00", BLOCK, true),
        ("8a 08 00 00 00 00 00 00 00 00 00 00 00 01 00 00", BLOCK, true),
        ("89 08 00 00 00 00 00 00 00 00 00 00 00 01 00 00", 2 * BLOCK, true),
        ("2e 00 00 00 00 00 00 00 01 00", BLOCK, true),
        ("8e 02 00 00 00 00 00 00 00 00 00 00 00 01 00 00", BLOCK, true),
        ("35 00 00 00 00 00 00 00 00 00", 0, true),
        ("91 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", 0, true),
        ("1b 00 00 00 00 00", 0, true),
    ] {
        let outcome = unit.execute(1, cdb(text), vec![0; data]);
        assert!(outcome.response.is_good(), "{text}: {:?}", outcome.response);
        assert_eq!(outcome.durable, durable, "{text}");
    }
}

#[test]
fn compare_and_write_writes_only_what_was_expected() {
    let mut unit = Unit::new(&[1]);
    let text = "89 00 00 00 00 00 00 00 00 05 00 00 00 01 00 00";
    let swap = |old: u8, new: u8| [vec![old; BLOCK], vec![new; BLOCK]].concat();
    assert!(unit.writes(1, text, swap(0, 9)).is_good());
    let mut almost = swap(9, 7);
    almost[300] = 8;
    let missed = unit.writes(1, text, almost).sense.expect("sense");
    assert_eq!((missed.key, missed.code), (SenseKey::Miscompare, SenseCode::MISCOMPARE));
    assert_eq!(missed.information, Some(300));
    assert_eq!(unit.content()[5 * BLOCK..6 * BLOCK], [9; BLOCK]);
    // A second execution of the first one would miscompare: why it is never replayed.
    assert_eq!(unit.writes(1, text, swap(0, 9)).sense_code(), Some(SenseCode::MISCOMPARE));
}

#[test]
fn deallocated_blocks_read_as_zeros() {
    let mut unit = Unit::new(&[1]);
    let all = "93 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00";
    assert!(unit.writes(1, all, vec![3; BLOCK]).is_good());
    // UNMAP of 1 to 3; WRITE SAME with UNMAP of 8 and 9, of zeros, and of 10, of other data; without data of 12.
    let list = [&[0, 22, 0, 16, 0, 0, 0, 0][..], &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0]].concat();
    assert!(unit.writes(1, "42 00 00 00 00 00 00 00 18 00", list).is_good());
    assert!(unit.writes(1, "93 08 00 00 00 00 00 00 00 08 00 00 00 02 00 00", vec![0; BLOCK]).is_good());
    assert!(unit.writes(1, "93 08 00 00 00 00 00 00 00 0a 00 00 00 01 00 00", vec![4; BLOCK]).is_good());
    assert!(unit.writes(1, "93 09 00 00 00 00 00 00 00 0c 00 00 00 01 00 00", vec![]).is_good());
    let firsts: Vec<u8> = unit.content().chunks(BLOCK).map(|block| block[0]).collect();
    assert_eq!(firsts[..14], [3, 0, 0, 0, 3, 3, 3, 3, 0, 0, 4, 3, 0, 3]);
    assert_eq!(unit.content().len(), BLOCK * BLOCKS);
}

#[test]
fn verify_compares_with_all_or_with_one() {
    let mut unit = Unit::new(&[1]);
    assert!(unit.writes(1, "41 00 00 00 00 00 00 00 04 00", vec![6; BLOCK]).is_good());
    for (text, data, expected) in [
        ("2f 00 00 00 00 00 00 00 04 00", vec![], None),
        ("2f 02 00 00 00 00 00 00 02 00", vec![6; 2 * BLOCK], None),
        ("2f 02 00 00 00 03 00 00 02 00", vec![6; 2 * BLOCK], Some(SenseCode::MISCOMPARE)),
        ("2f 06 00 00 00 00 00 00 04 00", vec![6; BLOCK], None),
        ("2f 06 00 00 00 00 00 00 05 00", vec![6; BLOCK], Some(SenseCode::MISCOMPARE)),
    ] {
        assert_eq!(unit.writes(1, text, data).sense_code(), expected, "{text}");
    }
}

#[test]
fn a_unit_attention_is_told_once_to_each() {
    let mut unit = Unit::new(&[1, 2]);
    unit.unit.reset();
    assert!(unit.reads(1, "12 00 00 00 24 00").is_good(), "INQUIRY neither meets nor clears it");
    let met = unit.writes(1, "2a 00 00 00 00 00 00 00 01 00", vec![1; BLOCK]);
    assert_eq!(met.sense_code(), Some(SenseCode::DEVICE_RESET));
    assert_eq!(unit.content()[0], 0, "the command that met it was not executed");
    assert!(unit.reads(1, "00 00 00 00 00 00").is_good());
    // REQUEST SENSE tells it with GOOD, and so clears it.
    let sense = unit.reads(2, "03 00 00 00 fc 00");
    assert_eq!((sense.status, sense.data_in[2], sense.data_in[12], sense.data_in[13]), (Status::Good, 6, 0x29, 3));
    assert!(unit.reads(2, "00 00 00 00 00 00").is_good());
    // Other LUNs: withdrawn when they were reported.
    unit.unit.announce_other_luns(initiator(1));
    unit.unit.announce_other_luns(initiator(2));
    unit.unit.luns_were_reported(initiator(1));
    assert!(unit.reads(1, "00 00 00 00 00 00").is_good());
    assert_eq!(unit.reads(2, "00 00 00 00 00 00").sense_code(), Some(SenseCode::REPORTED_LUNS_CHANGED));
}

#[test]
fn a_stopped_unit_keeps_its_blocks_to_itself() {
    let mut unit = Unit::new(&[1]);
    assert!(unit.reads(1, "1b 00 00 00 00 00").is_good());
    for text in ["00 00 00 00 00 00", "28 00 00 00 00 00 00 00 01 00"] {
        let sense = unit.reads(1, text).sense.expect("sense");
        assert_eq!((sense.key, sense.code), (SenseKey::NotReady, SenseCode::INITIALIZING_COMMAND_REQUIRED));
    }
    assert!(unit.reads(1, "12 00 00 00 24 00").is_good());
    assert!(unit.reads(1, "1b 00 00 00 01 00").is_good());
    assert!(unit.reads(1, "28 00 00 00 00 00 00 00 01 00").is_good());
}

/// What REPORT SUPPORTED OPERATION CODES lists is supported, one by one; nothing else is.
#[test]
fn the_list_of_commands_is_the_truth() {
    let mut unit = Unit::new(&[1]);
    let list = unit.reads(1, "a3 0c 00 00 00 00 00 00 ff ff 00 00").data_in;
    let listed: Vec<[u8; 8]> = list[4..].chunks_exact(8).map(|it| it.try_into().expect("eight")).collect();
    assert!(listed.len() > 40);
    for opcode in 0..=0xffu8 {
        let length = listed.iter().find(|it| it[0] == opcode).map(|it| usize::from(it[7]));
        let mut field = [0; 16];
        field[0] = opcode;
        let Ok(cdb) = twinrail_datapath::scsi::Cdb::from_padded(&field) else { continue };
        let response = unit.execute(1, cdb, Vec::new()).response;
        // REPORT LUNS is the target's to answer.
        let known = response.sense_code() != Some(SenseCode::INVALID_OPCODE) || opcode == 0xa0;
        assert_eq!(known, length.is_some(), "{cdb}");
        assert!(length.is_none_or(|it| it == cdb.octets().len()));
        unit.reads(1, "1b 00 00 00 01 00");
    }
    for [opcode, _, _, action, _, flags, _, length] in listed {
        let one = unit.reads(1, &format!("a3 0c 03 {opcode:02x} 00 {action:02x} 00 00 ff ff 00 00")).data_in;
        assert_eq!((one[1], one[3], one[4], one.len()), (3, length, opcode, 4 + usize::from(length)));
        assert!(flags == 0 || one[5] & 0x1f == action);
    }
    let none = unit.reads(1, "a3 0c 03 c0 00 00 00 00 ff ff 00 00").data_in;
    assert_eq!(none[..], [0, 1, 0, 0]);
}

#[test]
fn data_that_nobody_asked_for_is_left() {
    let mut unit = Unit::new(&[1]);
    let response = unit.writes(1, "2a 00 00 00 00 00 00 00 01 00", vec![9; 3 * BLOCK]);
    assert!(response.is_good());
    assert_eq!(response.residual, Residual::Underflow(2 * BLOCK as u32));
    assert_eq!(unit.content()[..BLOCK], [9; BLOCK]);
    assert_eq!(unit.content()[BLOCK..2 * BLOCK], [0; BLOCK]);
}
