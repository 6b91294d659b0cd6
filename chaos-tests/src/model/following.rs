//! Servers: whom each of them follows, as its agent decides; and the frames of its vNIC.

use std::collections::BTreeMap;
use std::sync::Arc;

use twinrail_failover::agent::{
    Agent, AssignedAdapter, AssignedProfile, Assignment, Effect, Memory, Phase, Refusal, Route,
};
use twinrail_proto::domain::{AdapterId, Epoch as DomainEpoch, Rail, Revision};

use super::failover::{Failover, LATER, NOW, same};
use super::names::{self, VHBA, VNIC};
use super::properties::{Event, Property};
use super::rules::Rule;
use super::state::{DIRECTORS, Down, Entry, Epoch, Id, Server, State, Up};

/// The record lists one successor, and the commit may choose another director: the agent is then overruled.
pub(super) fn successor(home: Id) -> Id {
    (home + 1) % DIRECTORS
}

/// It has nothing, and knows nobody.
pub(super) fn new_server() -> Server {
    Server {
        agent: Arc::new(new_agent(Memory::default())),
        saved: Memory::default(),
        saved_before: Memory::default(),
        ahead: None,
        newest: 0,
        acknowledged: None,
        life: 0,
        attached: None,
        outstanding: None,
    }
}

/// With all paths up: one that is down is a wait that is over.
fn new_agent(memory: Memory) -> Agent {
    let mut agent = Agent::new(memory);
    for id in 0..3 {
        agent.on_path(names::director(id), Rail::A, true, NOW);
    }
    agent
}

impl Server {
    /// Where frames go, and from where they are taken.
    pub(super) fn route(&self) -> Option<(Id, Epoch)> {
        let (home, epoch) = known(self.agent.routes(), VNIC)?;
        match self.ahead {
            Some((to, from)) if from == epoch => Some((to, epoch + 1)),
            _ => Some((home, epoch)),
        }
    }

    /// Where commands go.
    pub(super) fn vhba_route(&self) -> Option<(Id, Epoch)> {
        known(self.agent.newest_routes(), VHBA)
    }
}

fn known<'a>(mut routes: impl Iterator<Item = (AdapterId, &'a Route)>, adapter: AdapterId) -> Option<(Id, Epoch)> {
    let (_, route) = routes.find(|it| it.0 == adapter)?;
    Some((names::id(route.home.as_ref()?), route.epoch.0 as Epoch))
}

fn followed_by(agent: &Agent) -> Option<Epoch> {
    let epoch = |adapter| known(agent.newest_routes(), adapter).map(|it| it.1);
    epoch(VNIC).or(epoch(VHBA))
}

impl Failover {
    pub(super) fn assign(&self, state: &mut State, director: Id, server: Id) -> bool {
        let it = state.director(director);
        if !it.alive {
            return false;
        }
        let assignment = self.assignment(state, director, server);
        let before = Arc::clone(&state.server(server).agent);
        let mut agent = Agent::clone(&before);
        if self.without(Rule::AgentOrder) && followed_by(&agent) != Some(state.shown(director).epoch) {
            agent = new_agent(Memory::default());
        }
        let mut effects = agent.on_assignment(&assignment, NOW);
        if !self.bounds.vnic {
            // Commands go to the newest home whether its word has come or not.
            effects.extend(agent.tick(LATER));
        }
        if effects.iter().any(|it| matches!(it, Effect::Refuse(Refusal::OldRevision { .. } | Refusal::OldEpoch { .. })))
        {
            self.seen.note(Event::OldAssignment);
        }
        self.adopt(state, server, agent, &effects);
        !(effects.is_empty() && same(&before, &state.server(server).agent))
    }

    /// What a director tells a server, from what its tables show.
    fn assignment(&self, state: &State, director: Id, server: Id) -> Assignment {
        let shown = state.shown(director);
        let applied = state.director(director).applied;
        let revision = Revision(u64::from(applied) + 1);
        let phase = if shown.releasing_to.is_some() { Phase::Releasing } else { Phase::Active };
        let adapters = [(VNIC, self.bounds.vnic), (VHBA, self.bounds.vhba)].into_iter().filter(|it| it.1);
        let adapters = adapters.map(|(adapter, _)| self.assigned(state, director, adapter, shown)).collect();
        let profile = AssignedProfile { profile: names::profile().clone(), revision, phase, adapters };
        let profiles = if shown.server == server { vec![profile] } else { Vec::new() };
        Assignment { from: names::director(director).clone(), revision, profiles }
    }

    fn assigned(&self, state: &State, director: Id, adapter: AdapterId, shown: Entry) -> AssignedAdapter {
        let here = shown.home == director && shown.releasing_to.is_none();
        let admitted = || state.director(director).vhba.as_ref().is_some_and(|it| it.admitted);
        AssignedAdapter {
            adapter,
            route: Route { home: Some(names::director(shown.home).clone()), epoch: DomainEpoch(shown.epoch.into()) },
            successors: vec![names::director(successor(shown.home)).clone()],
            carrying: here && (adapter == VNIC || admitted()),
        }
    }

    fn adopt(&self, state: &mut State, server: Id, agent: Agent, effects: &[Effect]) {
        if effects.iter().any(|it| matches!(it, Effect::AcknowledgeRelease { .. })) {
            let own = state.ups.iter_mut().filter(|it| it.server == server);
            own.for_each(|it| it.let_go = true);
        }
        let it = state.server_mut(server);
        it.agent = Arc::new(agent);
        for effect in effects {
            match effect {
                Effect::Persist => {
                    let memory = newer(it.agent.memory(), &it.saved);
                    it.saved_before = if self.bounds.lost_saves { it.saved.clone() } else { memory.clone() };
                    it.saved = memory;
                }
                Effect::AcknowledgeRelease { revision, .. } => {
                    // It is said when what was to be saved before is on the disk.
                    it.saved_before = it.saved.clone();
                    it.acknowledged = Some(revision.0);
                }
                Effect::Switch { .. } | Effect::Create { .. } | Effect::Remove { .. } | Effect::Refuse(_) => {}
            }
        }
        self.settle(state, server);
    }

    /// What a server had decided by itself ends when its agent knows better.
    fn settle(&self, state: &mut State, server: Id) {
        let it = state.server_mut(server);
        let followed = known(it.agent.routes(), VNIC);
        if let Some((to, from)) = it.ahead
            && followed.is_none_or(|(_, epoch)| epoch != from)
        {
            it.ahead = None;
            if let Some((home, _)) = followed {
                self.seen.note(if home == to { Event::AheadConfirmed } else { Event::AheadOverruled });
            }
        }
        let home = it.vhba_route();
        it.attached.take_if(|attached| home != Some((attached.home, attached.epoch)));
        if home.is_none() {
            it.outstanding = None;
        }
        if it.route().is_some_and(|(_, epoch)| epoch < it.newest) {
            self.violate(state, Property::Epochs);
        }
    }

    pub(super) fn follow(&self, state: &mut State, server: Id) -> bool {
        let mut agent = Agent::clone(&state.server(server).agent);
        let effects = agent.tick(LATER);
        self.adopt(state, server, agent, &effects);
        true
    }

    pub(super) fn switch_ahead(&self, state: &mut State, server: Id, to: Id) -> bool {
        let it = state.server(server);
        let Some((home, epoch)) = known(it.agent.routes(), VNIC) else { return false };
        let listed: Vec<Id> = it.agent.successors(VNIC).iter().map(names::id).collect();
        let allowed = listed.contains(&to) || self.without(Rule::Successors);
        if it.ahead.is_some() || it.agent.next_deadline().is_some() || to == home || !allowed {
            return false;
        }
        state.server_mut(server).ahead = Some((to, epoch));
        self.seen.note(Event::Ahead);
        if self.without(Rule::CommitFirst) && state.director(to).alive && state.shown(to).epoch == epoch {
            state.director_mut(to).ahead = Some((epoch + 1, server));
            self.check_homes(state);
        }
        true
    }

    /// The home is reached again, and no commit was heard of. One that was seen in force is not gone back from.
    pub(super) fn switch_back(&self, state: &mut State, server: Id) -> bool {
        let it = state.server(server);
        let followed = known(it.agent.routes(), VNIC).map_or(0, |it| it.1);
        if it.newest > followed && !self.without(Rule::NoWayBack) {
            return false;
        }
        state.server_mut(server).ahead = None;
        true
    }

    pub(super) fn restart_agent(&self, state: &mut State, server: Id, lost: bool) -> bool {
        state.spent.agent_restarts += 1;
        self.seen.note(Event::AgentRestarted);
        let it = state.server_mut(server);
        let memory = if lost { it.saved_before.clone() } else { it.saved.clone() };
        it.agent = Arc::new(new_agent(memory.clone()));
        (it.saved, it.saved_before) = (memory.clone(), memory);
        it.life += 1;
        (it.ahead, it.attached, it.outstanding, it.acknowledged) = (None, None, None, None);
        true
    }

    pub(super) fn send(&self, state: &mut State, server: Id) -> bool {
        let it = state.server(server);
        // While the next home has not spoken its frames wait in the device.
        let (Some((to, epoch)), None) = (it.route(), it.agent.next_deadline()) else { return false };
        let frame = Up { server, director: to, epoch, late: epoch < it.newest, let_go: false };
        let ahead = it.ahead.is_some();
        if state.ups.contains(&frame) {
            return false;
        }
        state.ups.push(frame);
        state.ups.sort_unstable();
        let named =
            |it: &Entry| (it.epoch == epoch && it.home == to) || (it.epoch + 1 == epoch && successor(it.home) == to);
        if !state.record.iter().any(named) {
            self.violate(state, Property::Following);
        }
        if !ahead {
            self.went_on(state, server, epoch);
        }
        true
    }

    fn went_on(&self, state: &mut State, server: Id, epoch: Epoch) {
        let it = state.server_mut(server);
        it.newest = epoch.max(it.newest);
    }

    fn carries(&self, state: &State, director: Id) -> bool {
        let it = state.director(director);
        it.alive && (it.lease || self.without(Rule::Lease))
    }

    pub(super) fn pass_up(&self, state: &mut State, frame: usize) -> bool {
        let frame = state.ups.remove(frame);
        let director = frame.director;
        if !self.carries(state, director) {
            self.seen.note(Event::NoLease);
            return true;
        }
        let shown = state.shown(director);
        let row = shown.home == director && shown.releasing_to.is_none() && shown.server == frame.server;
        let right = shown.epoch == frame.epoch || self.without(Rule::DirectorEpoch);
        let ahead = state.director(director).ahead == Some((frame.epoch, frame.server));
        if !(row && right || ahead) {
            self.seen.note(Event::Refused);
            return true;
        }
        self.note_passed(state, frame);
        let newest = state.newest();
        let moved = newest.server != frame.server && newest.epoch > frame.epoch;
        if moved && frame.let_go {
            self.seen.note(Event::UnderWayMove);
        }
        if frame.late || (moved && !frame.let_go) || shown.epoch > frame.epoch {
            self.violate(state, Property::LanOrder);
        }
        true
    }

    fn note_passed(&self, state: &State, frame: Up) {
        self.seen.note(Event::Passed);
        if frame.epoch > 1 {
            self.seen.note(Event::PassedNext);
        }
        if frame.epoch < state.server(frame.server).newest {
            self.seen.note(Event::UnderWay);
        }
    }

    pub(super) fn send_down(&self, state: &mut State, director: Id) -> bool {
        let shown = state.shown(director);
        let carries = self.carries(state, director) && shown.home == director && shown.releasing_to.is_none();
        let frame = Down { director, server: shown.server, epoch: shown.epoch };
        if !carries || state.downs.contains(&frame) {
            return false;
        }
        state.downs.push(frame);
        state.downs.sort_unstable();
        let (newest, taken) = (state.newest(), state.server(frame.server).route() == Some((director, frame.epoch)));
        if newest.server != frame.server && newest.epoch > frame.epoch && taken {
            self.violate(state, Property::ServerOrder);
        }
        true
    }

    pub(super) fn pass_down(&self, state: &mut State, frame: usize) -> bool {
        let Down { director, server, epoch } = state.downs.remove(frame);
        let route = state.server(server).route();
        let any = self.without(Rule::ServerEpoch) && route.is_some();
        if route != Some((director, epoch)) && !any {
            self.seen.note(Event::ServerRefused);
            return true;
        }
        self.seen.note(Event::Delivered);
        if epoch < state.server(server).newest {
            self.violate(state, Property::ServerOrder);
        }
        self.went_on(state, server, epoch);
        let it = state.server_mut(server);
        if it.ahead.is_some() && !self.without(Rule::AheadRemembered) {
            let seen = BTreeMap::from([(VNIC, DomainEpoch(epoch.into()))]);
            let memory = newer(&it.saved, &Memory { revision: Revision(0), epochs: seen });
            (it.saved, it.saved_before) = (memory.clone(), memory);
        }
        true
    }
}

/// The epochs of a file, which never go back.
fn newer(memory: &Memory, other: &Memory) -> Memory {
    let mut memory = memory.clone();
    for (adapter, epoch) in &mut memory.epochs {
        *epoch = other.epochs.get(adapter).copied().unwrap_or_default().max(*epoch);
    }
    memory
}
