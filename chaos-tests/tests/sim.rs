//! The simulator's share of `make test`: worlds in which everything must hold, deliberate bugs that must be found, and input
//! that is wrong.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use twinrail_chaos_tests::sim::bugs::Bug;
use twinrail_chaos_tests::sim::prove::prove;
use twinrail_chaos_tests::sim::run::{Options, run};
use twinrail_chaos_tests::sim::shrink::shrink;

/// Worlds are run for so long: an unoptimised build does a few in a second.
const TIME: Duration = Duration::from_secs(20);
/// Seeds in which a deliberate bug must show.
const MOST_SEEDS: u64 = 150;

#[test]
fn no_world_violates_an_invariant() {
    let started = Instant::now();
    let next = AtomicU64::new(1);
    let work = || {
        while started.elapsed() < TIME {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let outcome = run(&Options { seed, ..Options::default() });
            assert_eq!(outcome.finding, None, "seed {seed}; `sim --seed {seed}` says more");
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| _ = scope.spawn(work)));
    println!("{} worlds", next.into_inner() - 1);
}

#[test]
fn a_seed_is_the_same_world_every_time() {
    for seed in 1..=5 {
        let options = Options { seed, lines: true, ..Options::default() };
        let (one, other) = (run(&options), run(&options));
        assert_eq!((one.trace, one.events), (other.trace, other.events), "seed {seed}");
        assert_eq!(one.lines, other.lines, "seed {seed}");
    }
    let traces: Vec<u64> = (1..=5).map(|seed| run(&Options { seed, ..Options::default() }).trace).collect();
    assert!(traces.windows(2).all(|it| it[0] != it[1]), "other seeds are other worlds");
}

#[test]
fn every_deliberate_bug_is_found() {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(&bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let proof = prove(bug, MOST_SEEDS);
            let finding = proof.found.and_then(|it| it.finding);
            let finding =
                finding.unwrap_or_else(|| panic!("{bug} ({}) was not found in {MOST_SEEDS} seeds", bug.what()));
            println!("{bug}: {} at seed {} after {:?}", finding.invariant, proof.seeds, proof.took);
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| _ = scope.spawn(work)));
}

#[test]
fn a_finding_is_made_again_by_a_shorter_schedule() {
    let options = Options { bug: Some(Bug::NoLease), ..Options::default() };
    let (seed, found) = (1..=MOST_SEEDS)
        .map(|seed| (seed, run(&Options { seed, ..options.clone() })))
        .find(|(_, it)| it.finding.is_some())
        .expect("the bug shows");
    let options = Options { seed, ..options };
    let before = found.schedule.len();
    let shortest = shrink(&options, found.clone());
    assert!(shortest.schedule.len() <= before);
    let again = run(&Options { schedule: Some(shortest.schedule.clone()), ..options });
    assert_eq!(again.finding, shortest.finding);
    assert_eq!(again.finding.map(|it| it.invariant), found.finding.map(|it| it.invariant));
}

/// What was found once: the flaw that brings it back, and the seed and the faults that show it.
const FOUND: [(Bug, u64, &str); 1] = [(Bug::AnnounceUnheard, 14, "3531 split d3 s3 for 527")];

#[test]
fn what_was_found_does_not_come_back() {
    for (bug, seed, faults) in FOUND {
        let run = |more: &[&str]| sim(&[&["--seed", &seed.to_string(), "--faults", faults], more].concat());
        let said = String::from_utf8(run(&[]).stdout).unwrap();
        assert!(said.starts_with("1 seeds in") && said.lines().count() == 1, "{bug}: {said}");
        assert!(!run(&["--bug", bug.name()]).status.success(), "{bug} does not show any more: take another schedule");
    }
}

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).output().expect("the simulator starts")
}

fn refused(arguments: &[&str]) -> String {
    let output = sim(arguments);
    assert!(!output.status.success(), "{arguments:?} was taken");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_is_wrong_with_the_input_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = folder.path().join("schedule");
    std::fs::write(&schedule, "# what happened\n3000 kill d1 for 500\n4000 cutt d1 d2 A for 900\n").unwrap();
    let file = schedule.to_str().unwrap();
    let cases: [(&[&str], &str); 8] = [
        (&["--seed", "seven"], "invalid value 'seven' for '--seed"),
        (&["--only", "kil"], "there is no fault 'kil'; there are: kill, power"),
        (&["--invariant", "leas"], "there is no invariant 'leas'; there are: unique-identity"),
        (&["--bug", "no-leas"], "there is no bug 'no-leas'; there are: no-lease"),
        (&["--schedule", file], "line 3: there is no fault 'cutt'; there are: kill"),
        (&["--schedule", "/nonexistent/schedule"], "cannot read the schedule /nonexistent/schedule"),
        (&["--faults", "3000 kill d9 for 5"], "'d9' is neither a director (d1 to d5) nor a server (s1 to s5)"),
        (&["--trace"], "--seed"),
    ];
    for (arguments, expected) in cases {
        let said = refused(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn a_schedule_from_a_file_is_what_happens() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = folder.path().join("schedule");
    std::fs::write(&schedule, "3000 kill d1 for 500\n").unwrap();
    let output = sim(&["--seed", "1", "--trace", "--schedule", schedule.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("fault begins: 3000 kill d1 for 500") && said.contains("d1 starts"), "{said}");
    assert!(said.starts_with("1 seeds in"), "{said}");
}
