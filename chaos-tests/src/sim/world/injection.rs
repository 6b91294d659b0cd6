//! What faults do to the world, and how it is undone.

use twinrail_proto::domain::{AdminState, Rail};

use super::{Remains, World};
use crate::sim::context::Event;
use crate::sim::faults::Kind;
use crate::sim::message::Intent;
use crate::sim::network::{Node, Weather};
use crate::sim::queue::{MILLI, Nanos};

impl World {
    /// Faults end; from now on none begins. `dead`: stays away.
    pub fn calm_down(&mut self, dead: Option<Node>) {
        self.calm = true;
        for client in &mut self.clients {
            client.meddles = false;
        }
        for number in 0..self.schedule.len() {
            self.end(number);
        }
        for node in self.machines() {
            if Some(node) == dead {
                self.stop(node, false);
            } else {
                self.start(node);
            }
        }
    }

    /// A call that drains one may still be under way when the world is calm: all are enabled for as long as one is drained.
    pub fn enable_directors(&mut self) {
        let directors = self.newest().state.directors().values();
        let drained =
            directors.filter(|it| it.value.admin_state == AdminState::Drained).map(|it| it.value.name.clone());
        let orders = drained.map(|director| Intent::SetDrained { director, drained: false }).collect();
        self.clients[0].orders = orders;
    }

    pub fn machines(&self) -> Vec<Node> {
        let directors = (0..self.ctx.params.directors).map(Node::Director);
        directors.chain((0..self.ctx.params.servers).map(Node::Server)).collect()
    }

    pub(super) fn fault_begins(&mut self, number: usize) {
        if self.calm || std::mem::replace(&mut self.active[number], true) {
            return;
        }
        let fault = self.schedule[number].clone();
        let now = self.ctx.now;
        self.ctx.judge.note(now, &format!("fault begins: {fault}"));
        self.ctx.judge.fold([now, 4, number as u64]);
        match fault.kind {
            Kind::Kill(node) => self.stop(node, false),
            Kind::Power(node) => self.stop(node, true),
            Kind::PowerAll => self.all_directors(|world, node| world.stop(node, true)),
            Kind::Pause(node) => self.pause(node, now + fault.for_ms * MILLI),
            Kind::Storm { lost, doubled, delay_ms } => {
                self.ctx.network.weather = Weather { lost, doubled, delay: delay_ms * MILLI };
            }
            Kind::StallDisk(node) => {
                self.with_director(node, |it| it.disk.stalled_until = now + fault.for_ms * MILLI);
            }
            Kind::FailFlush(node) => self.with_director(node, |it| it.disk.fails = true),
            Kind::Jump(node, by) => self.with_director(node, |it| it.clock.jump(by)),
            Kind::SlowArray(permille) => self.array.slow = permille,
            Kind::NoArray(Node::Director(it)) => self.array.set_cut(it, true, &mut self.ctx),
            _ => self.cut(&fault.kind, true),
        }
    }

    pub(super) fn fault_ends(&mut self, number: usize) {
        self.end(number);
    }

    fn end(&mut self, number: usize) {
        if !std::mem::take(&mut self.active[number]) {
            return;
        }
        let fault = self.schedule[number].clone();
        let now = self.ctx.now;
        self.ctx.judge.note(now, &format!("fault ends: {fault}"));
        match fault.kind {
            Kind::Kill(node) | Kind::Power(node) | Kind::FailFlush(node) => {
                self.with_director(node, |it| it.disk.fails = false);
                self.start(node);
            }
            Kind::PowerAll => self.all_directors(Self::start),
            Kind::Pause(node) => self.resume(node),
            Kind::Storm { .. } => self.ctx.network.weather = Weather::default(),
            Kind::StallDisk(node) => self.with_director(node, |it| it.disk.stalled_until = now),
            Kind::Jump(node, by) => self.with_director(node, |it| it.clock.jump(-by)),
            Kind::SlowArray(_) => self.array.slow = self.ctx.params.slow_writes,
            Kind::NoArray(Node::Director(it)) => self.array.set_cut(it, false, &mut self.ctx),
            _ => self.cut(&fault.kind, false),
        }
    }

    fn all_directors(&mut self, act: impl Fn(&mut Self, Node)) {
        for it in 0..self.ctx.params.directors {
            act(self, Node::Director(it));
        }
    }

    fn with_director(&mut self, node: Node, act: impl FnOnce(&mut super::Director)) {
        if let Node::Director(it) = node
            && let Some(director) = self.directors.get_mut(usize::from(it))
        {
            act(director);
        }
    }

    fn cut(&mut self, kind: &Kind, cut: bool) {
        let machines = self.machines();
        let to_all = |node: Node| machines.iter().filter(move |it| **it != node).map(move |it| (node, *it));
        let between = |pairs: Vec<(Node, Node)>, rails: &[Rail]| -> Vec<(Node, Node, Rail)> {
            let both = pairs.into_iter().flat_map(|(one, other)| [(one, other), (other, one)]);
            both.flat_map(|(from, to)| rails.iter().map(move |rail| (from, to, *rail))).collect()
        };
        let directions = match *kind {
            Kind::Cut(one, other, rail) => between(vec![(one, other)], &[rail]),
            Kind::CutOneWay(from, to, rail) => vec![(from, to, rail)],
            Kind::Isolate(node) => between(to_all(node).collect(), &Rail::ALL),
            Kind::Part(node) => {
                let directors = to_all(node).filter(|(_, it)| matches!(it, Node::Director(_)));
                between(directors.collect(), &Rail::ALL)
            }
            Kind::Split(one, other) => {
                let apart = to_all(one).chain(to_all(other)).filter(|(_, it)| *it != one && *it != other);
                between(apart.collect(), &Rail::ALL)
            }
            Kind::RailOut(rail) => {
                let all = machines.iter().flat_map(|one| machines.iter().map(move |other| (*one, *other)));
                all.filter(|(one, other)| one != other).map(|(from, to)| (from, to, rail)).collect()
            }
            _ => Vec::new(),
        };
        for (from, to, rail) in directions {
            self.ctx.network.cut(from, to, rail, cut, self.ctx.now);
        }
    }

    /// The process, or its machine, stops, if it runs.
    pub fn stop(&mut self, node: Node, power_lost: bool) {
        let remains = match node {
            Node::Director(it) => {
                let Some(director) = self.directors.get_mut(usize::from(it)).filter(|it| it.runs) else { return };
                Remains::Director(director.stop(power_lost, &mut self.ctx))
            }
            Node::Server(it) => {
                let Some(server) = self.servers.get_mut(usize::from(it)).filter(|it| it.runs) else { return };
                Remains::Server(server.stop(power_lost, &mut self.ctx))
            }
            Node::Client(_) => return,
        };
        self.ctx.judge.note(self.ctx.now, &format!("{node} stops"));
        self.remains.push((node, remains));
    }

    /// It starts from what was left, if it does not run.
    pub fn start(&mut self, node: Node) {
        let Some(at) = self.remains.iter().position(|(it, _)| *it == node) else { return self.resume(node) };
        self.ctx.judge.note(self.ctx.now, &format!("{node} starts"));
        match (self.remains.swap_remove(at).1, node) {
            (Remains::Director(durable), Node::Director(it)) => {
                self.directors[usize::from(it)].start(durable, &mut self.ctx);
            }
            (Remains::Server(kept), Node::Server(it)) => self.servers[usize::from(it)].start(kept, &mut self.ctx),
            (remains, node) => unreachable!("{remains:?} of {node}"),
        }
    }

    fn pause(&mut self, node: Node, until: Nanos) {
        let now = self.ctx.now;
        let Node::Director(it) = node else { return };
        let Some(director) = self.directors.get_mut(usize::from(it)).filter(|it| it.runs) else { return };
        if director.paused_until.is_none() {
            self.paused_at[usize::from(it)] = now;
        }
        director.paused_until = Some(until.max(director.paused_until.unwrap_or_default()));
        self.ctx.network.set_running(node, false, now);
        self.ctx.queue.push(until, Event::Resumes { node });
    }

    /// When its pause is over, or the world is calm.
    pub(super) fn resume(&mut self, node: Node) {
        let now = self.ctx.now;
        let calm = self.calm;
        let Node::Director(it) = node else { return };
        let stopped_for = now - self.paused_at[usize::from(it)];
        let Some(director) = self.directors.get_mut(usize::from(it)) else { return };
        if director.paused_until.is_some_and(|until| now >= until || calm) {
            director.resume(&mut self.ctx, stopped_for);
        }
    }
}
