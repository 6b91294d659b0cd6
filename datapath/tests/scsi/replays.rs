use twinrail_datapath::scsi::replay::{Reason, Replay, replay};
use twinrail_datapath::scsi::{Cdb, Opcode};

fn of(opcode: u8, second: u8) -> Replay {
    let mut field = [0; Cdb::MAX];
    (field[0], field[1]) = (opcode, second);
    replay(&Cdb::from_padded(&field).expect("a CDB"))
}

/// Opcode, service action. Everything that is not in this table must never be replayed.
const SAFE: &[(u8, u8)] = &[
    (0x00, 0),
    (0x03, 0),
    (0x08, 0),
    (0x0a, 0),
    (0x12, 0),
    (0x1a, 0),
    (0x25, 0),
    (0x28, 0),
    (0x2a, 0),
    (0x2e, 0),
    (0x2f, 0),
    (0x34, 0),
    (0x35, 0),
    (0x41, 0),
    (0x42, 0),
    (0x4d, 0),
    (0x5a, 0),
    (0x5e, 0),
    (0x88, 0),
    (0x8a, 0),
    (0x8e, 0),
    (0x8f, 0),
    (0x90, 0),
    (0x91, 0),
    (0x93, 0),
    (0x9e, 0x10),
    (0x9e, 0x12),
    (0xa0, 0),
    (0xa3, 0x0a),
    (0xa3, 0x0c),
    (0xa3, 0x0d),
    (0xa8, 0),
    (0xaa, 0),
    (0xae, 0),
    (0xaf, 0),
];

#[test]
fn nothing_but_the_table_is_replayed() {
    for opcode in (0..=255).filter(|&it| !Opcode(it).is_variable()) {
        for action in 0..32 {
            let tells = matches!(opcode, 0x9e | 0xa3 | 0xa4);
            let expected = SAFE.contains(&(opcode, if tells { action } else { 0 }));
            assert_eq!(of(opcode, action) == Replay::Safe, expected, "{opcode:02x}/{action:02x}");
        }
    }
}

#[test]
fn what_is_never_replayed_has_its_reason() {
    for (opcode, reason) in [
        (Opcode::COMPARE_AND_WRITE, Reason::Conditional),
        (Opcode::XDWRITE_10, Reason::ReadsWhatItWrites),
        (Opcode::ORWRITE_16, Reason::ReadsWhatItWrites),
        (Opcode::PERSISTENT_RESERVE_OUT, Reason::Reservation),
        (Opcode::RESERVE_6, Reason::Reservation),
        (Opcode::RELEASE_10, Reason::Reservation),
        (Opcode::MODE_SELECT_10, Reason::ChangesDevice),
        (Opcode::FORMAT_UNIT, Reason::ChangesDevice),
        (Opcode::MAINTENANCE_OUT, Reason::ChangesDevice),
        (Opcode::EXTENDED_COPY, Reason::Lasting),
        (Opcode(0xc1), Reason::Unknown),
        (Opcode(0x60), Reason::Unknown),
    ] {
        assert_eq!(of(opcode.0, 0), Replay::Never(reason), "{opcode}");
    }
}
