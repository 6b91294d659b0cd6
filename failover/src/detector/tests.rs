use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn down(millis: u64) -> PathChange {
    PathChange::Down { last_heard: at(millis) }
}

/// d1 watches d2 and d3, which are up on both rails since 1 ms; server s1 reaches all three.
fn quiet_cluster() -> Detector {
    let mut detector = Detector::new(name("d1"), Timing::default());
    detector.set_directors(["d1", "d2", "d3"].map(name), at(0));
    for director in ["d2", "d3"] {
        for rail in Rail::ALL {
            detector.on_path(&name(director), rail, PathChange::Up, at(1));
        }
    }
    for director in ["d1", "d2", "d3"] {
        report(&mut detector, director, true, at(2));
    }
    assert_eq!((detector.tick(at(10)), detector.next_deadline()), (vec![], None));
    detector
}

fn report(detector: &mut Detector, director: &str, up: bool, now: Moment) {
    for rail in Rail::ALL {
        detector.on_report(&name("s1"), &name(director), rail, up, now);
    }
}

fn cut(detector: &mut Detector, director: &str, now: Moment) {
    for rail in Rail::ALL {
        detector.on_path(&name(director), rail, PathChange::Down { last_heard: now }, now);
    }
}

fn paths_lost(director: &str, since: u64) -> Event {
    Event::PathsLost { server: name("s1"), director: name(director), since: at(since) }
}

#[test]
fn a_silent_director_is_lost_once_and_back_once() {
    let mut detector = quiet_cluster();
    detector.on_path(&name("d2"), Rail::A, down(970), at(1000));
    detector.on_path(&name("d2"), Rail::B, down(980), at(1010));
    assert_eq!(detector.next_deadline(), Some(at(1090)));
    assert_eq!((detector.tick(at(1089)), detector.standing(&name("d2"))), (vec![], Standing::Doubted));
    assert_eq!(detector.tick(at(1090)), [Event::Lost { director: name("d2"), last_seen: at(980) }]);
    assert_eq!((detector.tick(at(5000)), detector.standing(&name("d2"))), (vec![], Standing::Lost));
    detector.on_path(&name("d2"), Rail::B, PathChange::Up, at(6000));
    assert_eq!((detector.tick(at(6299)), detector.standing(&name("d2"))), (vec![], Standing::Doubted));
    assert_eq!(detector.tick(at(6300)), [Event::Returned { director: name("d2") }]);
    assert_eq!((detector.standing(&name("d2")), detector.next_deadline()), (Standing::Trusted, None));
}

#[test]
fn one_rail_less_is_no_loss() {
    let mut detector = quiet_cluster();
    for director in ["d2", "d3"] {
        detector.on_path(&name(director), Rail::A, down(100), at(130));
    }
    for director in ["d1", "d2", "d3"] {
        detector.on_report(&name("s1"), &name(director), Rail::A, false, at(130));
    }
    assert_eq!((detector.tick(at(9999)), detector.next_deadline()), (vec![], None));
}

#[test]
fn who_was_never_there_gets_time_to_boot() {
    let mut detector = Detector::new(name("d1"), Timing::default());
    detector.set_directors(["d1", "d2"].map(name), at(500));
    assert_eq!(detector.tick(at(3499)), []);
    assert_eq!(detector.tick(at(3500)), [Event::Lost { director: name("d2"), last_seen: at(500) }]);
}

#[test]
fn a_server_that_loses_its_paths_to_a_living_director_is_told_once() {
    let mut detector = quiet_cluster();
    report(&mut detector, "d2", false, at(1000));
    assert_eq!(detector.next_deadline(), Some(at(1080)));
    assert!(detector.reach(at(1079)).allows(&name("s1"), &name("d2")));
    assert_eq!(detector.tick(at(1080)), [paths_lost("d2", 1000)]);
    assert!(!detector.reach(at(1080)).allows(&name("s1"), &name("d2")));
    assert_eq!((detector.tick(at(9999)), detector.next_deadline()), (vec![], None));
    report(&mut detector, "d2", true, at(10_000));
    report(&mut detector, "d2", false, at(10_100));
    assert_eq!(detector.tick(at(10_180)), [paths_lost("d2", 10_100)], "once for each time");
}

#[test]
fn a_flap_shorter_than_the_limit_is_nothing() {
    let mut detector = quiet_cluster();
    report(&mut detector, "d1", false, at(1000));
    report(&mut detector, "d1", true, at(1079));
    assert_eq!((detector.tick(at(2000)), detector.next_deadline()), (vec![], None));
}

/// The servers notice at the same time as the directors, a little before or after: one loss, no flood of pairs.
#[test]
fn a_dead_director_is_one_event_and_not_one_for_each_server() {
    let mut detector = quiet_cluster();
    report(&mut detector, "d2", false, at(995));
    cut(&mut detector, "d2", at(1000));
    assert_eq!(detector.tick(at(1075)), []);
    assert_eq!(detector.next_deadline(), Some(at(1080)), "a parked pair asks for no ticks");
    assert_eq!(detector.tick(at(1080)), [Event::Lost { director: name("d2"), last_seen: at(1000) }]);
    assert_eq!((detector.tick(at(9999)), detector.next_deadline()), (vec![], None));
}

#[test]
fn parked_pairs_are_told_when_the_director_turns_out_to_live() {
    let mut detector = quiet_cluster();
    report(&mut detector, "d2", false, at(995));
    cut(&mut detector, "d2", at(1000));
    assert_eq!(detector.tick(at(1075)), []);
    detector.on_path(&name("d2"), Rail::A, PathChange::Up, at(1076));
    assert_eq!(detector.tick(at(1076)), [paths_lost("d2", 995)]);

    cut(&mut detector, "d3", at(2000));
    report(&mut detector, "d3", false, at(2000));
    assert_eq!(detector.tick(at(2080)).len(), 1);
    detector.on_path(&name("d3"), Rail::A, PathChange::Up, at(3000));
    let back = detector.tick(at(3300));
    assert_eq!(back, [Event::Returned { director: name("d3") }, paths_lost("d3", 2000)]);
}

#[test]
fn forgotten_servers_and_directors_leave_nothing_behind() {
    let mut detector = quiet_cluster();
    report(&mut detector, "d1", false, at(1000));
    report(&mut detector, "d2", false, at(1000));
    cut(&mut detector, "d3", at(1000));
    report(&mut detector, "d3", false, at(900));
    assert_eq!(detector.tick(at(1070)), []);
    detector.forget_server(&name("s1"));
    assert_eq!(detector.reach(at(1071)), Reach::default());
    detector.set_directors(["d1", "d2"].map(name), at(1072));
    assert_eq!((detector.tick(at(9999)), detector.next_deadline()), (vec![], None));
    assert_eq!(detector.standing(&name("d3")), Standing::Lost);
    detector.on_report(&name("s1"), &name("d9"), Rail::A, true, at(9999));
    assert_eq!(detector.reach(at(9999)), Reach::default(), "unknown directors are ignored");
}

#[test]
fn who_hears_nobody_gives_nothing_away_though_one_is_lost_before_the_other() {
    let mut detector = quiet_cluster();
    cut(&mut detector, "d2", at(1000));
    assert!(detector.hears_majority());
    cut(&mut detector, "d3", at(1010));
    assert!(!detector.hears_majority());
    assert_eq!(detector.tick(at(1080)).len(), 1, "d2 is lost, d3 not yet");
    assert_eq!(detector.gathering(at(1080)), None);
    detector.on_path(&name("d3"), Rail::B, PathChange::Up, at(1081));
    assert!(detector.hears_majority());
}

#[test]
fn who_alone_was_cut_off_does_not_wait_for_others_once_a_leader_has_served_it() {
    let cut_off_and_back = || {
        let mut detector = quiet_cluster();
        cut(&mut detector, "d2", at(1000));
        cut(&mut detector, "d3", at(1000));
        assert_eq!(detector.tick(at(1080)).len(), 2);
        for director in ["d2", "d3"] {
            detector.on_path(&name(director), Rail::A, PathChange::Up, at(2000));
        }
        detector
    };
    let mut detector = cut_off_and_back();
    assert!(detector.gathering(at(2100)).is_some(), "who has come back may be the first of many");
    detector.on_served(at(1070));
    assert!(detector.gathering(at(2100)).is_some(), "a grant that was asked for before says nothing of now");
    detector.on_served(at(2050));
    cut(&mut detector, "d2", at(2060));
    assert_eq!(detector.tick(at(2150)), []);
    assert_eq!((detector.standing(&name("d2")), detector.gathering(at(2150))), (Standing::Lost, None));
}
