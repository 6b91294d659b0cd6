//! The disk of a vHBA as its server uses it: a few commands at a time, one to each block. What has no answer is sent again to
//! each instance of the home that admits it.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch};

use super::Server;
use crate::sim::context::Context;
use crate::sim::message::{Command, Device, DiskMessage, Message};
use crate::sim::network::Node;
use crate::sim::observation::Observation;
use crate::sim::queue::{MILLI, Nanos};
use crate::sim::san::BLOCKS;

/// Commands under way at a time.
const DEPTH: usize = 3;
const NEW_EVERY: Nanos = 40 * MILLI;
/// How often it asks its home whether it is (still) admitted, and by which instance.
const ATTACH_EVERY: Nanos = 60 * MILLI;

#[derive(Debug, Default)]
pub(super) struct Initiator {
    /// The newest home that is told of: where it attaches.
    home: Option<(u8, Epoch)>,
    /// By which instance of its home it is admitted.
    instance: Option<u64>,
    attach_at: Nanos,
    new_at: Nanos,
    under_way: BTreeMap<u64, (Command, Nanos)>,
}

impl Initiator {
    /// The server is gone, or the vHBA: what its commands came to is not known.
    pub fn give_up(self, adapter: AdapterId, ctx: &mut Context) {
        for (Command { block, write, .. }, _) in self.under_way.into_values() {
            if let Some(value) = write {
                ctx.observe(&Observation::BlockWrite { adapter, block, value, ended: Some(false) });
            }
        }
    }
}

impl Server {
    /// Gives vHBAs their homes, ends those that this server has no longer.
    pub(super) fn follow_disks(&mut self, ctx: &mut Context) {
        let mut before = std::mem::take(&mut self.initiators);
        for (adapter, route) in self.agent.newest_routes() {
            let Some(Device::Vhba { .. }) = self.devices.get(&adapter) else { continue };
            let mut initiator = before.remove(&adapter).unwrap_or_default();
            let home = route.home.as_ref().and_then(|it| ctx.names.director(it)).map(|it| (it, route.epoch));
            if initiator.home != home {
                (initiator.home, initiator.instance, initiator.attach_at) = (home, None, 0);
            }
            self.initiators.insert(adapter, initiator);
        }
        for (adapter, initiator) in before {
            initiator.give_up(adapter, ctx);
        }
    }

    /// The connection to this director is lost.
    pub(super) fn detach_disks(&mut self, director: u8) {
        for initiator in self.initiators.values_mut().filter(|it| it.home.is_some_and(|(it, _)| it == director)) {
            (initiator.instance, initiator.attach_at) = (None, 0);
        }
    }

    pub(super) fn use_disks(&mut self, ctx: &mut Context) {
        let node = self.node();
        let incarnation = u64::from(self.me + 1) << 32 | u64::from(self.life);
        let mut initiators = std::mem::take(&mut self.initiators);
        for (&adapter, initiator) in &mut initiators {
            let Some((director, epoch)) = initiator.home else { continue };
            if self.attached[usize::from(director)].is_none() {
                continue;
            }
            if ctx.now >= initiator.attach_at {
                initiator.attach_at = ctx.now + ATTACH_EVERY;
                let message = Message::Disk(DiskMessage::Attach { adapter, epoch, incarnation });
                ctx.stream(node, Node::Director(director), message);
            }
            if ctx.now >= initiator.new_at && initiator.under_way.len() < DEPTH {
                initiator.new_at = ctx.now + NEW_EVERY;
                self.begin(adapter, initiator, ctx);
            }
        }
        self.initiators = initiators;
    }

    fn begin(&mut self, adapter: AdapterId, initiator: &mut Initiator, ctx: &mut Context) {
        let block = self.rng.below(BLOCKS as u64) as u8;
        if initiator.under_way.values().any(|(it, _)| it.block == block) {
            return;
        }
        self.values += 1;
        // No other life of this server, and no other server, uses the same numbers.
        let order = u64::from(self.me + 1) << 56 | u64::from(self.life) << 40 | self.values;
        let write = self.rng.permille(600).then_some(order);
        if let Some(value) = write {
            ctx.observe(&Observation::BlockWrite { adapter, block, value, ended: None });
        }
        let command = Command { order, block, write };
        initiator.under_way.insert(order, (command, ctx.now));
        if let (Some((director, epoch)), Some(instance)) = (initiator.home, initiator.instance) {
            let message = Message::Disk(DiskMessage::Command { adapter, epoch, instance, command });
            ctx.stream(self.node(), Node::Director(director), message);
        }
    }

    pub(super) fn on_disk_message(&mut self, from: u8, message: DiskMessage, ctx: &mut Context) {
        let node = self.node();
        match message {
            DiskMessage::Attached { adapter, epoch, instance } => {
                let Some(initiator) = self.initiators.get_mut(&adapter) else { return };
                if initiator.home != Some((from, epoch)) || initiator.instance == Some(instance) {
                    return;
                }
                initiator.instance = Some(instance);
                for (command, _) in initiator.under_way.values() {
                    let message = DiskMessage::Command { adapter, epoch, instance, command: *command };
                    ctx.stream(node, Node::Director(from), Message::Disk(message));
                }
            }
            DiskMessage::Completed { adapter, epoch, instance, order, value } => {
                let Some(initiator) = self.initiators.get_mut(&adapter) else { return };
                if initiator.home != Some((from, epoch)) || initiator.instance != Some(instance) {
                    return;
                }
                let Some((command, since)) = initiator.under_way.remove(&order) else { return };
                self.acknowledged.insert(adapter, ctx.now);
                self.completed(adapter, command, since, value, ctx);
            }
            DiskMessage::Attach { .. } | DiskMessage::Command { .. } => unreachable!("only servers say that"),
        }
    }

    fn completed(&self, adapter: AdapterId, command: Command, since: Nanos, value: Option<u64>, ctx: &mut Context) {
        let block = command.block;
        match (command.write, value) {
            (Some(value), _) => {
                ctx.observe(&Observation::BlockWrite { adapter, block, value, ended: Some(true) });
            }
            (None, Some(value)) => ctx.observe(&Observation::BlockRead { adapter, block, value, since }),
            (None, None) => unreachable!("a read is answered with a value"),
        }
    }
}
