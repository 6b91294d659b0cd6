use proptest::prelude::*;

use super::*;
use crate::san::iscsi::pdu::{NO_TAG, TargetNumbers};

const CHALLENGE: Challenge = Challenge { identifier: 9, octets: [7; 16] };

fn settings(chap: Option<Chap>) -> LoginSettings {
    LoginSettings {
        initiator: "naa.5001438000000001".into(),
        target: Some("iqn.2026-11.example:disks".into()),
        chap,
        offer: Offer::default(),
    }
}

fn one_way() -> Option<Chap> {
    Some(Chap { name: "me".into(), secret: Secret::new("my secret of 16o"), target: None })
}

fn mutual() -> Option<Chap> {
    let target = TargetProof { name: "it".into(), secret: Secret::new("its secret of 17") };
    one_way().map(|chap| Chap { target: Some(target), ..chap })
}

fn response(stage: Stage, transit: bool) -> LoginResponse {
    LoginResponse {
        transit,
        continues: false,
        stage,
        next_stage: if transit { next(stage) } else { Stage::Security },
        versions: [0, 0],
        isid: [0; 6],
        session: 1,
        task_tag: NO_TAG,
        numbers: TargetNumbers::default(),
        status: [0, 0],
    }
}

fn octets(text: &str) -> Vec<u8> {
    text.split_whitespace().flat_map(|pair| pair.bytes().chain([0])).collect()
}

/// An answer of the target, as one word and its text.
#[derive(Clone, Copy, Debug)]
struct Event {
    name: &'static str,
    stage: Stage,
    transit: bool,
    text: &'static str,
}

const fn event(name: &'static str, stage: Stage, transit: bool, text: &'static str) -> Event {
    Event { name, stage, transit, text }
}

const EVENTS: [Event; 10] = [
    event("none-stays", Stage::Security, false, "AuthMethod=None"),
    event("none-transit", Stage::Security, true, "AuthMethod=None"),
    event("chap-stays", Stage::Security, false, "AuthMethod=CHAP"),
    event("chap-transit", Stage::Security, true, "AuthMethod=CHAP"),
    event("challenge", Stage::Security, false, "CHAP_A=5 CHAP_I=1 CHAP_C=0x0102"),
    event("empty-stays", Stage::Security, false, ""),
    event("empty-transit", Stage::Security, true, ""),
    event("keys-stay", Stage::Operational, false, "MaxBurstLength=4096 FirstBurstLength=4096"),
    event("keys-transit", Stage::Operational, true, "MaxBurstLength=4096 FirstBurstLength=4096"),
    event("redirect", Stage::Security, false, "TargetAddress=10.0.0.2:3260,1"),
];

fn give(login: &mut Login, event: Event) -> Result<Step, LoginError> {
    let mut response = response(event.stage, event.transit);
    if event.name == "redirect" {
        response.status = [1, 1];
    }
    login.on_response(&response, &octets(event.text))
}

fn named(name: &str) -> Event {
    EVENTS.into_iter().find(|it| it.name == name).unwrap()
}

/// A login with one-way CHAP, brought to a state.
fn at(state: State) -> Login {
    let way: &[&str] = match state {
        State::Method => &[],
        State::Challenge => &["chap-stays"],
        State::Proof => &["chap-stays", "challenge"],
        State::Operational => &["chap-stays", "challenge", "empty-transit"],
        State::Done => &["chap-stays", "challenge", "empty-transit", "keys-transit"],
    };
    let (mut login, _) = Login::start(settings(one_way()), CHALLENGE);
    for name in way {
        give(&mut login, named(name)).unwrap();
    }
    assert_eq!(login.state, state);
    login
}

/// Every state with every event: the state after it, or that it ends the login with an error.
#[test]
fn the_table_is_complete() {
    let expected = [
        (
            State::Method,
            ["Method", "Operational", "Challenge", "error", "error", "error", "Operational", "error", "error", "moved"],
        ),
        (State::Challenge, ["error", "error", "error", "error", "Proof", "error", "error", "error", "error", "moved"]),
        (
            State::Proof,
            [
                "Proof",
                "Operational",
                "Proof",
                "Operational",
                "Proof",
                "Proof",
                "Operational",
                "error",
                "error",
                "moved",
            ],
        ),
        (
            State::Operational,
            ["error", "error", "error", "error", "error", "error", "error", "Operational", "Done", "moved"],
        ),
        (State::Done, ["error"; 10]),
    ];
    for (state, row) in expected {
        for (event, expected) in EVENTS.into_iter().zip(row) {
            let mut login = at(state);
            let got = match give(&mut login, event) {
                Ok(Step::Redirected(_)) => "moved".into(),
                Ok(_) => format!("{:?}", login.state),
                Err(_) => "error".into(),
            };
            assert_eq!(got, expected, "{state:?} with {}", event.name);
            if matches!(expected, "moved" | "error" | "Done") {
                assert_eq!(give(&mut login, named("none-stays")), Err(LoginError::Over));
            }
        }
    }
}

#[test]
fn the_first_request_says_who_logs_in_where() {
    let (_, request) = Login::start(settings(one_way()), CHALLENGE);
    let text = "InitiatorName=naa.5001438000000001 SessionType=Normal TargetName=iqn.2026-11.example:disks \
                AuthMethod=CHAP,None";
    assert_eq!(request, Request { stage: Stage::Security, transit: true, text: octets(text) });
    let (_, request) = Login::start(LoginSettings { target: None, ..settings(None) }, CHALLENGE);
    let text = "InitiatorName=naa.5001438000000001 SessionType=Discovery AuthMethod=None";
    assert_eq!(request.text, octets(text));
    let (_, request) = Login::start(settings(mutual()), CHALLENGE);
    assert!(!request.transit && request.text.ends_with(b"AuthMethod=CHAP\0"));
}

/// The response was counted with md5sum: `printf '\001my secret of 16o\001\002' | md5sum`.
#[test]
fn chap_proves_the_secret() {
    let mut login = at(State::Challenge);
    let Ok(Step::Send(request)) = give(&mut login, named("challenge")) else { panic!("it goes on") };
    assert!(request.transit);
    assert_eq!(request.text, octets("CHAP_N=me CHAP_R=0x800ecc755f35a4e44ed7c37a42c397cd"));
}

#[test]
fn a_target_must_prove_itself_when_it_is_asked_to() {
    let proof = chap::to_hex(&Secret::new("its secret of 17").response(9, &[7; 16]));
    let wrong = chap::to_hex(&Secret::new("another").response(9, &[7; 16]));
    let cases = [
        (format!("CHAP_N=it CHAP_R={proof}"), None),
        (format!("CHAP_N=it CHAP_R={wrong}"), Some(LoginError::TargetSecret)),
        (format!("CHAP_N=other CHAP_R={proof}"), Some(LoginError::TargetName("other".into()))),
        (String::new(), Some(LoginError::Missing("CHAP_N"))),
        ("CHAP_N=it".into(), Some(LoginError::Missing("CHAP_R"))),
    ];
    for (text, expected) in cases {
        let (mut login, _) = Login::start(settings(mutual()), CHALLENGE);
        give(&mut login, named("chap-stays")).unwrap();
        let Ok(Step::Send(request)) = give(&mut login, named("challenge")) else { panic!("it goes on") };
        let challenge = format!("CHAP_C={}\0", chap::to_hex(&CHALLENGE.octets));
        assert!(request.text.ends_with(format!("CHAP_I=9\0{challenge}").as_bytes()));
        let step = login.on_response(&response(Stage::Security, true), &octets(&text));
        assert_eq!(step.err(), expected, "{text}");
    }
    let (mut login, _) = Login::start(settings(mutual()), CHALLENGE);
    assert_eq!(give(&mut login, named("none-stays")), Err(LoginError::NoMethod));
    let (mut login, _) = Login::start(settings(mutual()), CHALLENGE);
    give(&mut login, named("chap-stays")).unwrap();
    let echo = format!("CHAP_A=5 CHAP_I=9 CHAP_C={}", chap::to_hex(&CHALLENGE.octets));
    let step = login.on_response(&response(Stage::Security, false), &octets(&echo));
    assert_eq!(step, Err(LoginError::Reflected));
}

#[test]
fn refusals_say_why() {
    for (status, refusal) in [
        ([2, 1], LoginRefusal::Authentication),
        ([2, 2], LoginRefusal::NotAuthorized),
        ([2, 3], LoginRefusal::NoSuchTarget),
        ([3, 1], LoginRefusal::Busy),
    ] {
        let mut login = at(State::Method);
        let refused = LoginResponse { status, ..response(Stage::Security, false) };
        let Err(LoginError::Refused(said)) = login.on_response(&refused, &[]) else { panic!("it is refused") };
        assert_eq!(said.refusal(), refusal);
    }
}

#[test]
fn a_text_in_pieces_is_one_text() {
    let mut login = at(State::Operational);
    let goes_on = LoginResponse { continues: true, ..response(Stage::Operational, false) };
    let step = login.on_response(&goes_on, b"MaxBurst").unwrap();
    assert_eq!(step, Step::Send(Request { stage: Stage::Operational, transit: false, text: Vec::new() }));
    let step = login.on_response(&response(Stage::Operational, false), b"Length=131072\0X-odd=1\0").unwrap();
    let answer = Request { stage: Stage::Operational, transit: true, text: b"X-odd=NotUnderstood\0".to_vec() };
    assert_eq!(step, Step::Send(answer));
    assert_eq!(login.negotiation.finish().unwrap().max_burst, 131_072);
}

#[test]
fn what_a_target_must_not_do_ends_the_login() {
    let good = response(Stage::Operational, true);
    let cases = [
        (LoginResponse { session: 0, ..good }, LoginError::NoSession),
        (LoginResponse { versions: [1, 1], ..good }, LoginError::Version(1)),
        (LoginResponse { continues: true, ..good }, LoginError::Transit),
        (
            LoginResponse { next_stage: Stage::Operational, ..good },
            LoginError::Stage { said: Stage::Operational, expected: Stage::FullFeature },
        ),
    ];
    for (wrong, expected) in cases {
        assert_eq!(at(State::Operational).on_response(&wrong, &[]), Err(expected));
    }
    let mut login = at(State::Operational);
    let stays = response(Stage::Operational, false);
    assert_eq!((0..40).find_map(|_| login.on_response(&stays, &[]).err()), Some(LoginError::TooLong));
    let mut login = at(State::Operational);
    let goes_on = LoginResponse { continues: true, ..stays };
    let error = (0..20).find_map(|_| login.on_response(&goes_on, &[b'x'; 8192]).err());
    assert_eq!(error, Some(LoginError::TooMuchText));
}

proptest! {
    /// Whatever comes: no panic, and an end within the limit.
    #[test]
    fn any_answers_come_to_an_end(
        mutually in any::<bool>(),
        answers in proptest::collection::vec((0usize..10, any::<bool>(), "[A-Z]{0,3}=[a-z0-9]{0,4}"), 40),
    ) {
        let (mut login, _) = Login::start(settings(if mutually { mutual() } else { one_way() }), CHALLENGE);
        let mut ended = false;
        for (at, strange, text) in answers {
            let event = EVENTS[at];
            let text = if strange { octets(&text) } else { octets(event.text) };
            match login.on_response(&response(event.stage, event.transit), &text) {
                Ok(Step::Send(_)) => prop_assert!(!ended),
                _ => ended = true,
            }
        }
        prop_assert!(ended);
    }
}
