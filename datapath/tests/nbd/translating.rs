//! NBD requests as commands for a unit, one by one.

use std::time::Duration;

use bytes::Bytes;
use twinrail_datapath::nbd::scsi::{CommandTag, Patience, Translator, UnitFacts, Unmap, Verdict, WriteSame, judge};
use twinrail_datapath::nbd::{Errno, Request, Zeroing};
use twinrail_datapath::scsi::{Command, Lun, Residual, Response, Sense, SenseCode, SenseKey, Status};

use crate::support::octets;

/// 64 blocks of 512 octets, four in one transfer, eight in one UNMAP or WRITE SAME.
fn facts() -> UnitFacts {
    UnitFacts {
        lun: Lun::ZERO,
        block_length: 512,
        blocks: 64,
        largest_transfer: 4,
        force_unit_access: true,
        write_cache: true,
        write_protected: false,
        rotational: false,
        unmap: Some(Unmap { largest: 8 }),
        write_same: Some(WriteSame { largest: 8, unmaps: true }),
    }
}

type Subject = Translator<u32>;

/// How requests ended: with so many octets, or an error.
type Ends = Vec<(u32, Result<usize, Errno>)>;

fn translator(facts: UnitFacts) -> Subject {
    Translator::new(facts, Patience { depth: 3, attempts: 3, hold: Duration::from_secs(1) })
}

/// Everything that may be sent now.
fn send(subject: &mut Subject, now: u64) -> Vec<(CommandTag, Command)> {
    std::iter::from_fn(|| subject.next_command(now)).collect()
}

/// The same, in words.
fn words(sent: &[(CommandTag, Command)]) -> Vec<String> {
    let octets = |it: &Command| match it.cdb.octets()[0] {
        0x88 => format!("READ {}+{}", it.cdb.lba().unwrap(), it.cdb.transfer_length().unwrap()),
        0x8a => {
            let fua = if it.cdb.force_unit_access() { " FUA" } else { "" };
            format!("WRITE {}+{}{fua}", it.cdb.lba().unwrap(), it.cdb.transfer_length().unwrap())
        }
        0x93 => {
            let unmap = if it.cdb.octets()[1] & 8 != 0 { " UNMAP" } else { "" };
            format!("SAME {}+{}{unmap}", it.cdb.lba().unwrap(), it.cdb.transfer_length().unwrap())
        }
        0x42 => format!("UNMAP {} {}", it.data_out[15], it.data_out[19]),
        0x91 => "SYNC".into(),
        other => format!("{other:#x}"),
    };
    sent.iter().map(|(_, command)| octets(command)).collect()
}

fn good(command: &Command) -> Response {
    Response { data_in: octets(command.data_in_length as usize, 1), ..Response::good() }
}

fn check(key: SenseKey, code: SenseCode) -> Response {
    Response::check_condition(Sense::new(key, code))
}

fn unsupported() -> Response {
    check(SenseKey::IllegalRequest, SenseCode::INVALID_OPCODE)
}

/// Answers everything with GOOD until nothing is left; says what was sent and how the requests ended.
fn run(subject: &mut Subject) -> (Vec<String>, Ends) {
    let mut all = Vec::new();
    loop {
        let sent = send(subject, 0);
        if sent.is_empty() {
            break;
        }
        all.extend(words(&sent));
        sent.iter().for_each(|(tag, command)| subject.completed(*tag, &good(command), 0));
    }
    (all, finished(subject))
}

fn finished(subject: &mut Subject) -> Ends {
    std::iter::from_fn(|| subject.next_finished()).map(|(token, result)| (token, result.map(|it| it.len()))).collect()
}

#[track_caller]
fn becomes(facts: UnitFacts, request: Request, commands: &[&str], result: Result<usize, Errno>) {
    let mut subject = translator(facts);
    subject.submit(request, 7);
    assert_eq!(run(&mut subject), (commands.iter().map(|it| it.to_string()).collect(), vec![(7, result)]));
}

fn zeroes(length: u32, how: Zeroing) -> Request {
    Request::WriteZeroes { offset: 0, length, how }
}

const UNMAPPING: Zeroing = Zeroing { fua: false, may_unmap: true, only_if_fast: false };

#[test]
fn each_request_becomes_these_commands() {
    let no_fua = UnitFacts { force_unit_access: false, ..facts() };
    let write = |fua| Request::Write { offset: 512, data: octets(5 * 512, 0), fua };
    let cuts = ["READ 0+4", "READ 4+4", "READ 8+1"];
    becomes(facts(), Request::Read { offset: 0, length: 9 * 512 }, &cuts, Ok(9 * 512));
    becomes(facts(), write(false), &["WRITE 1+4", "WRITE 5+1"], Ok(0));
    becomes(facts(), write(true), &["WRITE 1+4 FUA", "WRITE 5+1 FUA"], Ok(0));
    becomes(no_fua.clone(), write(true), &["WRITE 1+4", "WRITE 5+1", "SYNC"], Ok(0));
    becomes(facts(), Request::Flush, &["SYNC"], Ok(0));
    let trim = |fua| Request::Trim { offset: 512, length: 9 * 512, fua };
    becomes(facts(), trim(false), &["UNMAP 1 8", "UNMAP 9 1"], Ok(0));
    becomes(facts(), trim(true), &["UNMAP 1 8", "UNMAP 9 1", "SYNC"], Ok(0));
    becomes(UnitFacts { unmap: None, ..facts() }, trim(false), &[], Ok(0));
    becomes(facts(), zeroes(9 * 512, UNMAPPING), &["SAME 0+8 UNMAP", "SAME 8+1 UNMAP"], Ok(0));
    let solid = Zeroing { may_unmap: false, fua: true, ..UNMAPPING };
    becomes(facts(), zeroes(512, solid), &["SAME 0+1", "SYNC"], Ok(0));
    becomes(UnitFacts { write_same: None, ..facts() }, zeroes(5 * 512, UNMAPPING), &["WRITE 0+4", "WRITE 4+1"], Ok(0));
    becomes(facts(), Request::Cache { offset: 0, length: 512 }, &[], Ok(0));
    // What is not whole blocks is nothing for the unit.
    becomes(facts(), Request::Read { offset: 1, length: 512 }, &[], Err(Errno::Invalid));
    becomes(facts(), Request::Write { offset: 0, data: octets(511, 0), fua: false }, &[], Err(Errno::Invalid));
}

#[test]
fn a_fast_zero_is_one_that_unmaps() {
    let fast = Zeroing { only_if_fast: true, ..UNMAPPING };
    becomes(facts(), zeroes(512, fast), &["SAME 0+1 UNMAP"], Ok(0));
    becomes(facts(), zeroes(512, Zeroing { may_unmap: false, ..fast }), &[], Err(Errno::NotSupported));
    let slow = UnitFacts { write_same: Some(WriteSame { largest: 8, unmaps: false }), ..facts() };
    becomes(slow, zeroes(512, fast), &[], Err(Errno::NotSupported));
    // The unit promised more than it keeps.
    let mut subject = translator(facts());
    subject.submit(zeroes(512, fast), 1);
    let sent = send(&mut subject, 0);
    subject.completed(sent[0].0, &unsupported(), 0);
    assert_eq!(run(&mut subject), (vec![], vec![(1, Err(Errno::NotSupported))]));
}

#[test]
fn zeroes_fall_back_step_by_step_and_the_unit_is_not_asked_again() {
    let mut subject = translator(facts());
    subject.submit(zeroes(10 * 512, UNMAPPING), 1);
    let mut all = Vec::new();
    for _ in 0..2 {
        let sent = send(&mut subject, 0);
        all.extend(words(&sent));
        sent.iter().for_each(|(tag, _)| subject.completed(*tag, &unsupported(), 0));
    }
    assert_eq!(all, ["SAME 0+8 UNMAP", "SAME 8+2 UNMAP", "SAME 0+8", "SAME 8+2"]);
    let (rest, ends) = run(&mut subject);
    assert_eq!((rest, ends), (words_of(&["WRITE 0+4", "WRITE 4+4", "WRITE 8+2"]), vec![(1, Ok(0))]));
    subject.submit(zeroes(512, UNMAPPING), 2);
    assert_eq!(run(&mut subject).0, ["WRITE 0+1"]);
}

fn words_of(words: &[&str]) -> Vec<String> {
    words.iter().map(|it| it.to_string()).collect()
}

#[test]
fn a_refused_unmap_is_a_hint_not_taken_for_all_who_gave_it() {
    let mut subject = translator(facts());
    for token in 0..8 {
        subject.submit(Request::Trim { offset: 0, length: 9 * 512, fua: false }, token);
    }
    let sent = send(&mut subject, 0);
    sent.iter().for_each(|(tag, _)| subject.completed(*tag, &unsupported(), 0));
    let (commands, ends) = run(&mut subject);
    assert_eq!(commands, Vec::<String>::new());
    assert_eq!(ends.len(), 8);
    assert!(ends.iter().all(|it| it.1 == Ok(0)), "{ends:?}");
}

#[test]
fn a_unit_without_a_cache_need_not_know_how_to_flush_it() {
    for (write_cache, end) in [(false, Ok(0)), (true, Err(Errno::Io))] {
        let mut subject = translator(UnitFacts { write_cache, ..facts() });
        subject.submit(Request::Flush, 1);
        let sent = send(&mut subject, 0);
        subject.completed(sent[0].0, &unsupported(), 0);
        assert_eq!(finished(&mut subject), [(1, end)]);
    }
}

#[test]
fn the_unit_never_has_more_than_its_depth() {
    let mut subject = translator(facts());
    subject.submit(Request::Read { offset: 0, length: 64 * 512 }, 1);
    let sent = send(&mut subject, 0);
    assert_eq!(words(&sent), ["READ 0+4", "READ 4+4", "READ 8+4"]);
    // The path has no room: the same command is the next one again.
    subject.refused(sent[1].0);
    assert_eq!(words(&send(&mut subject, 0)), ["READ 4+4"]);
}

#[test]
fn busy_pauses_everything_with_longer_and_longer_pauses_and_fails_when_the_hold_is_over() {
    const MS: u64 = 1_000_000;
    let mut subject = translator(facts());
    subject.submit(Request::Flush, 1);
    subject.submit(Request::Flush, 2);
    let (mut now, mut pauses) = (0, Vec::new());
    loop {
        let sent = send(&mut subject, now);
        assert_eq!(sent.len(), 2);
        for (index, status) in [Status::Busy, Status::TaskSetFull].into_iter().enumerate() {
            subject.completed(sent[index].0, &Response::with_status(status), now);
        }
        let Some(deadline) = subject.next_deadline() else { break };
        assert!(send(&mut subject, deadline - 1).is_empty());
        pauses.push((deadline - now) / MS);
        now = deadline;
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640]);
    assert_eq!(finished(&mut subject), [(1, Err(Errno::Io)), (2, Err(Errno::Io))]);
    // A unit that comes back is used again, with short pauses.
    subject.submit(Request::Flush, 3);
    assert_eq!(run(&mut subject).1, [(3, Ok(0))]);
    subject.submit(Request::Flush, 4);
    let sent = send(&mut subject, now);
    subject.completed(sent[0].0, &Response::with_status(Status::Busy), now);
    assert_eq!(subject.next_deadline(), Some(now + 5 * MS));
}

#[test]
fn unit_attentions_are_passed_over_as_often_as_patience_has_it() {
    let attention = check(SenseKey::UnitAttention, SenseCode::DEVICE_RESET);
    for (times, end) in [(2, Ok(512)), (3, Err(Errno::Io))] {
        let mut subject = translator(facts());
        subject.submit(Request::Read { offset: 0, length: 512 }, 1);
        for _ in 0..times {
            let sent = send(&mut subject, 0);
            assert_eq!(words(&sent), ["READ 0+1"]);
            subject.completed(sent[0].0, &attention, 0);
        }
        assert_eq!(run(&mut subject).1, [(1, end)]);
    }
}

#[test]
fn a_write_that_was_lost_after_its_answer_makes_the_next_flush_fail_and_only_that() {
    let mut subject = translator(facts());
    subject.submit(Request::Read { offset: 0, length: 512 }, 1);
    let sent = send(&mut subject, 0);
    let deferred = Sense { deferred: true, ..Sense::new(SenseKey::MediumError, SenseCode::WRITE_ERROR) };
    subject.completed(sent[0].0, &Response::check_condition(deferred), 0);
    assert_eq!(run(&mut subject).1, [(1, Ok(512))]);
    for (token, end) in [(2, Err(Errno::Io)), (3, Ok(0))] {
        subject.submit(Request::Flush, token);
        assert_eq!(run(&mut subject).1, [(token, end)]);
    }
}

#[test]
fn one_piece_that_fails_fails_the_request_once_and_nothing_more_is_sent_of_it() {
    let mut subject = translator(facts());
    subject.submit(Request::Write { offset: 0, data: octets(32 * 512, 0), fua: false }, 1);
    let sent = send(&mut subject, 0);
    subject.completed(sent[0].0, &check(SenseKey::MediumError, SenseCode::WRITE_ERROR), 0);
    assert!(send(&mut subject, 0).is_empty());
    subject.lost(sent[1].0);
    assert!(finished(&mut subject).is_empty());
    subject.completed(sent[2].0, &Response::good(), 0);
    assert_eq!(finished(&mut subject), [(1, Err(Errno::Io))]);
}

#[test]
fn good_with_less_than_everything_is_an_error() {
    let short = Response { data_in: Bytes::from_static(&[0; 511]), ..Response::good() };
    let under = Response { residual: Residual::Underflow(512), ..Response::good() };
    let write = Request::Write { offset: 0, data: octets(512, 0), fua: false };
    for (request, response) in [(Request::Read { offset: 0, length: 512 }, short), (write, under)] {
        let mut subject = translator(facts());
        subject.submit(request, 1);
        let sent = send(&mut subject, 0);
        subject.completed(sent[0].0, &response, 0);
        assert_eq!(finished(&mut subject), [(1, Err(Errno::Io))]);
    }
}

#[test]
fn the_table_of_verdicts() {
    use SenseKey as Key;
    use Verdict::{Again, Done, Fail, Hold, Unsupported};
    for (status, verdict) in [
        (Status::Good, Done),
        (Status::ConditionMet, Done),
        (Status::Busy, Hold),
        (Status::TaskSetFull, Hold),
        (Status::AcaActive, Hold),
        (Status::TaskAborted, Again),
        (Status::ReservationConflict, Fail(Errno::Permission)),
        (Status::CheckCondition, Fail(Errno::Io)),
    ] {
        assert_eq!(judge(&Response::with_status(status), true), verdict, "{status}");
    }
    for (key, code, for_writes, for_reads) in [
        (Key::NoSense, SenseCode::NONE, Done, Done),
        (Key::RecoveredError, SenseCode::NONE, Done, Done),
        (Key::Completed, SenseCode::NONE, Done, Done),
        (Key::NotReady, SenseCode::BECOMING_READY, Hold, Hold),
        (Key::NotReady, SenseCode::NOT_READY, Hold, Hold),
        (Key::NotReady, SenseCode::INITIALIZING_COMMAND_REQUIRED, Fail(Errno::Io), Fail(Errno::Io)),
        (Key::MediumError, SenseCode::UNRECOVERED_READ_ERROR, Fail(Errno::Io), Fail(Errno::Io)),
        (Key::HardwareError, SenseCode::INTERNAL_TARGET_FAILURE, Fail(Errno::Io), Fail(Errno::Io)),
        (Key::IllegalRequest, SenseCode::INVALID_OPCODE, Unsupported, Unsupported),
        (Key::IllegalRequest, SenseCode::INVALID_FIELD_IN_CDB, Unsupported, Unsupported),
        (Key::IllegalRequest, SenseCode::INVALID_FIELD_IN_PARAMETERS, Unsupported, Unsupported),
        (Key::IllegalRequest, SenseCode::LBA_OUT_OF_RANGE, Fail(Errno::NoSpace), Fail(Errno::Invalid)),
        (Key::IllegalRequest, SenseCode::LUN_NOT_SUPPORTED, Fail(Errno::Io), Fail(Errno::Io)),
        (Key::UnitAttention, SenseCode::CAPACITY_CHANGED, Again, Again),
        (Key::DataProtect, SenseCode::WRITE_PROTECTED, Fail(Errno::Permission), Fail(Errno::Permission)),
        (Key::DataProtect, SenseCode::SPACE_ALLOCATION_FAILED, Fail(Errno::NoSpace), Fail(Errno::NoSpace)),
        (Key::BlankCheck, SenseCode::NONE, Fail(Errno::Io), Fail(Errno::Io)),
        (Key::VendorSpecific, SenseCode::NONE, Fail(Errno::Io), Fail(Errno::Io)),
        (Key::CopyAborted, SenseCode::NONE, Fail(Errno::Io), Fail(Errno::Io)),
        (Key::AbortedCommand, SenseCode::DATA_PHASE_ERROR, Again, Again),
        (Key::VolumeOverflow, SenseCode::NONE, Fail(Errno::NoSpace), Fail(Errno::NoSpace)),
        (Key::Miscompare, SenseCode::MISCOMPARE, Fail(Errno::Io), Fail(Errno::Io)),
    ] {
        let answer = check(key, code);
        assert_eq!((judge(&answer, true), judge(&answer, false)), (for_writes, for_reads), "{key:?} {code}");
    }
    let deferred = Sense { deferred: true, ..Sense::new(Key::MediumError, SenseCode::WRITE_ERROR) };
    assert_eq!(judge(&Response::check_condition(deferred), true), Verdict::AgainAfterLoss);
}
