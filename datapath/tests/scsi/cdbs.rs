use proptest::prelude::*;
use twinrail_datapath::scsi::{Cdb, CdbError, Opcode, Transfer};

fn cdb(hex: &str) -> Cdb {
    let octets: Vec<u8> = hex.split(' ').map(|it| u8::from_str_radix(it, 16).expect("hex")).collect();
    Cdb::new(&octets).expect("a CDB")
}

/// CDB; first block; number of blocks; data on a device with blocks of 512 octets.
type Row = (&'static str, Option<u64>, Option<u32>, Option<Transfer>);

const fn row(cdb: &'static str, lba: u64, blocks: u32, transfer: Transfer) -> Row {
    (cdb, Some(lba), Some(blocks), Some(transfer))
}

/// SBC-3, clause 5: where each command has its LBA and its length.
const BLOCK_COMMANDS: &[Row] = &[
    row("08 1f ff ff 01 00", 0x1f_ffff, 1, Transfer::In(512)),
    row("08 e0 00 02 00 00", 2, 256, Transfer::In(256 * 512)),
    row("0a 00 00 07 00 00", 7, 256, Transfer::Out(256 * 512)),
    row("28 08 01 02 03 04 00 00 10 00", 0x0102_0304, 16, Transfer::In(16 * 512)),
    row("28 00 00 00 00 04 00 00 00 00", 4, 0, Transfer::In(0)),
    row("2a 00 ff ff ff ff 00 ff ff 00", 0xffff_ffff, 0xffff, Transfer::Out(0xffff * 512)),
    row("2e 02 00 00 00 01 00 00 02 00", 1, 2, Transfer::Out(1024)),
    row("2f 00 00 00 00 01 00 00 02 00", 1, 2, Transfer::None),
    row("2f 02 00 00 00 01 00 00 02 00", 1, 2, Transfer::Out(1024)),
    row("2f 06 00 00 00 01 00 00 02 00", 1, 2, Transfer::Out(512)),
    row("35 00 00 00 00 09 00 00 01 00", 9, 1, Transfer::None),
    row("41 00 00 00 00 09 00 00 08 00", 9, 8, Transfer::Out(512)),
    row("88 00 01 02 03 04 05 06 07 08 00 00 00 02 00 00", 0x0102_0304_0506_0708, 2, Transfer::In(1024)),
    row("89 00 00 00 00 00 00 00 00 05 00 00 00 02 00 00", 5, 2, Transfer::Out(2048)),
    row("8a 08 00 00 00 00 00 00 00 05 00 01 00 00 00 00", 5, 0x1_0000, Transfer::Out(0x1_0000 * 512)),
    row("8e 00 00 00 00 00 00 00 00 05 00 00 00 01 00 00", 5, 1, Transfer::Out(512)),
    row("8f 00 00 00 00 00 00 00 00 05 00 00 00 01 00 00", 5, 1, Transfer::None),
    row("91 00 00 00 00 00 00 00 00 05 00 00 00 00 00 00", 5, 0, Transfer::None),
    row("93 08 00 00 00 00 00 00 00 05 00 00 01 00 00 00", 5, 256, Transfer::Out(512)),
    row("93 09 00 00 00 00 00 00 00 05 00 00 01 00 00 00", 5, 256, Transfer::None),
    row("a8 00 00 00 00 05 00 00 00 03 00 00", 5, 3, Transfer::In(1536)),
    row("aa 00 00 00 00 05 00 00 00 03 00 00", 5, 3, Transfer::Out(1536)),
];

/// SPC-4, clause 6, and the commands of SBC-3 that name no range.
const OTHER_COMMANDS: &[Row] = &[
    ("00 00 00 00 00 00", None, None, Some(Transfer::None)),
    ("03 00 00 00 fc 00", None, None, Some(Transfer::In(252))),
    ("12 01 83 01 00 00", None, None, Some(Transfer::In(256))),
    ("1a 08 3f 00 ff 00", None, None, Some(Transfer::In(255))),
    ("1b 00 00 00 01 00", None, None, Some(Transfer::None)),
    ("25 00 00 00 00 00 00 00 00 00", None, None, Some(Transfer::In(8))),
    ("42 00 00 00 00 00 00 00 18 00", None, None, Some(Transfer::Out(24))),
    ("5a 00 3f 00 00 00 00 02 00 00", None, None, Some(Transfer::In(512))),
    ("5e 00 00 00 00 00 00 20 00 00", None, None, Some(Transfer::In(0x2000))),
    ("5f 01 05 00 00 00 00 00 18 00", None, None, Some(Transfer::Out(24))),
    ("9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", None, None, Some(Transfer::In(32))),
    ("9e 12 00 00 00 00 00 00 00 09 00 00 00 20 00 00", Some(9), None, Some(Transfer::In(32))),
    ("a0 00 00 00 00 00 00 00 10 00 00 00", None, None, Some(Transfer::In(4096))),
    ("a3 0c 00 00 00 00 00 00 10 00 00 00", None, None, Some(Transfer::In(4096))),
    ("c0 00 00 00 00 00", None, None, None),
];

#[test]
fn fields_stand_where_the_standards_put_them() {
    for &(text, lba, blocks, transfer) in BLOCK_COMMANDS.iter().chain(OTHER_COMMANDS) {
        let cdb = cdb(text);
        assert_eq!((cdb.lba(), cdb.transfer_length(), cdb.transfer(512)), (lba, blocks, transfer), "{cdb}");
    }
}

#[test]
fn a_cdb_has_the_length_of_its_opcode() {
    assert_eq!(Cdb::new(&[]), Err(CdbError::Length(0)));
    assert_eq!(Cdb::new(&[0; 7]), Err(CdbError::Length(7)));
    assert_eq!(Cdb::new(&[0; 10]), Err(CdbError::Mismatch { opcode: Opcode::TEST_UNIT_READY, length: 10 }));
    assert_eq!(Cdb::from_padded(&[0x7f; 16]), Err(CdbError::Variable(Opcode(0x7f))));
    for (opcode, length) in
        [(Opcode::INQUIRY, 6), (Opcode::READ_10, 10), (Opcode::UNMAP, 10), (Opcode::READ_16, 16), (Opcode::READ_12, 12)]
    {
        let mut field = [0xee; 16];
        field[0] = opcode.0;
        let cdb = Cdb::from_padded(&field).expect("a CDB");
        assert_eq!((cdb.octets().len(), cdb.control(), cdb.opcode()), (length, 0xee, opcode));
        assert_eq!(cdb.padded()[length..], [0; 16][length..], "what follows the CDB is not kept");
    }
}

#[test]
fn only_reads_and_writes_force_unit_access() {
    for (text, fua) in [
        ("28 08 00 00 00 00 00 00 01 00", true),
        ("2a 08 00 00 00 00 00 00 01 00", true),
        ("2a 00 00 00 00 00 00 00 01 00", false),
        ("8a 08 00 00 00 00 00 00 00 00 00 00 00 01 00 00", true),
        ("89 08 00 00 00 00 00 00 00 00 00 00 00 01 00 00", true),
        // The same bit is part of the LBA, UNMAP, or DPO's neighbour elsewhere.
        ("0a 08 00 00 01 00", false),
        ("93 08 00 00 00 00 00 00 00 00 00 00 00 01 00 00", false),
        ("2e 08 00 00 00 00 00 00 01 00", false),
    ] {
        assert_eq!(cdb(text).force_unit_access(), fua, "{text}");
    }
}

#[test]
fn what_is_built_reads_back() {
    for (built, text) in [
        (Cdb::test_unit_ready(), "TEST UNIT READY [00 00 00 00 00 00]"),
        (Cdb::request_sense(252), "REQUEST SENSE [03 00 00 00 fc 00]"),
        (Cdb::inquiry(96), "INQUIRY [12 00 00 00 60 00]"),
        (Cdb::inquiry_page(0x83, 512), "INQUIRY [12 01 83 02 00 00]"),
        (Cdb::mode_sense_6(0x3f, 255), "MODE SENSE(6) [1a 08 3f 00 ff 00]"),
        (Cdb::report_luns(4096), "REPORT LUNS [a0 00 00 00 00 00 00 00 10 00 00 00]"),
        (Cdb::read_capacity_10(), "READ CAPACITY(10) [25 00 00 00 00 00 00 00 00 00]"),
        (Cdb::read_capacity_16(32), "SERVICE ACTION IN(16) [9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00]"),
        (Cdb::read_16(5, 2), "READ(16) [88 00 00 00 00 00 00 00 00 05 00 00 00 02 00 00]"),
        (Cdb::write_16(5, 2, true), "WRITE(16) [8a 08 00 00 00 00 00 00 00 05 00 00 00 02 00 00]"),
        (Cdb::synchronize_cache_16(), "SYNCHRONIZE CACHE(16) [91 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00]"),
        (Cdb::compare_and_write(5, 1), "COMPARE AND WRITE [89 00 00 00 00 00 00 00 00 05 00 00 00 01 00 00]"),
        (Cdb::write_same_16(5, 2, true), "WRITE SAME(16) [93 08 00 00 00 00 00 00 00 05 00 00 00 02 00 00]"),
        (Cdb::unmap(24), "UNMAP [42 00 00 00 00 00 00 00 18 00]"),
        (Cdb::persistent_reserve_in(1, 256), "PERSISTENT RESERVE IN [5e 01 00 00 00 00 00 01 00 00]"),
        (Cdb::persistent_reserve_out(1, 5, 24), "PERSISTENT RESERVE OUT [5f 01 05 00 00 00 00 00 18 00]"),
    ] {
        assert_eq!(built.to_string(), text);
        assert_eq!(Cdb::new(built.octets()), Ok(built));
    }
}

proptest! {
    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..40), field: [u8; 16], block in any::<u32>()) {
        for cdb in [Cdb::new(&octets), Cdb::from_padded(&field)].into_iter().flatten() {
            let _ = (cdb.lba(), cdb.transfer_length(), cdb.transfer(block), cdb.control(), cdb.service_action());
            let _ = (cdb.byte_check(), cdb.force_unit_access(), cdb.to_string());
            prop_assert_eq!(Cdb::new(cdb.octets()), Ok(cdb));
            prop_assert_eq!(Cdb::from_padded(&cdb.padded()).map(|it| it.padded()), Ok(cdb.padded()));
        }
    }
}
