//! Who is alive, as this director sees it.

use std::collections::BTreeSet;

use twinrail_failover::detector::{Detector, Event, PathChange, Timing};
use twinrail_failover::election::{Election, ElectionView, LastLeader, Voter};
use twinrail_proto::domain::{Name, Rail};

use super::Director;
use crate::sim::context::Context;
use crate::sim::network::Node;

#[derive(Debug)]
pub(super) struct Liveness {
    pub detector: Detector,
    watching: bool,
    up: [[bool; 2]; 8],
    pub lost: BTreeSet<Name>,
    /// (server, director)
    pub paths_lost: BTreeSet<(Name, Name)>,
    election: Election,
    last_leader: LastLeader,
}

impl Liveness {
    pub fn new(me: &Name) -> Self {
        Self {
            detector: Detector::new(me.clone(), Timing::default()),
            watching: false,
            up: Default::default(),
            lost: BTreeSet::new(),
            paths_lost: BTreeSet::new(),
            election: Election::default(),
            last_leader: LastLeader::default(),
        }
    }
}

impl Director {
    pub(super) fn look_at_paths(&mut self, ctx: &Context) {
        let now = self.now(ctx);
        let names = ctx.names.clone();
        let heard_majority = self.liveness.detector.hears_majority();
        if !std::mem::replace(&mut self.liveness.watching, true) {
            self.liveness.detector.set_directors(names.directors.iter().cloned(), now);
        }
        for (other, name) in names.directors.iter().enumerate().filter(|(it, _)| *it != usize::from(self.me)) {
            for rail in Rail::ALL {
                let (up, since) = ctx.network.perceives(self.node(), Node::Director(other as u8), rail, ctx.now);
                if std::mem::replace(&mut self.liveness.up[other][rail.index()], up) != up {
                    let change = match up {
                        true => PathChange::Up,
                        false => PathChange::Down { last_heard: self.clock.moment(since) },
                    };
                    self.liveness.detector.on_path(name, rail, change, now);
                }
            }
        }
        let events = self.liveness.detector.tick(now);
        self.reconciler.dirty |= !events.is_empty() || self.liveness.detector.hears_majority() != heard_majority;
        for event in events {
            match event {
                Event::Lost { director, .. } => _ = self.liveness.lost.insert(director),
                Event::Returned { director } => _ = self.liveness.lost.remove(&director),
                Event::PathsLost { server, director, .. } => {
                    self.liveness.paths_lost.insert((server, director));
                }
            }
        }
    }

    pub(super) fn stand_if_due(&mut self, ctx: &mut Context) {
        let now = self.now(ctx);
        let leader = self.leader_name(ctx);
        let directors = self.state.directors().values().map(|it| &it.value);
        let voters: Vec<Voter<'_>> = directors
            .map(|it| Voter {
                name: &it.name,
                id: it.id,
                role: it.role,
                standing: self.liveness.detector.standing(&it.name),
            })
            .collect();
        let leader = self.liveness.last_leader.of(&self.name, leader.as_ref());
        let view = ElectionView { me: &self.name, voters: &voters, leader };
        if self.liveness.election.step(&view, now).is_some() {
            self.raft.stand(now);
            self.run_consensus(ctx);
        }
    }
}
