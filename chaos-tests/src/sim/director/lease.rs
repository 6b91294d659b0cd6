//! The lease, both sides: this director asks for its own, and grants others theirs while it leads.

use std::collections::BTreeMap;
use std::time::Duration;

use twinrail_failover::Moment;
use twinrail_failover::lease::{Grantor, Holder, LEASE, RENEW_EVERY};
use twinrail_proto::domain::{Name, Revision};

use super::Director;
use crate::sim::bugs::Bug;
use crate::sim::context::Context;
use crate::sim::message::Message;
use crate::sim::network::Node;
use crate::sim::observation::Observation;

/// How long a grant waits until the table has caught up with it.
const CATCH_UP: Duration = Duration::from_secs(1);
/// After its table changed a director says so at once.
const PUBLISH_PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(super) struct LeaseBook {
    holder: Holder,
    renew_at: Moment,
    asked_at: BTreeMap<u64, Moment>,
    grants: Vec<Grant>,
    /// While this director leads: the term, and what it granted in it.
    grantor: Option<(u64, Grantor)>,
    pub enforced: BTreeMap<Name, Revision>,
    /// Requests that wait for a quorum, by the numbers of their questions.
    asks: BTreeMap<u64, Ask>,
    until: Moment,
    live_since: Moment,
    stalled_at: Moment,
}

#[derive(Debug)]
struct Grant {
    sequence: u64,
    commit: Revision,
    came: Moment,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub director: u8,
    pub life: u32,
    pub sequence: u64,
    pub enforced: Revision,
}

impl LeaseBook {
    pub fn new(now: Moment) -> Self {
        Self {
            holder: Holder::new(LEASE),
            renew_at: now,
            asked_at: BTreeMap::new(),
            grants: Vec::new(),
            grantor: None,
            enforced: BTreeMap::new(),
            asks: BTreeMap::new(),
            until: Moment::default(),
            live_since: Moment::default(),
            stalled_at: Moment::default(),
        }
    }

    pub fn stall(&mut self, now: Moment) {
        self.stalled_at = now;
    }

    /// `datapath::lease`: it runs, and was asked for after the process was last stopped.
    pub fn lives(&self, now: Moment) -> bool {
        self.live_since > self.stalled_at && now < self.until
    }

    /// The process may have slept through the news that it may not carry.
    pub fn waits(&self, now: Moment) -> bool {
        self.live_since <= self.stalled_at && now < self.until
    }

    pub fn renew_soon(&mut self, now: Moment) {
        self.renew_at = self.renew_at.min(now + PUBLISH_PAUSE);
    }

    pub fn with_grantor<T>(&mut self, term: u64, now: Moment, act: impl FnOnce(&mut Grantor) -> T) -> T {
        if self.grantor.as_ref().is_none_or(|(known, _)| *known != term) {
            self.grantor = Some((term, Grantor::became_leader(LEASE, now)));
            self.enforced.clear();
        }
        act(&mut self.grantor.as_mut().expect("it was just put there").1)
    }
}

impl Director {
    /// Whether frames and commands may go out now.
    pub(super) fn may_carry(&self, ctx: &Context) -> bool {
        ctx.has(Bug::NoLease) || self.lease.lives(self.now(ctx))
    }

    pub(super) fn keep_lease(&mut self, ctx: &mut Context) {
        let now = self.now(ctx);
        if now < self.lease.renew_at {
            return;
        }
        self.lease.renew_at = now + RENEW_EVERY;
        let Some(leader) = self.raft.leader() else { return };
        let sequence = self.lease.holder.on_request(now).sequence;
        self.lease.asked_at.insert(sequence, now);
        self.lease.asked_at.retain(|_, at| now.since(*at) < LEASE * 2);
        let lease_ns = self.clock.true_time(now + LEASE) - ctx.now;
        ctx.observe(&Observation::LeaseAsked { director: self.me, sequence, lease_ns });
        let enforced = self.carriage.enforced;
        if leader == self.me {
            self.ask_for(Ask { director: self.me, life: self.life, sequence, enforced }, ctx);
        } else {
            ctx.send(self.node(), Node::Director(leader), Message::AskLease { life: self.life, sequence, enforced });
        }
    }

    /// The leader's side: a quorum is asked first whether it still leads.
    pub(super) fn ask_for(&mut self, ask: Ask, ctx: &mut Context) {
        if !self.raft.leads() {
            return;
        }
        if ctx.has(Bug::GrantWithoutQuorum) {
            let commit = self.raft.unconfirmed_index().unwrap_or_default();
            return self.grant(ask, Revision(commit), ctx);
        }
        let question = self.calls.next_question();
        self.lease.asks.insert(question, ask);
        self.raft.ask(question);
        self.run_consensus(ctx);
    }

    /// True: the question was about a lease.
    pub(super) fn lease_confirmed(&mut self, question: u64, index: u64, ctx: &mut Context) -> bool {
        let Some(ask) = self.lease.asks.remove(&question) else { return false };
        self.lease.asks.retain(|it, _| *it > question.saturating_sub(1000));
        self.grant(ask, Revision(index), ctx);
        true
    }

    fn grant(&mut self, Ask { director, life, sequence, enforced }: Ask, commit: Revision, ctx: &mut Context) {
        let (now, term) = (self.now(ctx), self.raft.term());
        let name = ctx.names.directors[usize::from(director)].clone();
        self.lease.with_grantor(term, now, |_| ());
        if self.lease.enforced.insert(name.clone(), enforced) != Some(enforced) {
            self.reconciler.dirty = true;
        }
        if self.reconciler.withholds_from(&name, now) {
            return;
        }
        self.lease.with_grantor(term, now, |grantor| grantor.on_granted(&name, now));
        ctx.observe(&Observation::LeaseGranted { leader: self.me, term, director, sequence });
        if director == self.me {
            self.on_grant(sequence, commit, ctx);
        } else {
            ctx.send(self.node(), Node::Director(director), Message::GrantLease { life, sequence, commit });
        }
    }

    pub(super) fn on_grant(&mut self, sequence: u64, commit: Revision, ctx: &mut Context) {
        let came = self.now(ctx);
        self.lease.grants.push(Grant { sequence, commit, came });
        self.take_grants(ctx);
    }

    /// A lease says that this director may carry what its table says: so the table must be as new as the grant.
    pub(super) fn take_grants(&mut self, ctx: &mut Context) {
        let (now, enforced) = (self.now(ctx), self.carriage.enforced);
        let ready = |it: &mut Grant| it.commit <= enforced;
        let due: Vec<Grant> = self.lease.grants.extract_if(.., ready).collect();
        self.lease.grants.retain(|it| now.since(it.came) < CATCH_UP);
        for Grant { sequence, commit, .. } in due {
            let Some(asked_at) = self.lease.asked_at.remove(&sequence) else { continue };
            self.lease.holder.on_applied(commit);
            if let Ok(until) = self.lease.holder.on_grant(sequence, commit, now) {
                let until = if ctx.has(Bug::LeaseFromGrant) { now + LEASE } else { until };
                self.lease.until = self.lease.until.max(until);
                let held = self.clock.true_time(self.lease.until);
                ctx.observe(&Observation::LeaseHeld { director: self.me, until: held });
                self.lease.live_since = self.lease.live_since.max(asked_at);
                self.vhbas_granted(asked_at, ctx);
            }
        }
    }
}
