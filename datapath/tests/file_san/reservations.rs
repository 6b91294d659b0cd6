//! Persistent reservations: who may do what (SPC-4, tables 68 and 69; SBC-3, table 13), and how they change.

use twinrail_datapath::san::file::Outcome;
use twinrail_datapath::scsi::{Cdb, SenseCode, Status};

use crate::support::{BLOCK, Unit, cdb, initiator};

const REGISTER: u8 = 0;
const RESERVE: u8 = 1;
const RELEASE: u8 = 2;
const CLEAR: u8 = 3;
const PREEMPT: u8 = 4;
const PREEMPT_AND_ABORT: u8 = 5;
const REGISTER_AND_IGNORE: u8 = 6;

const WE: u8 = 1;
const EA: u8 = 3;
const WE_RO: u8 = 5;
const EA_RO: u8 = 6;
const WE_AR: u8 = 7;
const EA_AR: u8 = 8;

const HOLDER: u64 = 1;
const REGISTERED: u64 = 2;
const STRANGER: u64 = 3;

impl Unit {
    fn reserve_out(&mut self, by: u64, action: u8, kind: u8, own: u64, service: u64) -> Outcome {
        self.reserve_out_with(by, action, kind, own, service, 0)
    }

    fn reserve_out_with(&mut self, by: u64, action: u8, kind: u8, own: u64, service: u64, flags: u8) -> Outcome {
        let list = [&own.to_be_bytes()[..], &service.to_be_bytes(), &[0, 0, 0, 0, flags, 0, 0, 0]].concat();
        self.execute(by, Cdb::persistent_reserve_out(action, kind, 24), list)
    }

    fn register(&mut self, by: u64, key: u64) {
        assert!(self.reserve_out(by, REGISTER_AND_IGNORE, 0, 0, key).response.is_good());
    }

    fn attention(&mut self, of: u64) -> Option<SenseCode> {
        self.reads(of, "00 00 00 00 00 00").sense_code()
    }

    /// The keys, in no order that matters.
    fn keys(&mut self) -> Vec<u64> {
        let data = self.execute(1, Cdb::persistent_reserve_in(0, 1024), vec![]).response.data_in;
        data[8..].chunks_exact(8).map(|it| u64::from_be_bytes(it.try_into().expect("eight"))).collect()
    }

    /// Key and type.
    fn reservation(&mut self) -> Option<(u64, u8)> {
        let data = self.execute(1, Cdb::persistent_reserve_in(1, 1024), vec![]).response.data_in;
        data.get(8..24).map(|it| (u64::from_be_bytes(it[..8].try_into().expect("eight")), it[13]))
    }
}

/// Allowed to: a stranger under write exclusive, a stranger under exclusive access, a registered nexus under a type that
/// admits registrants. The columns of the standards' tables.
type Row = (&'static str, usize, [bool; 3]);

const ALWAYS: [bool; 3] = [true, true, true];
const READING: [bool; 3] = [true, false, true];
const WRITING: [bool; 3] = [false, false, true];

const TABLE: &[Row] = &[
    ("00 00 00 00 00 00", 0, ALWAYS),
    ("03 00 00 00 fc 00", 0, ALWAYS),
    ("12 00 00 00 24 00", 0, ALWAYS),
    ("25 00 00 00 00 00 00 00 00 00", 0, ALWAYS),
    ("9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", 0, ALWAYS),
    ("5e 00 00 00 00 00 00 00 20 00", 0, ALWAYS),
    ("1b 00 00 00 01 00", 0, ALWAYS),
    ("08 00 00 00 01 00", 0, READING),
    ("28 00 00 00 00 00 00 00 01 00", 0, READING),
    ("88 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00", 0, READING),
    ("2f 00 00 00 00 00 00 00 01 00", 0, READING),
    ("1a 08 08 00 ff 00", 0, READING),
    ("5a 08 08 00 00 00 00 00 ff 00", 0, READING),
    ("a3 0c 00 00 00 00 00 00 00 ff 00 00", 0, READING),
    ("0a 00 00 00 01 00", BLOCK, WRITING),
    ("2a 00 00 00 00 00 00 00 01 00", BLOCK, WRITING),
    ("8a 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00", BLOCK, WRITING),
    ("2e 00 00 00 00 00 00 00 01 00", BLOCK, WRITING),
    ("35 00 00 00 00 00 00 00 00 00", 0, WRITING),
    ("93 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00", BLOCK, WRITING),
    ("42 00 00 00 00 00 00 00 00 00", 0, WRITING),
    ("89 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00", 2 * BLOCK, WRITING),
    ("1b 00 00 00 00 00", 0, WRITING),
];

#[test]
fn the_tables_of_conflicts() {
    for kind in [WE, EA, WE_RO, EA_RO, WE_AR, EA_AR] {
        for &(text, data, [under_write, under_access, registered]) in TABLE {
            let to_stranger = if matches!(kind, WE | WE_RO | WE_AR) { under_write } else { under_access };
            let to_registered = if matches!(kind, WE | EA) { to_stranger } else { registered };
            for (by, allowed) in [(HOLDER, true), (REGISTERED, to_registered), (STRANGER, to_stranger)] {
                let mut unit = Unit::new(&[HOLDER, REGISTERED, STRANGER]);
                unit.register(HOLDER, 0xa);
                unit.register(REGISTERED, 0xb);
                assert!(unit.reserve_out(HOLDER, RESERVE, kind, 0xa, 0).response.is_good());
                let response = unit.execute(by, cdb(text), vec![0; data]).response;
                let expected = if allowed { Status::Good } else { Status::ReservationConflict };
                assert_eq!(response.status, expected, "type {kind}, {text}, initiator {by}");
            }
        }
    }
}

#[test]
fn only_who_is_registered_with_this_key_may_change_anything() {
    for action in [RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT] {
        let mut unit = Unit::new(&[1, 2, 3]);
        unit.register(1, 0xa);
        unit.register(2, 0xb);
        for (by, own) in [(3, 0), (3, 0xa), (2, 0xa), (2, 0)] {
            let response = unit.reserve_out(by, action, WE, own, 0xa).response;
            assert_eq!(response.status, Status::ReservationConflict, "action {action} by {by} with {own:x}");
        }
        assert_eq!((unit.keys(), unit.reservation()), (vec![0xa, 0xb], None));
    }
    let mut unit = Unit::new(&[1]);
    unit.register(1, 0xa);
    let wrong = unit.reserve_out(1, REGISTER, 0, 0xb, 0xc).response;
    assert_eq!((wrong.status, unit.keys()), (Status::ReservationConflict, vec![0xa]));
    assert!(unit.reserve_out(1, REGISTER, 0, 0xa, 0xc).response.is_good());
    assert_eq!(unit.keys(), [0xc]);
    assert!(unit.reserve_out(1, REGISTER, 0, 0xc, 0).response.is_good());
    assert!(unit.keys().is_empty(), "{:?}", unit.keys());
}

#[test]
fn reserving_again_and_releasing() {
    let mut unit = Unit::new(&[1, 2]);
    unit.register(1, 0xa);
    unit.register(2, 0xb);
    assert!(unit.reserve_out(1, RESERVE, WE_RO, 0xa, 0).response.is_good());
    assert!(unit.reserve_out(1, RESERVE, WE_RO, 0xa, 0).response.is_good(), "the same again");
    assert_eq!(unit.reserve_out(1, RESERVE, EA_RO, 0xa, 0).response.status, Status::ReservationConflict);
    assert_eq!(unit.reserve_out(2, RESERVE, WE_RO, 0xb, 0).response.status, Status::ReservationConflict);
    assert!(unit.reserve_out(2, RELEASE, WE_RO, 0xb, 0).response.is_good(), "of who holds nothing: nothing");
    assert_eq!(unit.reservation(), Some((0xa, WE_RO)));
    let other = unit.reserve_out(1, RELEASE, EA_RO, 0xa, 0).response;
    assert_eq!(other.sense_code(), Some(SenseCode::INVALID_RELEASE));
    assert!(unit.reserve_out(1, RELEASE, WE_RO, 0xa, 0).response.is_good());
    assert_eq!((unit.reservation(), unit.attention(2)), (None, Some(SenseCode::RESERVATIONS_RELEASED)));
    assert_eq!(unit.attention(1), None);
}

#[test]
fn a_holder_that_unregisters_releases() {
    for (kind, told) in [(WE, None), (EA_RO, Some(SenseCode::RESERVATIONS_RELEASED))] {
        let mut unit = Unit::new(&[1, 2]);
        unit.register(1, 0xa);
        unit.register(2, 0xb);
        assert!(unit.reserve_out(1, RESERVE, kind, 0xa, 0).response.is_good());
        assert!(unit.reserve_out(1, REGISTER, 0, 0xa, 0).response.is_good());
        assert_eq!((unit.reservation(), unit.attention(2)), (None, told), "type {kind}");
    }
    // Of a type for all registrants the last one does.
    let mut unit = Unit::new(&[1, 2]);
    unit.register(1, 0xa);
    unit.register(2, 0xb);
    assert!(unit.reserve_out(1, RESERVE, WE_AR, 0xa, 0).response.is_good());
    assert!(unit.reserve_out(1, REGISTER, 0, 0xa, 0).response.is_good());
    assert_eq!(unit.reservation(), Some((0, WE_AR)));
    assert!(unit.reserve_out(2, REGISTER, 0, 0xb, 0).response.is_good());
    assert_eq!(unit.reservation(), None);
}

#[test]
fn preempting_the_holder_takes_the_reservation() {
    for action in [PREEMPT, PREEMPT_AND_ABORT] {
        let mut unit = Unit::new(&[1, 2, 3]);
        for (by, key) in [(1, 0xa), (2, 0xb), (3, 0xc)] {
            unit.register(by, key);
        }
        assert!(unit.reserve_out(1, RESERVE, WE_RO, 0xa, 0).response.is_good());
        let outcome = unit.reserve_out(2, action, EA_RO, 0xb, 0xa);
        assert!(outcome.response.is_good());
        let aborted = if action == PREEMPT_AND_ABORT { vec![initiator(1)] } else { vec![] };
        assert_eq!(outcome.aborted, aborted);
        assert_eq!((unit.attention(1), unit.attention(2)), (Some(SenseCode::REGISTRATIONS_PREEMPTED), None));
        // The type has changed: those who stay are told.
        assert_eq!(unit.attention(3), Some(SenseCode::RESERVATIONS_RELEASED));
        assert_eq!((unit.keys(), unit.reservation()), (vec![0xb, 0xc], Some((0xb, EA_RO))));
        let late = unit.writes(1, "2a 00 00 00 00 00 00 00 01 00", vec![1; BLOCK]);
        assert_eq!(late.status, Status::ReservationConflict, "the former holder is fenced");
    }
}

#[test]
fn preempting_others_takes_only_registrations() {
    let mut unit = Unit::new(&[1, 2, 3]);
    for (by, key) in [(1, 0xa), (2, 0xb), (3, 0xb)] {
        unit.register(by, key);
    }
    assert!(unit.reserve_out(1, RESERVE, WE_RO, 0xa, 0).response.is_good());
    let unknown = unit.reserve_out(1, PREEMPT, WE_RO, 0xa, 0xdead).response;
    assert_eq!(unknown.status, Status::ReservationConflict);
    let nobody = unit.reserve_out(1, PREEMPT, WE_RO, 0xa, 0).response;
    assert_eq!(nobody.sense_code(), Some(SenseCode::INVALID_FIELD_IN_PARAMETERS));
    assert!(unit.reserve_out(1, PREEMPT, WE_RO, 0xa, 0xb).response.is_good());
    assert_eq!((unit.keys(), unit.reservation()), (vec![0xa], Some((0xa, WE_RO))));
    for it in [2, 3] {
        assert_eq!(unit.attention(it), Some(SenseCode::REGISTRATIONS_PREEMPTED));
    }
}

#[test]
fn preempting_all_registrants_with_no_key_leaves_one() {
    let mut unit = Unit::new(&[1, 2, 3]);
    for (by, key) in [(1, 0xa), (2, 0xb), (3, 0xc)] {
        unit.register(by, key);
    }
    assert!(unit.reserve_out(1, RESERVE, EA_AR, 0xa, 0).response.is_good());
    assert!(unit.reserve_out(3, PREEMPT, WE, 0xc, 0).response.is_good());
    assert_eq!(unit.attention(1), Some(SenseCode::REGISTRATIONS_PREEMPTED));
    assert_eq!((unit.keys(), unit.reservation()), (vec![0xc], Some((0xc, WE))));
}

#[test]
fn clearing_tells_the_others() {
    let mut unit = Unit::new(&[1, 2]);
    unit.register(1, 0xa);
    unit.register(2, 0xb);
    assert!(unit.reserve_out(1, RESERVE, EA, 0xa, 0).response.is_good());
    assert!(unit.reserve_out(2, CLEAR, 0, 0xb, 0).response.is_good());
    assert_eq!((unit.attention(1), unit.attention(2)), (Some(SenseCode::RESERVATIONS_PREEMPTED), None));
    assert_eq!((unit.keys(), unit.reservation()), (vec![], None));
}

#[test]
fn the_generation_counts_changes_of_registrations() {
    let mut unit = Unit::new(&[1]);
    let generation = |unit: &mut Unit| unit.execute(1, Cdb::persistent_reserve_in(0, 64), vec![]).response.data_in[3];
    unit.register(1, 0xa);
    assert_eq!(generation(&mut unit), 1);
    unit.reserve_out(1, RESERVE, WE, 0xa, 0);
    unit.reserve_out(1, RELEASE, WE, 0xa, 0);
    assert_eq!(generation(&mut unit), 1);
    unit.reserve_out(1, CLEAR, 0, 0xa, 0);
    assert_eq!(generation(&mut unit), 2);
}

#[test]
fn full_status_names_the_holder_by_its_wwpn() {
    let mut unit = Unit::new(&[1, 2]);
    unit.register(1, 0xa);
    unit.register(2, 0xb);
    assert!(unit.reserve_out(2, RESERVE, WE, 0xb, 0).response.is_good());
    let data = unit.execute(1, Cdb::persistent_reserve_in(3, 1024), vec![]).response.data_in;
    assert_eq!(data[4..8], [0, 0, 0, 96]);
    let (first, second) = data[8..].split_at(48);
    assert_eq!((first[7], first[12], first[13]), (0xa, 0x02, 0));
    assert_eq!((second[7], second[12], second[13]), (0xb, 0x03, WE));
    assert_eq!(second[32..40], initiator(2).wwpn.to_u64().to_be_bytes());
    let capabilities = unit.execute(1, Cdb::persistent_reserve_in(2, 8), vec![]).response.data_in;
    assert_eq!(capabilities[..], [0, 8, 0x05, 0x80, 0xea, 0x01, 0, 0]);
}

#[test]
fn what_registers_others_is_not_taken() {
    let mut unit = Unit::new(&[1]);
    let response = unit.reserve_out_with(1, REGISTER, 0, 0, 0xa, 0x08).response;
    assert_eq!(response.sense_code(), Some(SenseCode::INVALID_FIELD_IN_PARAMETERS));
    assert!(unit.keys().is_empty(), "{:?}", unit.keys());
}

#[test]
fn registrations_have_a_limit() {
    let mut unit = Unit::new(&[]);
    for number in 0..129u64 {
        unit.log_in(&[number]);
        let response = unit.reserve_out(number, REGISTER, 0, 0, 0xa).response;
        match number {
            0..128 => assert!(response.is_good()),
            _ => assert_eq!(response.sense_code(), Some(SenseCode::INSUFFICIENT_REGISTRATION_RESOURCES)),
        }
    }
}

#[test]
fn the_older_reservation_keeps_everybody_else_out() {
    let mut unit = Unit::new(&[1, 2]);
    assert!(unit.reads(1, "16 00 00 00 00 00").is_good());
    for text in ["00 00 00 00 00 00", "28 00 00 00 00 00 00 00 01 00", "16 00 00 00 00 00", "1a 08 08 00 ff 00"] {
        assert_eq!(unit.reads(2, text).status, Status::ReservationConflict, "{text}");
        assert!(unit.reads(1, text).is_good(), "{text}");
    }
    assert!(unit.reads(2, "12 00 00 00 24 00").is_good());
    assert!(unit.reads(2, "17 00 00 00 00 00").is_good(), "releasing what one does not hold does nothing");
    assert_eq!(unit.reads(2, "00 00 00 00 00 00").status, Status::ReservationConflict);
    assert_eq!(unit.reads(1, "5e 00 00 00 00 00 00 00 20 00").status, Status::ReservationConflict);
    unit.unit.reset();
    assert_eq!(unit.attention(2), Some(SenseCode::DEVICE_RESET));
    assert!(unit.reads(2, "00 00 00 00 00 00").is_good());
    // Beside the newer kind the older one is refused.
    unit.register(2, 0xb);
    assert_eq!(unit.reads(2, "16 00 00 00 00 00").status, Status::ReservationConflict);
    unit.reserve_out(2, REGISTER, 0, 0xb, 0);
    // It does not outlive the login.
    assert!(unit.reads(2, "16 00 00 00 00 00").is_good());
    unit.unit.depart(initiator(2));
    unit.attention(1);
    assert!(unit.reads(1, "00 00 00 00 00 00").is_good());
}

#[test]
fn aptpl_survives_power_loss_and_nothing_else_does() {
    let mut unit = Unit::new(&[1, 2]);
    assert!(unit.reserve_out_with(1, REGISTER, 0, 0, 0xa, 0x01).response.is_good());
    assert!(unit.reserve_out_with(2, REGISTER, 0, 0, 0xb, 0x01).response.is_good());
    assert!(unit.reserve_out(2, RESERVE, EA_RO, 0xb, 0).response.is_good());
    let mut unit = unit.reopen();
    unit.log_in(&[1, 2, 3]);
    assert_eq!((unit.keys(), unit.reservation()), (vec![0xa, 0xb], Some((0xb, EA_RO))));
    let stranger = unit.writes(3, "2a 00 00 00 00 00 00 00 01 00", vec![1; BLOCK]);
    assert_eq!(stranger.status, Status::ReservationConflict);
    // Registered without APTPL: not kept any more.
    assert!(unit.reserve_out(1, REGISTER, 0, 0xa, 0xa).response.is_good());
    let mut unit = unit.reopen();
    unit.log_in(&[1]);
    assert_eq!((unit.keys(), unit.reservation()), (vec![], None));
}
