//! After an outage of everything directors come back one by one: whoever leads first must not take all.

use std::time::Duration;

use proptest::prelude::*;
use twinrail_failover::detector::{Detector, PathChange, Timing};
use twinrail_failover::placement::{on_director_lost, refresh};
use twinrail_failover::{Moment, Standing};
use twinrail_proto::domain::{Name, Rail};

use super::world::{World, name};

const OUTAGE: Duration = Duration::from_secs(5);
const TURN: Duration = Duration::from_millis(10);

/// The leader d1: what it sees, and the homes that it decides on.
struct Leader {
    detector: Detector,
    world: World,
    now: Moment,
}

impl Leader {
    /// All directors are there and have their shares.
    fn new(directors: usize, adapters: usize) -> Self {
        let world = World::uniform(directors, adapters, 1).settled();
        let mut leader =
            Self { detector: Detector::new(name("d1"), Timing::default()), world, now: Moment::from_millis(1_000) };
        leader.detector.set_directors(leader.peers(), leader.now);
        leader.peers().iter().for_each(|peer| leader.path(peer, true));
        leader.turns(Duration::from_secs(1));
        leader
    }

    fn peers(&self) -> Vec<Name> {
        self.world.directors[1..].iter().map(|it| it.name.clone()).collect()
    }

    fn path(&mut self, director: &Name, up: bool) {
        let change = if up { PathChange::Up } else { PathChange::Down { last_heard: self.now } };
        self.detector.on_path(director, Rail::A, change, self.now);
    }

    fn turns(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + TURN;
            self.turn();
        }
    }

    /// As the reconciler does it; a leader that hears no majority cannot commit.
    fn turn(&mut self) {
        self.detector.tick(self.now);
        for director in &mut self.world.directors {
            director.standing = self.detector.standing(&director.name);
        }
        let heard = self.world.directors.iter().filter(|it| it.standing != Standing::Lost).count();
        if heard * 2 <= self.world.directors.len() || self.detector.gathering(self.now).is_some() {
            return;
        }
        let lost = self.world.directors.iter().filter(|it| it.standing == Standing::Lost);
        for director in lost.map(|it| it.name.clone()).collect::<Vec<_>>() {
            let plan = on_director_lost(&self.world.view(), &director);
            self.world.apply(&plan);
        }
        let plan = refresh(&self.world.view());
        self.world.apply(&plan);
    }

    /// Everybody is lost for a while.
    fn lose_all(&mut self) {
        self.peers().iter().for_each(|peer| self.path(peer, false));
        self.turns(OUTAGE);
    }

    /// Each comes back after so many ms.
    fn return_all(&mut self, returns: &[u64]) {
        let peers = self.peers();
        let start = self.now;
        let mut order: Vec<(u64, &Name)> = returns.iter().copied().zip(&peers).collect();
        order.sort();
        for (after, peer) in order {
            self.turns((start + Duration::from_millis(after)).since(self.now));
            self.path(peer, true);
            self.turn();
        }
        self.turns(OUTAGE);
    }

    fn gap(&self) -> i64 {
        let loads = self.world.loads();
        loads.values().max().unwrap() - loads.values().min().unwrap()
    }
}

/// Up to nine directors that come back within what a gathering waits for, less the time until one is trusted again.
fn returns() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(0..1_100u64, 2..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn homes_stay_where_they_were_when_their_directors_come_back(returns in returns(), adapters in 1..30usize) {
        let mut leader = Leader::new(returns.len() + 1, adapters);
        let before: Vec<_> = leader.world.adapters.iter().map(|it| it.home.director.clone()).collect();
        leader.lose_all();
        leader.return_all(&returns);
        let after: Vec<_> = leader.world.adapters.iter().map(|it| it.home.director.clone()).collect();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn adapters_without_any_home_are_spread_over_those_that_come_back(returns in returns(), adapters in 1..30usize) {
        let mut leader = Leader::new(returns.len() + 1, adapters);
        leader.lose_all();
        for adapter in &mut leader.world.adapters {
            adapter.home.director = None;
            adapter.home.successors.clear();
        }
        leader.return_all(&returns);
        prop_assert!(leader.world.adapters.iter().all(|it| it.home.director.is_some()));
        prop_assert!(leader.gap() <= 1, "{:?}", leader.world.loads());
    }

    /// One that does not come back is waited for, and not for ever; the others share what it had.
    #[test]
    fn the_wait_is_bounded(returns in returns(), adapters in 1..30usize) {
        let mut leader = Leader::new(returns.len() + 2, adapters);
        leader.lose_all();
        leader.return_all(&returns);
        let dead = name(format!("d{}", returns.len() + 2));
        prop_assert_eq!(leader.world.loads()[&dead], 0);
        let loads = leader.world.loads();
        let alive = loads.iter().filter(|(director, _)| **director != dead).map(|(_, load)| *load);
        prop_assert!(alive.clone().max().unwrap() - alive.min().unwrap() <= 1, "{:?}", loads);
    }

    /// While a majority is heard of nothing waits, whoever dies and whoever has just come back.
    #[test]
    fn a_death_among_the_living_waits_for_nothing(directors in 3..8usize, dies in any::<usize>(), returned in any::<bool>()) {
        let mut leader = Leader::new(directors, 12);
        let peers = leader.peers();
        let dies = dies % peers.len();
        let other = &peers[(dies + 1) % peers.len()];
        if returned {
            leader.path(other, false);
            leader.turns(Duration::from_secs(1));
            leader.path(other, true);
        }
        leader.path(&peers[dies], false);
        for _ in 0..50 {
            leader.turns(TURN);
            prop_assert!(leader.detector.gathering(leader.now).is_none());
        }
        prop_assert_eq!(leader.world.loads()[&peers[dies]], 0);
    }
}
