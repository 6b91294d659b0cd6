use super::*;
use crate::san::iscsi::login::{DigestOffer, Offer};
use crate::san::iscsi::pdu::{
    AsyncMessage, DataIn, NopIn, PduError, ReadyToTransfer, Reject, Residual, ScsiResponse, Serial,
    TaskManagementResponse,
};
use crate::san::{NotTaken, SessionEnd};
use crate::scsi::{Cdb, Lun, SenseCode, Status, TaskFunction, TaskManagement};
use peer::{BLOCK, Peer, converse, give_to, take_from};

mod peer;
mod properties;

const CRC: &str = "HeaderDigest=CRC32C DataDigest=CRC32C";
const PLAIN: &str =
    "MaxRecvDataSegmentLength=4096 FirstBurstLength=6144 MaxBurstLength=8192 InitialR2T=Yes ImmediateData=Yes";
const EAGER: &str =
    "MaxRecvDataSegmentLength=4096 FirstBurstLength=65536 MaxBurstLength=262144 InitialR2T=No ImmediateData=No";

fn engine() -> Engine {
    let offer = Offer { header_digest: DigestOffer::Prefer, data_digest: DigestOffer::Prefer, ..Offer::default() };
    let (initiator, target) = ("naa.5001438000000001".into(), Some("iqn.a".into()));
    let settings = LoginSettings { initiator, target, chap: None, offer };
    let challenge = Challenge { identifier: 1, octets: [0; 16] };
    Engine::new(settings, [0x80, 0, 0, 0, 0, 1], challenge, Patience::default(), 0)
}

/// A session that is open, and its target.
fn open(keys: &str) -> (Engine, Peer) {
    let (mut engine, mut peer) = (engine(), Peer::new(keys));
    converse(&mut engine, &mut peer, 4096);
    assert_eq!(engine.poll_event(), Some(Event::LoggedIn));
    (engine, peer)
}

/// The same with a target that answers no commands, and with one command sent.
fn with_one(command: Command) -> (Engine, Peer, u32) {
    let (mut engine, mut peer) = open(PLAIN);
    peer.silent = true;
    engine.submit(Tag(1), command).unwrap();
    converse(&mut engine, &mut peer, 4096);
    let Some(FromInitiator::ScsiCommand(sent)) =
        peer.seen.iter().find(|it| matches!(it, FromInitiator::ScsiCommand(_))).copied()
    else {
        panic!("it was sent")
    };
    peer.exp_cmd_sn = sent.numbers.cmd_sn.next();
    (engine, peer, sent.task_tag)
}

fn read(blocks: usize) -> Command {
    Command::reading(Lun::ZERO, Cdb::read_16(0, blocks as u32), (blocks * BLOCK) as u32)
}

fn write(lba: u64, data: Vec<u8>) -> Command {
    Command::sending(Lun::ZERO, Cdb::write_16(lba, (data.len() / BLOCK) as u32, false), data)
}

fn events(engine: &mut Engine) -> Vec<Event> {
    std::iter::from_fn(|| engine.poll_event()).collect()
}

/// The end of a session after the target has said this.
fn end_after(engine: &mut Engine, peer: &mut Peer, pdu: FromTarget, data: &[u8]) -> Option<Failure> {
    peer.send(pdu, data);
    give_to(engine, &peer.take_octets(), 4096);
    match events(engine).pop() {
        Some(Event::Ended(failure)) => {
            assert!(engine.has_ended() && !engine.wants_write() && engine.next_deadline().is_none());
            Some(failure)
        }
        _ => None,
    }
}

fn data_in(peer: &mut Peer, task_tag: u32) -> DataIn {
    let numbers = peer.numbers(true);
    let (last, status, lun, residual) = (true, Some(0), [0; 8], Residual::None);
    DataIn { last, status, lun, task_tag, transfer_tag: NO_TAG, numbers, data_sn: Serial(0), offset: 0, residual }
}

fn r2t(peer: &mut Peer, task_tag: u32, offset: u32, length: u32) -> ReadyToTransfer {
    let numbers = peer.numbers(false);
    ReadyToTransfer { lun: [0; 8], task_tag, transfer_tag: 3, numbers, r2t_sn: Serial(0), offset, length }
}

#[test]
fn data_goes_out_as_it_was_agreed() {
    // Immediate data up to a segment; the rest in bursts that were asked for.
    let (mut engine, mut peer) = open(PLAIN);
    let data: Vec<u8> = (0..20_480u32).map(|it| (it / 7) as u8).collect();
    engine.submit(Tag(1), write(3, data.clone())).unwrap();
    converse(&mut engine, &mut peer, 4096);
    assert_eq!(events(&mut engine), [Event::Completed { tag: Tag(1), response: Response::good() }]);
    assert_eq!(peer.disk[3 * BLOCK..3 * BLOCK + data.len()], data);
    let lengths: Vec<_> = peer.seen.iter().filter(|it| matches!(it, FromInitiator::DataOut(_))).collect();
    assert_eq!(lengths.len(), 4, "two bursts of two segments");
    // Nothing immediate, but a first burst that nobody asked for.
    let (mut engine, mut peer) = open(EAGER);
    engine.submit(Tag(2), write(0, vec![9; 80_000 / BLOCK * BLOCK])).unwrap();
    let sent = take_from(&mut engine);
    assert!(sent.len() > 65_536, "it does not wait for an R2T");
    peer.hear(&sent);
    converse(&mut engine, &mut peer, 4096);
    assert_eq!(events(&mut engine), [Event::Completed { tag: Tag(2), response: Response::good() }]);
}

#[test]
fn commands_wait_for_the_window() {
    let (mut engine, mut peer) = open(PLAIN);
    for tag in 0..30 {
        engine.submit(Tag(tag), read(1)).unwrap();
    }
    peer.hear(&take_from(&mut engine));
    assert_eq!(peer.seen.iter().filter(|it| matches!(it, FromInitiator::ScsiCommand(_))).count(), 8);
    converse(&mut engine, &mut peer, 4096);
    assert_eq!(events(&mut engine).len(), 30, "and all go in the end");
    peer.silent = true;
    let refused = (0..2000).find_map(|tag| engine.submit(Tag(tag), read(1)).err()).unwrap();
    assert_eq!(refused.why, NotTaken::Full);
    assert!(engine.manage(Tag(9000), reset()).is_ok(), "there is room for what is no command");
}

fn reset() -> TaskManagement {
    TaskManagement { lun: Lun::ZERO, function: TaskFunction::LunReset }
}

#[test]
fn a_reset_ends_what_was_submitted_before_it() {
    let (mut engine, mut peer) = open(PLAIN);
    peer.silent = true;
    let other = Command { lun: Lun::new(1).unwrap(), ..read(1) };
    engine.submit(Tag(1), other).unwrap();
    for tag in 2..20 {
        engine.submit(Tag(tag), read(1)).unwrap();
    }
    converse(&mut engine, &mut peer, 4096);
    let seen = peer.seen.iter().filter_map(|it| match it {
        FromInitiator::ScsiCommand(command) => Some(command.task_tag),
        _ => None,
    });
    let sent: Vec<u32> = seen.collect();
    assert_eq!(sent.len(), 8, "the others are beyond the window");
    peer.silent = false;
    engine.manage(Tag(50), reset()).unwrap();
    engine.submit(Tag(60), read(1)).unwrap();
    peer.exp_cmd_sn = Serial(9);
    converse(&mut engine, &mut peer, 4096);
    let said = events(&mut engine);
    assert_eq!(said[0], Event::Managed { tag: Tag(50), answer: TaskAnswer::Complete });
    assert!(matches!(said[1..], [Event::Completed { tag: Tag(60), .. }]), "the younger one goes on: {said:?}");
    // An answer that comes late is no answer, and no violation; asking for data of a dead command is one.
    let late = data_in(&mut peer, sent[3]);
    assert_eq!(end_after(&mut engine, &mut peer, FromTarget::DataIn(late), &[0; BLOCK]), None);
    let late = data_in(&mut peer, sent[0]);
    assert_eq!(end_after(&mut engine, &mut peer, FromTarget::DataIn(late), &[0; BLOCK]), None);
    let late = r2t(&mut peer, sent[4], 0, 512);
    let end = end_after(&mut engine, &mut peer, FromTarget::ReadyToTransfer(late), &[]);
    assert_eq!(end, Some(Failure::Violation(Violation::LateR2t)));
}

#[test]
fn a_refused_reset_ends_nothing() {
    let (mut engine, mut peer) = open(PLAIN);
    peer.silent = true;
    (0..12).for_each(|tag| engine.submit(Tag(tag), read(1)).unwrap());
    engine.manage(Tag(50), reset()).unwrap();
    converse(&mut engine, &mut peer, 4096);
    let Some(FromInitiator::TaskManagement(request)) = peer.seen.last().copied() else { panic!("it was sent") };
    assert_eq!((request.function, request.immediate, request.numbers.cmd_sn), (5, true, Serial(9)));
    peer.exp_cmd_sn = Serial(9);
    peer.silent = false;
    let numbers = peer.numbers(true);
    let response = TaskManagementResponse { response: 5, task_tag: request.task_tag, numbers };
    peer.send(FromTarget::TaskManagement(response), &[]);
    converse(&mut engine, &mut peer, 4096);
    let said = events(&mut engine);
    assert_eq!(said[0], Event::Managed { tag: Tag(50), answer: TaskAnswer::NotSupported });
    assert_eq!(said.len(), 5, "the four that had waited were sent after all: {said:?}");
}

#[test]
fn one_command_is_aborted() {
    let abort = |tag| TaskManagement { lun: Lun::ZERO, function: TaskFunction::AbortTask { tag } };
    let (mut engine, mut peer, task_tag) = with_one(read(1));
    engine.manage(Tag(2), abort(1)).unwrap();
    peer.silent = false;
    converse(&mut engine, &mut peer, 4096);
    let Some(FromInitiator::TaskManagement(request)) = peer.seen.last().copied() else { panic!("it was sent") };
    assert_eq!((request.function, request.referenced_tag, request.referenced_cmd_sn), (1, task_tag, Serial(1)));
    engine.manage(Tag(3), abort(1)).unwrap();
    let answered = |tag, answer| Event::Managed { tag: Tag(tag), answer };
    assert_eq!(events(&mut engine), [answered(2, TaskAnswer::Complete), answered(3, TaskAnswer::NoSuchTask)]);
}

/// Each case: what the target says, with one read of 1024 octets in flight, and how the session ends.
#[test]
fn a_target_that_lies_about_a_read_is_left() {
    const PDU: &str = "SCSI Data-In";
    type Lie = fn(DataIn) -> DataIn;
    let order = |field, said, expected| Violation::Order { pdu: PDU, field, said, expected };
    let cases: [(Lie, usize, Violation); 6] = [
        (|it| DataIn { data_sn: Serial(1), ..it }, 1024, order("DataSN", 1, 0)),
        (|it| DataIn { offset: 512, ..it }, 512, order("Buffer Offset", 512, 0)),
        (|it| it, 1028, Violation::Range { pdu: PDU, offset: 0, length: 1028, buffer: 1024 }),
        (|it| it, 512, Violation::Residual { received: 512, expected: 1024 }),
        (
            |it| DataIn { residual: Residual::Under(4), ..it },
            512,
            Violation::Residual { received: 512, expected: 1024 },
        ),
        (|it| DataIn { status: Some(0x77), ..it }, 1024, Violation::Status(0x77)),
    ];
    for (lie, length, expected) in cases {
        let (mut engine, mut peer, tag) = with_one(read(2));
        let pdu = FromTarget::DataIn(lie(data_in(&mut peer, tag)));
        assert_eq!(end_after(&mut engine, &mut peer, pdu, &vec![0; length]), Some(expected.into()));
    }
    let (mut engine, mut peer, tag) = with_one(read(2));
    let pdu = FromTarget::DataIn(data_in(&mut peer, tag ^ 1));
    let unknown = Violation::Tag { pdu: PDU, tag: tag ^ 1 };
    assert_eq!(end_after(&mut engine, &mut peer, pdu, &[0; 1024]), Some(unknown.into()));
    let (mut engine, mut peer, tag) = with_one(read(2));
    let honest = DataIn { residual: Residual::Under(512), ..data_in(&mut peer, tag) };
    assert_eq!(end_after(&mut engine, &mut peer, FromTarget::DataIn(honest), &[0; 512]), None);
}

#[test]
fn a_target_that_lies_about_a_write_is_left() {
    const PDU: &str = "R2T";
    // 4096 octets went with the command; 4096 more may be asked for.
    let order = |field, said, expected| Violation::Order { pdu: PDU, field, said, expected };
    let range = |offset, length| Violation::Range { pdu: PDU, offset, length, buffer: 8192 };
    type Lie = fn(ReadyToTransfer) -> ReadyToTransfer;
    let cases: [(Lie, Violation); 6] = [
        (|it| ReadyToTransfer { length: 4097, ..it }, range(4096, 4097)),
        (|it| ReadyToTransfer { length: 0, ..it }, Violation::Burst { length: 0, limit: 8192 }),
        (|it| ReadyToTransfer { length: u32::MAX, ..it }, Violation::Burst { length: u32::MAX, limit: 8192 }),
        (|it| ReadyToTransfer { offset: 0, ..it }, order("Buffer Offset", 0, 4096)),
        (|it| ReadyToTransfer { r2t_sn: Serial(1), ..it }, order("R2TSN", 1, 0)),
        (|it| ReadyToTransfer { task_tag: 99, ..it }, Violation::Tag { pdu: PDU, tag: 99 }),
    ];
    for (lie, expected) in cases {
        let (mut engine, mut peer, tag) = with_one(write(0, vec![1; 8192]));
        let pdu = FromTarget::ReadyToTransfer(lie(r2t(&mut peer, tag, 4096, 4096)));
        assert_eq!(end_after(&mut engine, &mut peer, pdu, &[]), Some(expected.into()));
    }
    let (mut engine, mut peer, tag) = with_one(write(0, vec![1; 8192]));
    let twice = r2t(&mut peer, tag, 4096, 4096);
    assert_eq!(end_after(&mut engine, &mut peer, FromTarget::ReadyToTransfer(twice), &[]), None);
    let twice = ReadyToTransfer { r2t_sn: Serial(1), ..twice };
    let end = end_after(&mut engine, &mut peer, FromTarget::ReadyToTransfer(twice), &[]);
    assert_eq!(end, Some(order("Buffer Offset", 4096, 8192).into()), "no octet is sent twice");
}

#[test]
fn a_target_that_lies_about_answers_is_left() {
    let response = |peer: &mut Peer, task_tag, response| {
        let (numbers, exp_data_sn, residual) = (peer.numbers(true), Serial(0), Residual::None);
        FromTarget::ScsiResponse(ScsiResponse { response, status: 2, task_tag, numbers, exp_data_sn, residual })
    };
    let (mut engine, mut peer, tag) = with_one(read(2));
    let pdu = response(&mut peer, tag, 0);
    let end = end_after(&mut engine, &mut peer, pdu, &[0, 18, 0x70]);
    assert_eq!(end, Some(Violation::SenseLength { said: 18, has: 1 }.into()));
    let (mut engine, mut peer, tag) = with_one(read(2));
    let pdu = response(&mut peer, tag, 1);
    assert_eq!(end_after(&mut engine, &mut peer, pdu, &[]), Some(Violation::TargetFailure(1).into()));
    let (mut engine, mut peer, tag) = with_one(read(2));
    peer.numbers(true);
    let pdu = response(&mut peer, tag, 0);
    let Some(Failure::Violation(Violation::StatSn { .. })) = end_after(&mut engine, &mut peer, pdu, &[]) else {
        panic!("a status is missing")
    };
    let (mut engine, mut peer, tag) = with_one(read(2));
    peer.exp_cmd_sn = Serial(77);
    let pdu = response(&mut peer, tag, 0);
    let end = end_after(&mut engine, &mut peer, pdu, &[]);
    assert_eq!(end, Some(Violation::ExpCmdSn { said: Serial(77), next: Serial(2) }.into()));
    let (mut engine, mut peer, _) = with_one(read(2));
    let numbers = peer.numbers(true);
    let reject = FromTarget::Reject(Reject { reason: 9, numbers, data_sn: Serial(0) });
    let failure = end_after(&mut engine, &mut peer, reject, &[0x41; 48]).unwrap();
    assert_eq!(failure.to_string(), "the target rejected the opcode 0x01: invalid PDU field");
    let (mut engine, mut peer, _) = with_one(read(2));
    let numbers = peer.numbers(true);
    let answer = FromTarget::NopIn(NopIn { lun: [0; 8], task_tag: 5, transfer_tag: NO_TAG, numbers });
    assert_eq!(end_after(&mut engine, &mut peer, answer, &[]), Some(Violation::Tag { pdu: "NOP-In", tag: 5 }.into()));
}

#[test]
fn sense_data_reaches_the_caller() {
    let (mut engine, mut peer, task_tag) = with_one(read(2));
    let sense = crate::scsi::Sense::illegal_request(SenseCode::LBA_OUT_OF_RANGE);
    let (numbers, exp_data_sn, residual) = (peer.numbers(true), Serial(0), Residual::Under(1024));
    let response = ScsiResponse { response: 0, status: 2, task_tag, numbers, exp_data_sn, residual };
    peer.send(FromTarget::ScsiResponse(response), &[&[0, 18], &sense.to_fixed()[..]].concat());
    give_to(&mut engine, &peer.take_octets(), 4096);
    let [Event::Completed { tag: Tag(1), response }] = &events(&mut engine)[..] else { panic!("it is completed") };
    assert_eq!((response.status, response.sense), (Status::CheckCondition, Some(sense)));
    assert_eq!(response.residual, crate::scsi::Residual::Underflow(1024));
}

#[test]
fn lengths_and_digests_that_lie_end_the_session() {
    let (mut engine, mut peer) = open(CRC);
    let numbers = peer.numbers(true);
    let nop = FromTarget::NopIn(NopIn { lun: [0; 8], task_tag: NO_TAG, transfer_tag: NO_TAG, numbers });
    peer.send(nop, b"ping");
    let octets = peer.take_octets();
    for (at, header) in [(20, true), (48, true), (53, false), (57, false)] {
        let (mut engine, _) = open(CRC);
        let mut wrong = octets.clone();
        wrong[at] ^= 4;
        give_to(&mut engine, &wrong, 4096);
        let Some(Event::Ended(Failure::Violation(Violation::Pdu(error)))) = events(&mut engine).pop() else {
            panic!("octet {at} is wrong")
        };
        assert_eq!(matches!(error, PduError::HeaderDigest { .. }), header, "{error}");
        assert_eq!(matches!(error, PduError::DataDigest { .. }), !header, "{error}");
    }
    give_to(&mut engine, &octets, 3);
    assert_eq!(events(&mut engine), []);
    let (mut engine, _) = open(PLAIN);
    give_to(&mut engine, &nop.header().with_data_length(262_145).0, 4096);
    let expected = PduError::DataSegmentLength { length: 262_145, limit: 262_144 };
    assert_eq!(events(&mut engine), [Event::Ended(expected.into())]);
}

#[test]
fn additional_headers_are_skipped() {
    let (mut engine, mut peer) = open(PLAIN);
    let numbers = peer.numbers(false);
    let nop = FromTarget::NopIn(NopIn { lun: [0; 8], task_tag: NO_TAG, transfer_tag: 8, numbers });
    let mut octets = nop.header().0.to_vec();
    octets[4] = 2;
    octets.extend([0xee; 8]);
    give_to(&mut engine, &octets, 5);
    peer.hear(&take_from(&mut engine));
    let Some(FromInitiator::NopOut(answer)) = peer.seen.last() else { panic!("a ping is answered") };
    assert_eq!((answer.task_tag, answer.transfer_tag, answer.immediate), (NO_TAG, 8, true));
}

#[test]
fn silence_is_asked_about_and_then_ends_the_session() {
    const SECOND: Nanos = 1_000_000_000;
    let (mut engine, mut peer) = open(PLAIN);
    assert_eq!(engine.next_deadline(), Some(5 * SECOND));
    engine.on_time(5 * SECOND);
    converse(&mut engine, &mut peer, 4096);
    assert!(matches!(peer.seen.last(), Some(FromInitiator::NopOut(_))));
    assert_eq!(engine.next_deadline(), Some(5 * SECOND), "the answer came (at the time 0 of this test)");
    peer.silent = true;
    engine.on_time(5 * SECOND);
    converse(&mut engine, &mut peer, 4096);
    engine.on_time(10 * SECOND - 1);
    assert!(!engine.has_ended());
    engine.on_time(10 * SECOND);
    let silent = Failure::Silent(Duration::from_secs(10));
    assert_eq!(events(&mut engine), [Event::Ended(silent)]);
    let mut engine = self::engine();
    engine.on_time(15 * SECOND);
    assert_eq!(events(&mut engine), [Event::Ended(Failure::Silent(Duration::from_secs(15)))]);
}

#[test]
fn a_lost_connection_ends_it_and_nothing_is_sent_again() {
    let (mut engine, _, _) = with_one(write(0, vec![1; 8192]));
    engine.closed();
    assert_eq!(events(&mut engine), [Event::Ended(Failure::Closed)]);
    assert!(!engine.wants_write());
    let refused = engine.submit(Tag(2), read(1)).unwrap_err();
    assert_eq!((refused.why, refused.command), (NotTaken::NotOpen, read(1)));
    assert_eq!(engine.manage(Tag(3), reset()), Err(NotTaken::NotOpen));
}

#[test]
fn it_logs_out() {
    let (mut engine, mut peer) = open(PLAIN);
    engine.log_out(0);
    converse(&mut engine, &mut peer, 4096);
    assert_eq!(events(&mut engine), [Event::Ended(Failure::LoggedOut)]);
}

#[test]
fn asynchronous_messages_are_obeyed() {
    let message = |peer: &mut Peer, event| {
        let numbers = peer.numbers(true);
        FromTarget::Async(AsyncMessage { lun: [0; 8], numbers, event, vendor_code: 0, parameters: [0; 3] })
    };
    let (mut engine, mut peer) = open(PLAIN);
    let sense = crate::scsi::Sense::new(crate::scsi::SenseKey::UnitAttention, SenseCode::REPORTED_LUNS_CHANGED);
    let pdu = message(&mut peer, 0);
    peer.send(pdu, &[&[0, 18], &sense.to_fixed()[..]].concat());
    let pdu = message(&mut peer, 255);
    peer.send(pdu, &[]);
    give_to(&mut engine, &peer.take_octets(), 4096);
    assert_eq!(events(&mut engine), [Event::LunsChanged]);
    let pdu = message(&mut peer, 1);
    peer.send(pdu, &[]);
    converse(&mut engine, &mut peer, 4096);
    assert!(matches!(peer.seen.last(), Some(FromInitiator::Logout(_))));
    let [Event::Ended(end)] = &events(&mut engine)[..] else { panic!("it was sent away") };
    assert!(matches!(SessionEnd::from(end.clone()), SessionEnd::Unavailable(_)));
}

#[test]
fn text_in_pieces_is_asked_for() {
    let (mut engine, mut peer) = open(PLAIN);
    engine.ask(b"SendTargets=All\0".to_vec());
    converse(&mut engine, &mut peer, 4096);
    assert_eq!(events(&mut engine), [Event::Text(b"TargetName=iqn.a\0".to_vec())]);
}

#[test]
fn what_cannot_be_carried_is_answered_here() {
    let (mut engine, _) = open(PLAIN);
    let both = Command { data_in_length: 512, ..write(0, vec![0; 512]) };
    let long = Command { data_in_length: LARGEST_TRANSFER + 1, ..read(1) };
    engine.submit(Tag(1), both).unwrap();
    engine.submit(Tag(2), long).unwrap();
    assert!(!engine.wants_write());
    let codes = events(&mut engine).into_iter().map(|it| match it {
        Event::Completed { response, .. } => response.sense_code(),
        _ => None,
    });
    let codes: Vec<_> = codes.collect();
    assert_eq!(codes, [Some(SenseCode::INVALID_OPCODE), Some(SenseCode::INVALID_FIELD_IN_CDB)]);
}
