mod ways;

use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::Wwn;

use super::*;

const EPOCH: u64 = 5;
/// Every state below is reached at this time, in ms.
const REACHED: u64 = 1000;

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn lun(number: u8) -> Lun {
    Lun([0, number, 0, 0, 0, 0, 0, 0])
}

fn luns(numbers: &[u8]) -> BTreeSet<Lun> {
    numbers.iter().map(|&it| lun(it)).collect()
}

/// LUN 1 has a registration.
fn assignment(epoch: u64, fenced_by: FencedBy) -> Assignment {
    let identity = Identity { wwpn: Wwn::new(0x5001_4380_0000_0001).unwrap(), session: [2, 0, 0, 0, 0, 1] };
    let registrations = BTreeMap::from([(lun(1), Registration { key: 7, held: Some(5) })]);
    Assignment { epoch: Epoch(epoch), identity, fenced_by, registrations }
}

fn assigned(epoch: u64) -> Event {
    Event::Assigned(assignment(epoch, FencedBy::LunReset))
}

fn short(effects: &[Effect]) -> String {
    effects.iter().map(short_effect).collect::<Vec<String>>().join(", ")
}

fn short_effect(effect: &Effect) -> String {
    match effect {
        Effect::LogIn { login, .. } => format!("log in {}", login.0),
        Effect::Confirm { number } => format!("confirm {number}"),
        Effect::ReportLuns => "report LUNs".into(),
        Effect::TestUnitReady(lun) => format!("test {}", lun.0[1]),
        Effect::ResetLun(lun) => format!("reset {}", lun.0[1]),
        Effect::Register { lun, registration } => format!("register {} key {}", lun.0[1], registration.key),
        Effect::GiveBack(lun) => format!("give back {}", lun.0[1]),
        Effect::Replay(luns) => format!("replay {}", numbers(luns)),
        Effect::Admit(luns) => format!("admit {}", numbers(luns)),
        Effect::Withdraw(luns) => format!("withdraw {}", numbers(luns)),
        Effect::Hold => "hold".into(),
        Effect::Stop => "stop".into(),
        Effect::LogOut => "log out".into(),
        Effect::Released(epoch) => format!("released {epoch}"),
        Effect::Report(report) => {
            format!("({report:?})").replace("Lun([0, ", "Lun([").replace(", 0, 0, 0, 0, 0, 0", "")
        }
    }
}

fn numbers(luns: &BTreeSet<Lun>) -> String {
    luns.iter().map(|it| it.0[1].to_string()).collect::<Vec<String>>().join("+")
}

fn state(takeover: &Takeover) -> String {
    match &takeover.state {
        State::Open(fence) => format!("{:?}", fence.phase()),
        State::Away { confirmed, .. } => format!("Away {{ confirmed: {confirmed} }}"),
        State::LoggingOut { then, .. } => format!("LoggingOut {{ {then:?} }}"),
        State::Finishing { .. } => "Finishing".into(),
        other => format!("{other:?}"),
    }
}

/// What is heard in the newest session.
fn hear(takeover: &mut Takeover, heard: Heard, now: u64) -> String {
    let login = takeover.login;
    short(&takeover.on_event(Event::Session { login, heard }, at(now)))
}

fn confirm(takeover: &mut Takeover, now: u64) -> String {
    let number = takeover.confirmation;
    short(&takeover.on_event(Event::Confirmed { number }, at(now)))
}

/// One step of the way from nothing to admitted, at the time of all states.
type Step = fn(&mut Takeover);

fn heard(takeover: &mut Takeover, heard: Heard) {
    hear(takeover, heard, REACHED);
}

fn told(takeover: &mut Takeover, event: Event) {
    takeover.on_event(event, at(REACHED));
}

fn complete(number: u8) -> Heard {
    Heard::Reset { lun: lun(number), answer: ResetAnswer::Complete }
}

fn ready(takeover: &mut Takeover, numbers: &[u8]) {
    numbers.iter().for_each(|&it| heard(takeover, Heard::Ready(lun(it))));
}

/// The way of a takeover whose LUNs are 1 and 2, with the name of what each step reaches.
const WAY: [(&str, Step); 12] = [
    ("Idle", |_| {}),
    ("LoggingIn", |it| {
        told(it, Event::LeaseLive);
        told(it, assigned(EPOCH));
    }),
    ("UnitAttentions, nothing listed", |it| heard(it, Heard::LoggedIn)),
    ("UnitAttentions, 1 ready, 2 tested", |it| {
        heard(it, Heard::LunsReported(luns(&[1, 2])));
        ready(it, &[1]);
    }),
    ("Reset, 1 done, 2 in reset", |it| {
        ready(it, &[2]);
        heard(it, complete(1));
        ready(it, &[1]);
    }),
    ("Reset, 2 tested", |it| heard(it, complete(2))),
    ("Reservations, 1 in registration", |it| ready(it, &[2])),
    ("Confirmation", |it| heard(it, Heard::Registered(lun(1)))),
    ("Replay", |it| {
        confirm(it, REACHED);
    }),
    ("Admitted", |it| heard(it, Heard::Replayed)),
    ("UnitAttentions of 3, 1 and 2 admitted", |it| heard(it, Heard::LunsReported(luns(&[1, 2, 3])))),
    ("Finishing", |it| told(it, Event::LetGo(Epoch(EPOCH)))),
];

fn on_the_way(name: &str) -> Takeover {
    let mut takeover = Takeover::default();
    let end = WAY.iter().position(|it| it.0 == name).unwrap_or_else(|| panic!("{name} is not on the way"));
    WAY[..=end].iter().for_each(|(_, step)| step(&mut takeover));
    takeover
}

/// States beside the way, by where they leave it.
const BESIDE: [(&str, &str, Step); 9] = [
    ("Idle, released", "UnitAttentions, nothing listed", |it| {
        told(it, Event::LetGo(Epoch(EPOCH)));
        heard(it, Heard::LoggedOut);
    }),
    ("Idle, stopped by epoch 6", "Admitted", |it| told(it, Event::NewerEpoch(Epoch(6)))),
    ("Lapsed", "Admitted", |it| told(it, Event::LeaseLapsed)),
    ("Away, not confirmed", "UnitAttentions, nothing listed", |it| heard(it, Heard::Lost)),
    ("Away, confirmed", "UnitAttentions, nothing listed", |it| {
        heard(it, Heard::Lost);
        confirm(it, REACHED);
    }),
    ("Reset, 2 rejected", "Reset, 1 done, 2 in reset", |it| {
        heard(it, Heard::Reset { lun: lun(2), answer: ResetAnswer::Rejected });
    }),
    ("Reservations, confirmed", "Reservations, 1 in registration", |it| {
        confirm(it, REACHED);
    }),
    ("LoggingOut for a release", "Finishing", |it| heard(it, Heard::Drained)),
    ("LoggingOut for epoch 6", "Admitted", |it| told(it, assigned(6))),
];

fn states() -> Vec<(&'static str, Takeover)> {
    let beside = BESIDE.iter().map(|&(name, from, step)| {
        let mut takeover = on_the_way(from);
        step(&mut takeover);
        (name, takeover)
    });
    WAY.iter().map(|&(name, _)| (name, on_the_way(name))).chain(beside).collect()
}

/// An event, made for the machine that meets it.
type Make = fn(&Takeover) -> Event;

fn session(takeover: &Takeover, heard: Heard) -> Event {
    Event::Session { login: takeover.login, heard }
}

fn former(takeover: &Takeover, heard: Heard) -> Event {
    Event::Session { login: LoginNumber(takeover.login.0.wrapping_sub(1)), heard }
}

const EVENTS: [(&str, Make, u64); 34] = [
    ("assigned, older", |_| assigned(EPOCH - 1), 1001),
    ("assigned again", |_| assigned(EPOCH), 1001),
    ("assigned, newer", |_| assigned(EPOCH + 1), 1001),
    ("lease live", |_| Event::LeaseLive, 1001),
    ("lease lapsed", |_| Event::LeaseLapsed, 1001),
    ("confirmed", |it| Event::Confirmed { number: it.confirmation }, 1001),
    ("confirmed, an earlier question", |it| Event::Confirmed { number: it.confirmation.wrapping_sub(1) }, 1001),
    ("its epoch named", |_| Event::NewerEpoch(Epoch(EPOCH)), 1001),
    ("newer epoch", |_| Event::NewerEpoch(Epoch(EPOCH + 2)), 1001),
    ("let go", |_| Event::LetGo(Epoch(EPOCH)), 1001),
    ("let go, older", |_| Event::LetGo(Epoch(EPOCH - 1)), 1001),
    ("registration gone", |_| Event::RegistrationChanged { lun: lun(1), registration: None }, 1001),
    ("logged in", |it| session(it, Heard::LoggedIn), 1001),
    ("login denied", |it| session(it, Heard::LoginRefused { cause: LoginRefusal::Denied, retry_after: None }), 1001),
    ("login refused for 2 s", |it| session(it, refused_for(2)), 1001),
    ("login timed out", |it| session(it, Heard::LoginTimedOut), 1001),
    ("logged out", |it| session(it, Heard::LoggedOut), 1001),
    ("lost", |it| session(it, Heard::Lost), 1001),
    ("LUNs 1 and 2", |it| session(it, Heard::LunsReported(luns(&[1, 2]))), 1001),
    ("LUNs 2 and 4", |it| session(it, Heard::LunsReported(luns(&[2, 4]))), 1001),
    ("LUNs changed", |it| session(it, Heard::LunsChanged), 1001),
    ("attention 1", |it| session(it, Heard::UnitAttention(lun(1))), 1001),
    ("attention 2", |it| session(it, Heard::UnitAttention(lun(2))), 1001),
    ("ready 2", |it| session(it, Heard::Ready(lun(2))), 1001),
    ("reset 2 complete", |it| session(it, complete(2)), 1001),
    ("reset 2 rejected", |it| session(it, Heard::Reset { lun: lun(2), answer: ResetAnswer::Rejected }), 1001),
    ("reset 2: no such LUN", |it| session(it, Heard::Reset { lun: lun(2), answer: ResetAnswer::NoSuchLun }), 1001),
    ("reset 2 unanswered", |it| session(it, Heard::ResetUnanswered(lun(2))), 1001),
    ("registered 1", |it| session(it, Heard::Registered(lun(1))), 1001),
    ("registration of 1 refused", |it| session(it, Heard::RegistrationRefused(lun(1))), 1001),
    ("replayed", |it| session(it, Heard::Replayed), 1001),
    ("drained", |it| session(it, Heard::Drained), 1001),
    ("0.5 s pass", |_| Event::Tick, REACHED + 500),
    ("10 s pass", |_| Event::Tick, REACHED + 10_000),
];

fn refused_for(seconds: u64) -> Heard {
    Heard::LoginRefused { cause: LoginRefusal::Unavailable, retry_after: Some(Duration::from_secs(seconds)) }
}

#[test]
fn every_state_meets_every_event() {
    let mut table = String::new();
    for (position, (name, _)) in states().iter().enumerate() {
        table.push_str(&format!("{name}\n"));
        let mut nothing = Vec::new();
        for (event, make, now) in EVENTS {
            let (_, mut takeover) = states().swap_remove(position);
            let before = state(&takeover);
            let effects = takeover.on_event(make(&takeover), at(now));
            let after = state(&takeover);
            if effects.is_empty() && before == after {
                nothing.push(event);
            } else {
                let next = if before == after { String::new() } else { format!("  => {after}") };
                table.push_str(&format!("    {event}: {}{next}\n", short(&effects)));
            }
        }
        table.push_str(&format!("    nothing: {}\n\n", nothing.join("; ")));
    }
    insta::assert_snapshot!(table);
}

/// Beside the table, in words of its own: what no state and no event may do.
#[test]
fn commands_go_out_only_at_the_end_of_the_way() {
    for (position, (name, _)) in states().iter().enumerate() {
        for (event, make, now) in EVENTS {
            let (_, mut takeover) = states().swap_remove(position);
            let effects = takeover.on_event(make(&takeover), at(now));
            for effect in &effects {
                let expected = match effect {
                    Effect::Replay(_) => {
                        (*name, event) == ("Confirmation", "confirmed")
                            || *name == "Reservations, confirmed" && event.starts_with("regist")
                            || *name == "Reservations, confirmed" && event == "LUNs 2 and 4"
                    }
                    Effect::Admit(_) => (*name, event) == ("Replay", "replayed"),
                    _ => true,
                };
                assert!(expected, "{name} meets {event}: {effects:?}");
            }
        }
    }
}

#[test]
fn who_has_to_stop_does_and_hears_nothing_more() {
    for (position, (name, _)) in states().iter().enumerate() {
        for stop in [Event::LeaseLapsed, Event::NewerEpoch(Epoch(9))] {
            let (_, mut takeover) = states().swap_remove(position);
            let had_connection = takeover.has_connection();
            let effects = takeover.on_event(stop, at(1001));
            assert_eq!(effects.first() == Some(&Effect::Stop), had_connection, "{name}");
            let harmless = |it: &Effect| matches!(it, Effect::Stop | Effect::Released(_));
            assert!(effects.iter().all(harmless), "{name}: {effects:?}");
            for (event, make, now) in EVENTS.iter().filter(|it| !it.0.starts_with("assigned") && it.0 != "lease live") {
                let effects = takeover.on_event(make(&takeover), at(*now));
                let harmless = |it: &Effect| matches!(it, Effect::Released(_) | Effect::Report(_));
                assert!(effects.iter().all(harmless), "{name}, stopped, meets {event}: {effects:?}");
            }
        }
    }
}

#[test]
fn what_is_heard_of_a_former_session_changes_nothing() {
    for (position, (name, _)) in states().iter().enumerate() {
        for (event, make, now) in EVENTS {
            let (_, mut takeover) = states().swap_remove(position);
            let Event::Session { heard, .. } = make(&takeover) else { continue };
            let before = format!("{takeover:?}");
            let event_of_former = former(&takeover, heard);
            assert_eq!(takeover.on_event(event_of_former, at(now)), [], "{name} meets {event}");
            assert_eq!(format!("{takeover:?}"), before, "{name} meets {event}");
        }
    }
}
