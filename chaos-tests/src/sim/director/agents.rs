//! The agents attached here: what they are told, and what they said.

use std::collections::BTreeMap;
use std::rc::Rc;

use twinrail_failover::agent::{AssignedAdapter, AssignedProfile, Assignment, Phase, Route};
use twinrail_proto::domain::{Adapter, BindingPhase, Name, Profile, Revision};

use super::Director;
use crate::sim::context::Context;
use crate::sim::message::{Assigned, Device, Message, Said};
use crate::sim::network::Node;

#[derive(Debug, Default)]
pub(super) struct Agents(BTreeMap<u8, Attached>);

#[derive(Debug)]
struct Attached {
    session: u64,
    told: Option<Rc<Assigned>>,
    released: BTreeMap<Name, Revision>,
}

impl Agents {
    pub fn attached(&self, server: u8) -> bool {
        self.0.contains_key(&server)
    }

    pub fn released(&self, server: u8, profile: &Name, revision: Revision) -> bool {
        self.0.get(&server).and_then(|it| it.released.get(profile)).is_some_and(|&said| said >= revision)
    }
}

impl Director {
    pub(super) fn on_attach(&mut self, server: u8, ctx: &mut Context) {
        let session = ctx.network.session(Node::Server(server), self.node());
        self.agents.0.insert(server, Attached { session, told: None, released: BTreeMap::new() });
        self.tell(server, ctx);
        self.reconciler.dirty = true;
    }

    pub(super) fn on_said(&mut self, server: u8, said: Said, ctx: &Context) {
        let now = self.now(ctx);
        match said {
            Said::Paths(paths) => {
                let server = &ctx.names.servers[usize::from(server)];
                for (director, rail, up) in paths {
                    self.liveness.detector.on_report(server, &director, rail, up, now);
                }
            }
            Said::Released { profile, revision } => {
                if let Some(attached) = self.agents.0.get_mut(&server) {
                    attached.released.insert(profile, revision);
                }
            }
        }
        self.reconciler.dirty = true;
    }

    /// Streams that broke, and those whose paths are all down.
    pub(super) fn detach_lost_agents(&mut self, ctx: &mut Context) {
        let node = self.node();
        let mut gone = Vec::new();
        for (&server, attached) in &self.agents.0 {
            let peer = Node::Server(server);
            let same = ctx.network.session(peer, node) == attached.session;
            if !same || !ctx.network.perceives_any(node, peer, ctx.now) {
                gone.push((server, same));
            }
        }
        for (server, same) in gone {
            self.agents.0.remove(&server);
            self.liveness.detector.forget_server(&ctx.names.servers[usize::from(server)]);
            self.reconciler.dirty = true;
            if same {
                ctx.network.close(node, Node::Server(server));
            }
        }
    }

    pub(super) fn notify_agents(&mut self, ctx: &mut Context) {
        let servers: Vec<u8> = self.agents.0.keys().copied().collect();
        servers.into_iter().for_each(|server| self.tell(server, ctx));
    }

    /// The assignment, if it differs from what was told last.
    fn tell(&mut self, server: u8, ctx: &mut Context) {
        let assigned = Rc::new(self.assignment(server, ctx));
        let Some(attached) = self.agents.0.get_mut(&server) else { return };
        let same = attached.told.as_ref().is_some_and(|told| told.assignment.profiles == assigned.assignment.profiles);
        attached.told = Some(assigned.clone());
        if !same {
            ctx.stream(Node::Director(self.me), Node::Server(server), Message::Assigned(assigned));
        }
    }

    fn assignment(&mut self, server: u8, ctx: &Context) -> Assigned {
        let name = &ctx.names.servers[usize::from(server)];
        let (mut profiles, mut devices) = (Vec::new(), Vec::new());
        let state = std::mem::take(&mut self.state);
        for profile in state.profiles_on(name) {
            devices.extend(profile.vnics.values().map(|it| (it.id, Device::Vnic { mac: it.mac.to_u64() })));
            devices.extend(profile.vhbas.values().map(|it| (it.id, Device::Vhba { wwpn: it.wwpn.to_u64() })));
            profiles.push(self.assigned(profile, state.profiles()[&profile.name].modified, ctx));
        }
        let revision = state.revision();
        self.state = state;
        Assigned { assignment: Assignment { from: self.name.clone(), revision, profiles }, devices }
    }

    fn assigned(&mut self, profile: &Profile, revision: Revision, ctx: &Context) -> AssignedProfile {
        let releasing = profile.binding.as_ref().is_some_and(|it| matches!(it.phase, BindingPhase::Releasing { .. }));
        let adapters = profile.adapters().map(|it| self.assigned_adapter(&it, ctx)).collect();
        let phase = if releasing { Phase::Releasing } else { Phase::Active };
        AssignedProfile { profile: profile.name.clone(), revision, phase, adapters }
    }

    fn assigned_adapter(&mut self, adapter: &Adapter<'_>, ctx: &Context) -> AssignedAdapter {
        let epoch = self.carriage.epoch_of(adapter.id, adapter.home.epoch, ctx);
        AssignedAdapter {
            adapter: adapter.id,
            route: Route { home: adapter.home.director.clone(), epoch },
            successors: adapter.home.successors.clone(),
            carrying: self.carriage.carries(adapter.id, epoch) || self.vhbas.admits(adapter.id, epoch),
        }
    }
}
