//! Golden octets of each kind, round trips, and octets of any kind.

use proptest::prelude::*;

use super::*;
use crate::domain::Name;
use crate::rail::{ClusterTag, Incarnation};

const CREDITS: Credits = Credits { commands: 128, octets: 64 << 20 };

fn head(body: Body) -> Head {
    Head { adapter: AdapterId(5), epoch: Epoch(9), body }
}

fn command() -> Command {
    let mut cdb = [0; MAX_CDB];
    cdb[..6].copy_from_slice(&[0x0a, 0, 0, 8, 1, 0]);
    let (number, lun) = (CommandNumber(7), [0, 3, 0, 0, 0, 0, 0, 0]);
    Command { number, lun, cdb, cdb_length: 6, attribute: Attribute::Ordered, data_in_length: 16, data_out_length: 512 }
}

fn answer() -> Answer {
    let sense = vec![0x72, 0x06, 0x29, 0x07, 0, 0, 0, 0];
    Answer { number: CommandNumber(7), status: 2, residual: Residual::Underflow(12), sense, data_in_length: 4 }
}

fn attach() -> Attach {
    Attach {
        cluster: ClusterTag::of("lab"),
        server: Name::new("s1").expect("a name"),
        incarnation: Incarnation::from_random(0x0102_0304_0506_0708),
        attempt: 3,
        first: CommandNumber(6),
        first_function: 2,
    }
}

/// One of each kind, as the golden file names them.
fn samples() -> Vec<Body> {
    vec![
        Body::Attach(attach()),
        Body::Attached(Attached { attempt: 3, instance: 0x0a0b_0c0d, credits: CREDITS }),
        Body::Refused(Refused { cause: RefusalCause::Fencing, known: Epoch(10) }),
        Body::Command(command()),
        Body::Answer(answer()),
        Body::Credit(CREDITS),
        Body::TaskManagement(TaskManagement {
            number: 2,
            lun: [1; 8],
            function: Function::AbortTask(CommandNumber(7)),
        }),
        Body::TaskAnswer(TaskAnswer { number: 2, result: FunctionResult::NoSuchTask }),
        Body::Notice(Notice::ArraySlow(1500)),
        Body::Acknowledge(Acknowledge { commands: CommandNumber(7), functions: 2 }),
    ]
}

fn parse(octets: &[u8]) -> Result<Head, CommandError> {
    let prefix = Prefix::parse(octets)?;
    Head::parse(&prefix, &octets[PREFIX_LENGTH..])
}

#[test]
fn golden_heads() {
    let line = |body: Body| {
        let octets = head(body.clone()).encode();
        assert_eq!(parse(&octets), Ok(head(body.clone())));
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("{:?}: {hex}\n", body.kind())
    };
    let all: String = samples().into_iter().map(line).collect();
    insta::assert_snapshot!(all);
}

#[test]
fn each_lie_names_its_field() {
    let damaged = |body: Body, at: usize, octets: &[u8]| {
        let mut message = head(body).encode();
        message[at..at + octets.len()].copy_from_slice(octets);
        parse(&message).expect_err("a lie")
    };
    let unknown = |field, value| CommandError::Unknown { field, value };
    let (command, answer) = (Body::Command(command()), Body::Answer(answer()));
    let body = PREFIX_LENGTH;
    assert_eq!(damaged(command.clone(), 0, &[0]), CommandError::Magic(0x0043));
    assert_eq!(damaged(command.clone(), 2, &[9]), CommandError::Version(9));
    assert_eq!(damaged(command.clone(), 3, &[11]), CommandError::Kind(11));
    let lying = CommandError::LyingLength { field: "the body's length", says: 41, has: 40 };
    assert_eq!(damaged(command.clone(), 4, &[0, 41]), lying);
    let long = CommandError::TooLarge { field: "the body's length", says: 0xffff, most: MAX_BODY as u64 };
    assert_eq!(damaged(command.clone(), 4, &[0xff, 0xff]), long);
    let data = CommandError::TooLarge { field: "the data's length", says: 0xff00_0200, most: MAX_DATA.into() };
    assert_eq!(damaged(command.clone(), 8, &[0xff]), data);
    assert_eq!(damaged(command.clone(), body, &[0; 8]), unknown("the command's number", 0));
    assert_eq!(damaged(command.clone(), body + 32, &[4]), unknown("the task attribute", 4));
    assert_eq!(damaged(command.clone(), body + 33, &[7]), unknown("the CDB's length", 7));
    let field = "the expected data-in length";
    let expected = CommandError::TooLarge { field, says: 0x0100_0010, most: MAX_DATA.into() };
    assert_eq!(damaged(command, body + 36, &[1]), expected);
    assert_eq!(damaged(answer.clone(), body + 12, &[3]), unknown("the residual's kind", 3));
    assert_eq!(damaged(answer.clone(), body + 12, &[0]), unknown("an exact residual", 12));
    let cut = CommandError::CutShort { field: "the sense", needs: 9, has: 8 };
    assert_eq!(damaged(answer.clone(), body + 14, &[9]), cut);
    let rest = CommandError::LyingLength { field: "the body's length", says: 24, has: 23 };
    assert_eq!(damaged(answer, body + 14, &[7]), rest);
}

#[test]
fn fields_without_a_meaning_are_refused() {
    let damaged = |index: usize, at: usize, octets: &[u8]| {
        let mut message = head(samples().swap_remove(index)).encode();
        message[PREFIX_LENGTH + at..PREFIX_LENGTH + at + octets.len()].copy_from_slice(octets);
        parse(&message).expect_err("no meaning")
    };
    let unknown = |field, value| CommandError::Unknown { field, value };
    assert_eq!(damaged(0, 8, &[0; 8]), unknown("the agent's incarnation", 0));
    assert_eq!(damaged(0, 40, b"S"), CommandError::NoName { field: "the server's name" });
    let cut = CommandError::CutShort { field: "the server's name", needs: 3, has: 2 };
    assert_eq!(damaged(0, 7, &[3]), cut);
    let few = CommandError::TooSmall { field: "the credit in commands", says: 0, least: 1 };
    assert_eq!(damaged(1, 16, &[0; 4]), few);
    let least = Credits::LEAST.octets;
    assert_eq!(damaged(5, 8, &[0; 8]), CommandError::TooSmall { field: "the credit in octets", says: 0, least });
    assert_eq!(damaged(2, 0, &[8]), unknown("the cause of a refusal", 8));
    assert_eq!(damaged(6, 16, &[6]), unknown("the function", 6));
    assert_eq!(damaged(6, 16, &[5]), unknown("the command to abort", 7));
    assert_eq!(damaged(7, 8, &[6]), unknown("the function's result", 6));
    assert_eq!(damaged(8, 0, &[4]), unknown("the notice", 4));
    assert_eq!(damaged(8, 0, &[1]), unknown("the notice's number", 1500));
}

#[test]
fn only_commands_and_answers_have_data() {
    let mut message = head(Body::Credit(CREDITS)).encode();
    message[11] = 1;
    assert_eq!(parse(&message), Err(CommandError::LyingLength { field: "the data's length", says: 1, has: 0 }));
    for body in samples() {
        let carries = matches!(body, Body::Command(_) | Body::Answer(_));
        assert_eq!(head(body).data_length() > 0, carries);
    }
}

#[test]
fn every_cut_is_noticed() {
    for body in samples() {
        let octets = head(body).encode();
        for length in 0..octets.len() {
            assert!(parse(&octets[..length]).is_err(), "{length} of {} octets", octets.len());
        }
    }
}

proptest! {
    #[test]
    fn any_octets_are_parsed_or_refused(mut octets in prop::collection::vec(any::<u8>(), 0..400), kind in 0u8..12, plain: bool) {
        if plain && octets.len() >= PREFIX_LENGTH {
            let length = (octets.len() - PREFIX_LENGTH) as u16;
            octets[..4].copy_from_slice(&[0x54, 0x43, VERSION, kind]);
            octets[4..6].copy_from_slice(&length.to_be_bytes());
            octets[6..12].fill(0);
        }
        if let Ok(head) = parse(&octets) {
            prop_assert_eq!(parse(&head.encode()), Ok(head));
        }
    }

    #[test]
    fn good_messages_with_damage_are_parsed_or_refused(which in 0usize..10, at in 0usize..100, octet: u8) {
        let mut octets = head(samples().swap_remove(which)).encode();
        let length = octets.len();
        octets[at % length] = octet;
        if let Ok(head) = parse(&octets) {
            prop_assert_eq!(parse(&head.encode()), Ok(head));
        }
    }

    #[test]
    fn commands_and_answers_come_back(
        numbers: (u32, u64), number in 1u64.., lun: [u8; 8], cdb: [u8; 16],
        lengths in (0..=MAX_DATA, 0..=MAX_DATA), status: u8, octets: u32, sense in prop::collection::vec(any::<u8>(), 0..=MAX_SENSE),
    ) {
        let number = CommandNumber(number);
        let (data_in_length, data_out_length) = lengths;
        let attribute = Attribute::HeadOfQueue;
        let command = Command { number, lun, cdb, cdb_length: 12, attribute, data_in_length, data_out_length };
        let answer = Answer { number, status, residual: Residual::Overflow(octets), sense, data_in_length };
        for body in [Body::Command(command), Body::Answer(answer)] {
            let head = Head { adapter: AdapterId(numbers.0), epoch: Epoch(numbers.1), body };
            prop_assert_eq!(parse(&head.encode()), Ok(head));
        }
    }
}
