use super::*;

const ROLES: [DirectorRole; 5] =
    [DirectorRole::Witness, DirectorRole::Active, DirectorRole::Active, DirectorRole::Spare, DirectorRole::Active];

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn names() -> [Name; 5] {
    ["w1", "d2", "d3", "d4", "d5"].map(|it| it.parse().unwrap())
}

/// w1 to d5, all voters, of which those with a bit in `lost` are lost.
fn voters(names: &[Name; 5], lost: u8) -> Vec<Voter<'_>> {
    let standing = |at: usize| if lost & (1 << at) != 0 { Standing::Lost } else { Standing::Trusted };
    let voter =
        |at: usize| Voter { name: &names[at], id: DirectorId(at as u64), role: ROLES[at], standing: standing(at) };
    (0..names.len()).map(voter).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Leader {
    Heard,
    Lost,
    OtherLost,
    Me,
    Unknown,
    NoMajority,
}

/// d3's election after a step with the leader in this condition. d2 is what it may have lost.
fn step(election: &mut Election, leader: Leader, now: Moment) -> Option<StandForElection> {
    let names = names();
    let lost = match leader {
        Leader::Lost => 0b00010,
        Leader::OtherLost => 0b10010,
        Leader::NoMajority => 0b11010,
        Leader::Heard | Leader::Me | Leader::Unknown => 0,
    };
    let who = match leader {
        Leader::Unknown => None,
        Leader::Me => Some(&names[2]),
        Leader::OtherLost => Some(&names[4]),
        Leader::Heard | Leader::Lost | Leader::NoMajority => Some(&names[1]),
    };
    let voters = voters(&names, lost);
    election.step(&ElectionView { me: &names[2], voters: &voters, leader: who }, now)
}

fn letter(election: &Election) -> char {
    match &election.armed {
        None => 'I',
        Some(Armed { stood: false, .. }) => 'W',
        Some(Armed { stood: true, .. }) => 'S',
    }
}

/// d3 in each state since 1000 ms, about the loss of d2.
fn in_state(state: char) -> Election {
    let armed = |stood, deadline| Armed { leader: names()[1].clone(), since: at(1000), stood, deadline };
    let armed = match state {
        'W' => Some(armed(false, at(1000))),
        'S' => Some(armed(true, at(1540))),
        _ => None,
    };
    Election { armed, led: false }
}

#[test]
fn every_state_meets_every_event() {
    let events = [Leader::Heard, Leader::Me, Leader::Unknown, Leader::NoMajority, Leader::Lost, Leader::OtherLost];
    let mut table = Vec::new();
    for state in ['I', 'W', 'S'] {
        let mut row = format!("{state}:");
        for event in events {
            let mut election = in_state(state);
            let stands = step(&mut election, event, at(1100)).is_some();
            row.push(letter(&election));
            row.push_str(if stands { "! " } else { " " });
        }
        table.push(row);
    }
    // d3 is first in rank: it stands in the moment when it learns that a leader is lost, once for each leader.
    assert_eq!(table, ["I:I I I I S! S! ", "W:I I I I S! S! ", "S:I I I I S S! "]);
}

#[test]
fn survivors_stand_one_after_the_other_the_witness_last() {
    let names = names();
    let voters = voters(&names, 0b00010);
    let mut turns = Vec::new();
    for me in [0, 2, 3, 4] {
        let view = ElectionView { me: &names[me], voters: &voters, leader: Some(&names[1]) };
        let mut election = Election::default();
        let first = election.step(&view, at(1000));
        let deadline = election.next_deadline().unwrap();
        let stood_at = if first.is_some() { at(1000) } else { deadline };
        assert!(first.is_some() || election.step(&view, Moment::from_nanos(deadline.as_nanos() - 1)).is_none());
        assert!(first.is_some() || election.step(&view, deadline).is_some());
        turns.push((stood_at, names[me].as_str()));
    }
    turns.sort();
    assert_eq!(turns, [(at(1000), "d3"), (at(1060), "d5"), (at(1120), "d4"), (at(1180), "w1")]);
}

#[test]
fn who_stood_in_vain_stands_again_after_the_others_and_a_pause() {
    let mut election = Election::default();
    assert!(step(&mut election, Leader::Lost, at(1000)).is_some());
    assert_eq!(election.next_deadline(), Some(at(1540)));
    assert!(step(&mut election, Leader::Lost, at(1539)).is_none());
    assert!(step(&mut election, Leader::Lost, at(5000)).is_some());
    assert_eq!(election.next_deadline(), Some(at(5540)), "missed rounds are not made up for");
}

#[test]
fn a_rank_moves_up_when_one_before_it_is_lost_too() {
    let names = names();
    let mut election = Election::default();
    let before = voters(&names, 0b00010);
    let view = ElectionView { me: &names[4], voters: &before, leader: Some(&names[1]) };
    assert_eq!(election.step(&view, at(1000)), None);
    let after = voters(&names, 0b00110);
    let view = ElectionView { voters: &after, ..view };
    assert_eq!(election.step(&view, at(1010)), Some(StandForElection));
}

#[test]
fn who_is_no_voter_never_stands() {
    let names = names();
    let voters = &voters(&names, 0b00010)[..4];
    let view = ElectionView { me: &names[4], voters, leader: Some(&names[1]) };
    assert_eq!(Election::default().step(&view, at(0)), None);
}

/// A candidate whose log is too short deposes the winner of an election, and cannot win itself: the winner must come back.
#[test]
fn a_leader_that_is_deposed_stands_again_after_a_round() {
    let names = names();
    let (me, dead) = (&names[2], &names[1]);
    let voters = voters(&names, 0b00010);
    let (mut election, mut last) = (Election::default(), LastLeader::default());
    let mut step = |leader, now| {
        let leader = last.of(me, leader);
        election.step(&ElectionView { me, voters: &voters, leader }, now).is_some()
    };
    assert!(step(Some(dead), at(1000)), "the leader is lost");
    assert!(!step(Some(me), at(1090)), "it leads");
    assert!(!step(None, at(1100)), "deposed: whoever did it has a round");
    assert!(!step(None, at(1639)));
    assert!(step(None, at(1640)), "nobody has won");
    assert!(!step(Some(&names[4]), at(1700)), "another one leads");
}

#[test]
fn a_turn_is_left_out_once_for_each_vote_that_is_given() {
    let given = |term, id| Some(Candidacy { term, candidate: DirectorId(id) });
    let mut courtesy = Courtesy::default();
    assert!(!courtesy.leaves_out(None), "nobody has the vote");
    assert!(courtesy.leaves_out(given(5, 2)));
    assert!(!courtesy.leaves_out(given(5, 2)), "it had its round, and has not won");
    assert!(courtesy.leaves_out(given(6, 2)), "it stands again");
    assert!(!courtesy.leaves_out(None));
}
