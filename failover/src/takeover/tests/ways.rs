//! Whole takeovers, step by step.

use super::*;

/// Assigned at 1000 ms and logged in at 1010 ms; LUN 1, which has a registration, is shown.
fn logged_in(fenced_by: FencedBy) -> Takeover {
    let mut takeover = Takeover::default();
    assert_eq!(takeover.on_event(Event::LeaseLive, at(900)), []);
    let effects = takeover.on_event(Event::Assigned(assignment(EPOCH, fenced_by)), at(1000));
    assert_eq!(short(&effects), "log in 1");
    assert_eq!(hear(&mut takeover, Heard::LoggedIn, 1010), "confirm 1, report LUNs");
    assert_eq!(hear(&mut takeover, Heard::LunsReported(luns(&[1])), 1011), "test 1");
    takeover
}

fn reset_answer(answer: ResetAnswer) -> Heard {
    Heard::Reset { lun: lun(1), answer }
}

/// From the first unit attention to new commands.
fn fence(takeover: &mut Takeover) {
    assert_eq!(hear(takeover, Heard::UnitAttention(lun(1)), 1012), "test 1");
    assert_eq!(hear(takeover, Heard::Ready(lun(1)), 1013), "reset 1");
    assert_eq!(hear(takeover, reset_answer(ResetAnswer::Complete), 1200), "test 1");
    assert_eq!(hear(takeover, Heard::Ready(lun(1)), 1201), "register 1 key 7");
    assert_eq!(hear(takeover, Heard::Registered(lun(1)), 1203), "");
    assert_eq!(confirm(takeover, 1204), "replay 1");
    assert_eq!(hear(takeover, Heard::Replayed, 1214), "admit 1");
}

fn spans(takeover: &Takeover) -> Vec<(Phase, u64)> {
    let millis = |it: Phase| takeover.times().span(it).map(|span| span.duration(at(2000)).as_millis() as u64);
    Phase::ALL.into_iter().filter_map(|it| Some((it, millis(it)?))).collect()
}

#[test]
fn the_receipt_shows_how_long_each_phase_took() {
    let mut takeover = logged_in(FencedBy::LunReset);
    fence(&mut takeover);
    let expected = [
        (Phase::Login, 10),
        (Phase::UnitAttentions, 3),
        (Phase::Reset, 188),
        (Phase::Reservations, 2),
        (Phase::Confirmation, 1),
        (Phase::Replay, 10),
        (Phase::Admitted, 786),
    ];
    assert_eq!(spans(&takeover), expected);
    assert_eq!((takeover.times().began(), takeover.times().restarts()), (at(1000), 0));
    let reset = takeover.times().span(Phase::Reset);
    assert_eq!(reset, Some(Span { start: at(1013), end: Some(at(1201)) }));
    assert_eq!(takeover.next_deadline(), None, "what is admitted waits for nothing");
}

#[test]
fn a_san_that_fences_by_its_login_is_not_reset() {
    let mut takeover = logged_in(FencedBy::Login);
    assert_eq!(hear(&mut takeover, Heard::Ready(lun(1)), 1012), "register 1 key 7");
    assert_eq!(confirm(&mut takeover, 1013), "");
    assert_eq!(hear(&mut takeover, Heard::Registered(lun(1)), 1014), "replay 1");
    assert_eq!(spans(&takeover)[2], (Phase::Reset, 0));
    assert_eq!(hear(&mut takeover, Heard::Replayed, 1015), "admit 1");
    assert_eq!(hear(&mut takeover, Heard::LunsReported(luns(&[])), 1016), "withdraw 1");
    assert_eq!(hear(&mut takeover, Heard::LunsReported(luns(&[1])), 1017), "test 1");
    let again = hear(&mut takeover, Heard::Ready(lun(1)), 1018);
    assert_eq!(again, "reset 1", "what this session sent before it was hidden may still be there");
}

#[test]
fn luns_that_appear_later_are_fenced_before_they_are_used() {
    let mut takeover = logged_in(FencedBy::LunReset);
    assert_eq!(hear(&mut takeover, Heard::LunsChanged, 1012), "report LUNs");
    assert_eq!(hear(&mut takeover, Heard::LunsReported(luns(&[1, 2])), 1012), "", "after the first batch");
    assert_eq!(hear(&mut takeover, Heard::Ready(lun(2)), 1012), "");
    assert_eq!(hear(&mut takeover, Heard::Ready(lun(1)), 1013), "reset 1");
    hear(&mut takeover, complete(1), 1014);
    hear(&mut takeover, Heard::Ready(lun(1)), 1015);
    confirm(&mut takeover, 1016);
    assert_eq!(hear(&mut takeover, Heard::Registered(lun(1)), 1017), "replay 1");
    assert_eq!(hear(&mut takeover, Heard::Replayed, 1018), "admit 1, test 2");
    let before = takeover.times().clone();
    assert_eq!(hear(&mut takeover, Heard::Ready(lun(2)), 1019), "reset 2");
    assert_eq!(hear(&mut takeover, complete(2), 1020), "test 2");
    assert_eq!(hear(&mut takeover, Heard::Ready(lun(2)), 1021), "replay 2");
    assert_eq!(hear(&mut takeover, Heard::Replayed, 1022), "admit 2");
    assert!(Phase::ALL.iter().all(|&it| takeover.times().span(it) == before.span(it)), "the receipt is closed");
    assert_eq!(hear(&mut takeover, Heard::LunsReported(luns(&[2])), 1023), "withdraw 1");
    assert_eq!(hear(&mut takeover, Heard::LunsReported(luns(&[1, 2])), 1024), "test 1", "it may be another unit");
}

#[test]
fn a_session_lost_in_any_phase_starts_again_from_the_login() {
    for (name, _) in WAY.iter().skip(2).take(9) {
        let mut takeover = on_the_way(name);
        let phase = takeover.phase().unwrap();
        let before = takeover.login.0;
        let carried = name.contains("dmitted");
        let again = format!("(SessionLost {{ phase: {phase:?} }}), hold, confirm {}", takeover.confirmation + 1);
        assert_eq!(hear(&mut takeover, Heard::Lost, 1005), again, "{name}");
        let log_in = format!("log in {}", before + 1);
        assert_eq!(confirm(&mut takeover, 1006), if carried { log_in.clone() } else { String::new() }, "{name}");
        if !carried {
            let due = takeover.next_deadline().unwrap();
            assert_eq!(due, at(1005) + RETRY_LOGIN);
            assert_eq!(short(&takeover.on_event(Event::Tick, due)), log_in, "{name}");
        }
        hear(&mut takeover, Heard::LoggedIn, 1300);
        hear(&mut takeover, Heard::LunsReported(luns(&[1])), 1300);
        assert_eq!(hear(&mut takeover, Heard::Ready(lun(1)), 1300), "reset 1", "{name}");
        assert_eq!(takeover.times().restarts(), u32::from(!carried), "{name}");
        assert_eq!(takeover.times().began(), at(if carried { 1005 } else { 1000 }), "{name}");
    }
}

/// An array that answers the login when its old writes have ended, after seconds, and then its resets as slowly.
#[test]
fn a_slow_array_is_reported_and_waited_for() {
    let mut takeover = Takeover::default();
    takeover.on_event(Event::LeaseLive, at(0));
    takeover.on_event(assigned(EPOCH), at(0));
    for second in 1..4 {
        assert_eq!(takeover.next_deadline(), Some(at(second * 1000)));
        let effects = takeover.on_event(Event::Tick, at(second * 1000));
        let waited = Duration::from_secs(second);
        assert_eq!(effects, [Effect::Report(Report::Slow { phase: Phase::Login, waited })]);
    }
    hear(&mut takeover, Heard::LoggedIn, 3500);
    hear(&mut takeover, Heard::LunsReported(luns(&[2])), 3500);
    confirm(&mut takeover, 3501);
    assert_eq!(hear(&mut takeover, Heard::Ready(lun(2)), 3501), "reset 2");
    let waited = Duration::from_secs(60);
    let effects = takeover.on_event(Event::Tick, at(63_501));
    assert_eq!(effects, [Effect::Report(Report::Slow { phase: Phase::Reset, waited })]);
    let unanswered = hear(&mut takeover, Heard::ResetUnanswered(lun(2)), 63_502);
    assert_eq!(unanswered, "(ResetUnanswered(Lun([2])))");
    assert_eq!(hear(&mut takeover, complete(2), 63_600), "test 2");
    assert_eq!(hear(&mut takeover, complete(2), 63_601), "", "an answer that nobody waits for");
    assert_eq!(hear(&mut takeover, Heard::Ready(lun(2)), 63_602), "replay 2");
}

#[test]
fn a_rejected_reset_is_tried_again_for_ever() {
    let mut takeover = on_the_way("Reset, 1 done, 2 in reset");
    let mut now = REACHED;
    for _ in 0..5 {
        hear(&mut takeover, Heard::Reset { lun: lun(2), answer: ResetAnswer::Rejected }, now);
        assert_eq!(confirm(&mut takeover, now), "");
        now += RETRY_RESET.as_millis() as u64;
        assert!(takeover.next_deadline() <= Some(at(now)));
        assert!(short(&takeover.on_event(Event::Tick, at(now))).contains("reset 2"));
    }
    assert_eq!(takeover.phase(), Some(Phase::Reset));
}

#[test]
fn a_lost_reservation_gives_back_what_was_unanswered() {
    let mut takeover = on_the_way("Reservations, 1 in registration");
    let refused = hear(&mut takeover, Heard::RegistrationRefused(lun(1)), 1001);
    assert_eq!(refused, "(RegistrationRefused(Lun([1]))), give back 1");
    assert_eq!(confirm(&mut takeover, 1002), "replay 1+2");
    hear(&mut takeover, Heard::Lost, 1003);
    takeover.on_event(Event::Tick, at(2000));
    confirm(&mut takeover, 2000);
    hear(&mut takeover, Heard::LoggedIn, 2001);
    hear(&mut takeover, Heard::LunsReported(luns(&[1])), 2001);
    hear(&mut takeover, Heard::Ready(lun(1)), 2001);
    hear(&mut takeover, complete(1), 2001);
    confirm(&mut takeover, 2001);
    assert_eq!(
        hear(&mut takeover, Heard::Ready(lun(1)), 2001),
        "replay 1",
        "it is not registered behind the initiator"
    );
}

#[test]
fn the_initiators_own_registration_is_what_is_registered_again() {
    let mut takeover = on_the_way("Admitted");
    let registration = Some(Registration { key: 9, held: None });
    takeover.on_event(Event::RegistrationChanged { lun: lun(2), registration }, at(1001));
    takeover.on_event(Event::RegistrationChanged { lun: lun(1), registration: None }, at(1001));
    hear(&mut takeover, Heard::Lost, 1002);
    confirm(&mut takeover, 1002);
    hear(&mut takeover, Heard::LoggedIn, 1003);
    hear(&mut takeover, Heard::LunsReported(luns(&[1, 2])), 1003);
    for number in [1, 2] {
        hear(&mut takeover, Heard::Ready(lun(number)), 1003);
    }
    for number in [1, 2] {
        hear(&mut takeover, complete(number), 1003);
    }
    hear(&mut takeover, Heard::Ready(lun(1)), 1003);
    assert_eq!(hear(&mut takeover, Heard::Ready(lun(2)), 1003), "register 2 key 9");
    assert_eq!(hear(&mut takeover, Heard::UnitAttention(lun(2)), 1003), "test 2");
    assert_eq!(hear(&mut takeover, Heard::Ready(lun(2)), 1003), "register 2 key 9");
}

#[test]
fn more_luns_than_the_limit_are_reported_and_not_used() {
    let mut takeover = on_the_way("UnitAttentions, nothing listed");
    let many: BTreeSet<Lun> = (0..300u16).map(|it| Lun([0x40, 0, 0, 0, 0, 0, (it >> 8) as u8, it as u8])).collect();
    let login = takeover.login;
    let effects = takeover.on_event(Event::Session { login, heard: Heard::LunsReported(many) }, at(1001));
    assert_eq!(effects[0], Effect::Report(Report::TooManyLuns { shown: 300, limit: MAX_LUNS }));
    assert_eq!(effects.len(), 1 + MAX_LUNS);
}

#[test]
fn a_planned_move_finishes_logs_out_and_releases_in_this_order() {
    let mut takeover = on_the_way("Admitted");
    assert_eq!(short(&takeover.on_event(Event::LetGo(Epoch(EPOCH)), at(1001))), "hold");
    assert_eq!(takeover.next_deadline(), Some(at(1001) + FINISH_WITHIN));
    assert_eq!(hear(&mut takeover, Heard::Drained, 1010), "log out");
    assert_eq!(hear(&mut takeover, Heard::LoggedOut, 1020), "released 5");
    let again = takeover.on_event(Event::LetGo(Epoch(EPOCH)), at(1030));
    assert_eq!(short(&again), "released 5", "the word may have been lost");
}

#[test]
fn a_move_does_not_wait_for_ever() {
    let mut takeover = on_the_way("Finishing");
    let late = at(REACHED) + FINISH_WITHIN;
    assert_eq!(short(&takeover.on_event(Event::Tick, late)), "(Unfinished), log out");
    let later = late + LOG_OUT_WITHIN;
    assert_eq!(takeover.next_deadline(), Some(later));
    assert_eq!(short(&takeover.on_event(Event::Tick, later)), "(LogoutUnanswered), stop, released 5");
}

/// The state may show a home its own newer epoch after an agent has named it.
#[test]
fn an_epoch_that_was_named_before_it_is_assigned_is_accepted() {
    let mut takeover = on_the_way("Admitted");
    assert_eq!(short(&takeover.on_event(Event::NewerEpoch(Epoch(6)), at(1001))), "stop");
    assert_eq!(short(&takeover.on_event(assigned(6), at(1002))), "log in 2");
}
