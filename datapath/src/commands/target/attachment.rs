//! Who is heard: the newest attachment of the bound server's newest agent.

use bytes::Bytes;
use twinrail_proto::domain::{Epoch, Name};
use twinrail_proto::rail::Incarnation;
use twinrail_proto::rail::command::{Attach, Attached, Body, CommandNumber, Head, RefusalCause, Refused};

use super::executions::Executions;
use super::functions::Functions;
use super::{Effect, Owner, Target, TargetConfig};
use crate::commands::{LinkId, Parcel};
use crate::rail::Nanos;

/// Agents that were replaced and are remembered, so that what they left in a connection is refused. Agents restart seldom;
/// of more than this many within one epoch the oldest are forgotten.
const REPLACED_AGENTS: usize = 64;

impl Target {
    /// The first message of a connection. `peer`: the server that has the connection's source address.
    pub fn attach(&mut self, link: LinkId, epoch: Epoch, attach: &Attach, peer: &Name, now: Nanos) {
        match self.check(epoch, attach, peer) {
            Ok(()) => self.let_in(link, attach),
            Err(cause) => self.refuse(link, epoch, cause),
        }
        self.pump(now);
    }

    fn check(&self, epoch: Epoch, attach: &Attach, peer: &Name) -> Result<(), RefusalCause> {
        let TargetConfig { cluster, server, epoch: own, .. } = &self.config;
        let same_agent = self.agent == Some(attach.incarnation);
        match () {
            () if attach.cluster != *cluster => Err(RefusalCause::OtherCluster),
            () if attach.server != *server || peer != server => Err(RefusalCause::NotBound),
            () if epoch < *own => Err(RefusalCause::NewerEpoch),
            () if epoch > *own => Err(RefusalCause::NotHome),
            () if self.replaced.contains(&attach.incarnation) => Err(RefusalCause::Replaced),
            () if same_agent && attach.attempt <= self.attempt => Err(RefusalCause::Replaced),
            () => self.closed.map_or(Ok(()), Err),
        }
    }

    fn let_in(&mut self, link: LinkId, attach: &Attach) {
        self.dismiss(RefusalCause::Replaced);
        if self.agent != Some(attach.incarnation) {
            self.replace_agent(attach.incarnation);
        }
        (self.link, self.attempt) = (Some(link), attach.attempt);
        self.executions.acknowledge(CommandNumber(attach.first.0 - 1));
        self.queue.retain(|it| *it >= attach.first);
        self.functions.acknowledge(attach.first_function.saturating_sub(1));
        let attached =
            Attached { attempt: attach.attempt, instance: self.config.instance, credits: self.config.credits };
        self.send(link, Body::Attached(attached), Bytes::new());
    }

    /// What waited for the former agent is forgotten; what is at the SAN is waited for.
    fn replace_agent(&mut self, agent: Incarnation) {
        if let Some(former) = self.agent.replace(agent) {
            self.replaced.push_back(former);
            if self.replaced.len() > REPLACED_AGENTS {
                self.replaced.pop_front();
            }
        }
        self.leave_functions();
        self.queue.clear();
        self.granted = self.config.credits;
        self.executions = Executions::default();
        self.functions = Functions::default();
        for flight in self.tags.values_mut().filter(|it| !matches!(it.owner, Owner::Home(_))) {
            flight.owner = Owner::Nobody;
        }
    }

    /// Sends no more to whoever is attached, and says why.
    pub(super) fn dismiss(&mut self, cause: RefusalCause) {
        if let Some(link) = self.link.take() {
            self.refuse(link, self.config.epoch, cause);
        }
    }

    fn refuse(&mut self, link: LinkId, epoch: Epoch, cause: RefusalCause) {
        let refused = Refused { cause, known: self.config.epoch };
        let head = Head { adapter: self.config.adapter, epoch, body: Body::Refused(refused) };
        let parcel = Parcel { head, data: Bytes::new() };
        self.effects.extend([Effect::Send { link, parcel }, Effect::Close { link }]);
    }

    /// Nothing sensible comes by the connection: the agent may try another.
    pub(super) fn give_up_link(&mut self) {
        if let Some(link) = self.link.take() {
            self.effects.push(Effect::Close { link });
        }
    }
}
