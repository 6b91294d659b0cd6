//! One world: machines, what connects them, and everything that happens, in one thread and on one clock. The seed decides
//! everything, so that two worlds of one seed are the same to the last bit.

mod injection;
mod setup;

use super::bugs::Bug;
use super::client::Client;
use super::clock::Clock;
use super::context::{Context, Event, Names};
use super::director::Director;
use super::faults::Fault;
use super::judge::Judge;
use super::lan::Lan;
use super::message::{FrameKind, Message};
use super::network::Node;
use super::params::{Params, WARM_UP};
use super::queue::{MILLI, Nanos};
use super::rng::{Rng, Stream};
use super::san::Array;
use super::server::{Kept, Server};
use crate::sim::consensus::Durable;

/// How often the host on the LAN speaks to everybody.
const HOST_EVERY: Nanos = 60 * MILLI;
/// Clients; the last one watches.
const CLIENTS: u8 = 3;

/// What is left of machines that do not run.
#[derive(Debug)]
enum Remains {
    Director(Durable),
    Server(Kept),
}

#[derive(Debug)]
pub struct World {
    pub ctx: Context,
    pub directors: Vec<Director>,
    pub servers: Vec<Server>,
    pub clients: Vec<Client>,
    pub lan: Lan,
    array: Array,
    schedule: Vec<Fault>,
    active: Vec<bool>,
    /// No fault begins any more.
    calm: bool,
    remains: Vec<(Node, Remains)>,
    paused_at: Vec<Nanos>,
    pub events: u64,
}

impl World {
    pub fn new(seed: u64, bug: Option<Bug>, schedule: Vec<Fault>, judge: Judge) -> Self {
        let mut rng = Rng::new(seed, Stream::World);
        let params = Params::draw(&mut rng, bug != Some(Bug::MacReusedAtOnce));
        let name = |letter: char, number: u8| format!("{letter}{}", number + 1).parse().expect("a name");
        let names = Names {
            directors: (0..params.directors).map(|it| name('d', it)).collect(),
            servers: (0..params.servers).map(|it| name('s', it)).collect(),
        };
        let durable = setup::durable(&params, &names);
        let mut judge = judge;
        judge.committed = durable.log.snapshot_index();
        let mut ctx = Context::new(seed, params, names, bug, judge);
        let directors = (0..ctx.params.directors)
            .map(|it| Director::new(it, Clock::draw(&mut rng), durable.clone(), &ctx))
            .collect();
        let servers = (0..ctx.params.servers).map(|it| Server::new(it, Clock::draw(&mut rng), &ctx)).collect();
        let clients = (0..CLIENTS).map(|it| Client::new(it, it + 1 == CLIENTS, &ctx)).collect();
        for (number, fault) in schedule.iter().enumerate() {
            ctx.queue.push(fault.at_ms * MILLI, Event::FaultBegins(number));
            ctx.queue.push((fault.at_ms + fault.for_ms) * MILLI, Event::FaultEnds(number));
        }
        let (lan, array) = (Lan::new(ctx.params.directors), Array::new(ctx.params.slow_writes, ctx.params.login_waits));
        let (active, paused_at) = (vec![false; schedule.len()], vec![0; usize::from(ctx.params.directors)]);
        let mut world = Self {
            ctx,
            directors,
            servers,
            clients,
            lan,
            array,
            schedule,
            active,
            calm: false,
            remains: Vec::new(),
            paused_at,
            events: 0,
        };
        world.start_all(durable);
        world
    }

    fn start_all(&mut self, durable: Durable) {
        for director in &mut self.directors {
            director.start(durable.clone(), &mut self.ctx);
        }
        for server in &mut self.servers {
            server.start(Kept::default(), &mut self.ctx);
        }
        for client in &self.clients {
            self.ctx.network.set_running(client.node(), true, 0);
            self.ctx.queue.push(WARM_UP / 3, Event::Tick { node: client.node(), life: 0 });
        }
        self.ctx.queue.push(HOST_EVERY, Event::HostSpeaks);
    }

    /// Runs until this time, or until an invariant does not hold. False: it does not.
    pub fn run_until(&mut self, until: Nanos) -> bool {
        self.ctx.queue.push(until, Event::Phase);
        while self.ctx.judge.finding.is_none() {
            let Some((at, event)) = self.ctx.queue.pop() else { unreachable!("machines tick for ever") };
            self.ctx.now = at;
            self.events += 1;
            if let Event::Phase = event {
                return true;
            }
            self.happen(event);
        }
        false
    }

    fn happen(&mut self, event: Event) {
        let now = self.ctx.now;
        match event {
            Event::Tick { node, life } => self.tick(node, life),
            Event::Deliver { from, to, session, message } => self.deliver(from, to, session, message),
            Event::Pump { from, to } => self.ctx.pump(from, to),
            Event::Flushed { node, life } => self.flushed(node, life),
            Event::AtSwitch { port, adapter, mac, frame } => {
                self.ctx.judge.fold([now, 1, mac << 8 | u64::from(port)]);
                self.lan.on_frame(port, adapter, mac, frame, &mut self.ctx);
            }
            Event::FromLan { port, frame } => match self.awake(Node::Director(port)) {
                Awake::Yes => self.directors[usize::from(port)].on_lan(frame, &mut self.ctx),
                // What its socket had queued is stale when it goes on.
                Awake::NotBefore(_) | Awake::No => {}
            },
            Event::HostSpeaks => self.host_speaks(),
            Event::AtArray { connection, request } => {
                self.ctx.judge.fold([now, 2, connection.number]);
                self.array.on_request(connection, request, &mut self.ctx);
            }
            Event::FromArray { connection, answer } => match self.awake(Node::Director(connection.director)) {
                Awake::Yes => {
                    self.directors[usize::from(connection.director)].on_array(connection, answer, &mut self.ctx);
                }
                Awake::NotBefore(at) => self.ctx.queue.push(at, Event::FromArray { connection, answer }),
                Awake::No => {}
            },
            Event::ArrayExecutes { number } => {
                self.ctx.judge.fold([now, 3, number]);
                self.array.execute(number, &mut self.ctx);
            }
            Event::FaultBegins(number) => self.fault_begins(number),
            Event::FaultEnds(number) => self.fault_ends(number),
            Event::Resumes { node } => self.resume(node),
            Event::Phase => {}
        }
    }

    fn tick(&mut self, node: Node, life: u32) {
        match self.awake(node) {
            Awake::Yes => {}
            Awake::NotBefore(at) => return self.ctx.queue.push(at, Event::Tick { node, life }),
            Awake::No => return,
        }
        match node {
            Node::Director(it) => {
                let director = &mut self.directors[usize::from(it)];
                if director.life == life {
                    director.tick(&mut self.ctx);
                }
            }
            Node::Server(it) => {
                let server = &mut self.servers[usize::from(it)];
                if server.life == life {
                    server.tick(&mut self.ctx);
                }
            }
            Node::Client(it) => self.clients[usize::from(it)].tick(&mut self.ctx),
        }
    }

    fn deliver(&mut self, from: Node, to: Node, session: Option<u64>, message: Message) {
        if session.is_some_and(|it| it != self.ctx.network.session(from, to)) {
            return;
        }
        let stale = matches!(message, Message::Frame(_) | Message::Ready { .. });
        match self.awake(to) {
            Awake::Yes => {}
            // A frame that waited in a socket is not worth having: the datapath drops it after a stall.
            Awake::NotBefore(_) if stale && !self.ctx.has(Bug::NoStallGuard) => return,
            Awake::NotBefore(at) => {
                return self.ctx.queue.push(at, Event::Deliver { from, to, session, message });
            }
            Awake::No => return,
        }
        self.ctx.judge.fold([self.ctx.now, from.slot() as u64, to.slot() as u64]);
        match (from, to) {
            (_, Node::Director(it)) => self.directors[usize::from(it)].on_message(from, message, &mut self.ctx),
            (Node::Director(from), Node::Server(it)) => {
                self.servers[usize::from(it)].on_message(from, message, &mut self.ctx);
            }
            (_, Node::Client(it)) => {
                if let Message::Answered { call, answer } = message {
                    self.clients[usize::from(it)].on_answer(call, answer, &mut self.ctx);
                }
            }
            (from, to) => unreachable!("{from} does not speak to {to}"),
        }
    }

    fn flushed(&mut self, node: Node, life: u32) {
        match self.awake(node) {
            Awake::Yes => {}
            Awake::NotBefore(at) => return self.ctx.queue.push(at, Event::Flushed { node, life }),
            Awake::No => return,
        }
        match node {
            Node::Director(it) => {
                let director = &mut self.directors[usize::from(it)];
                if director.life == life && !director.on_flushed(&mut self.ctx) {
                    self.stop(node, true);
                }
            }
            Node::Server(it) => {
                let server = &mut self.servers[usize::from(it)];
                if server.life == life {
                    server.on_flushed(&mut self.ctx);
                }
            }
            Node::Client(_) => {}
        }
    }

    fn host_speaks(&mut self) {
        self.ctx.queue.push(self.ctx.now + HOST_EVERY, Event::HostSpeaks);
        for mac in self.bound_macs() {
            self.lan.host_sends(mac, FrameKind::Ping, &mut self.ctx);
        }
    }

    /// Of the vNICs that have a server, as the director says that has applied most.
    fn bound_macs(&self) -> Vec<u64> {
        let profiles = self.newest().state.profiles().values().filter(|it| it.value.binding.is_some());
        profiles.flat_map(|it| it.value.vnics.values().map(|it| it.mac.to_u64())).collect()
    }

    /// The director that has applied most.
    pub fn newest(&self) -> &Director {
        self.directors.iter().max_by_key(|it| (it.applied, it.runs)).expect("a world has directors")
    }

    fn awake(&self, node: Node) -> Awake {
        match node {
            Node::Director(it) => {
                let director = &self.directors[usize::from(it)];
                match director.paused_until {
                    Some(until) => Awake::NotBefore(until),
                    None if director.runs => Awake::Yes,
                    None => Awake::No,
                }
            }
            Node::Server(it) if !self.servers[usize::from(it)].runs => Awake::No,
            Node::Server(_) | Node::Client(_) => Awake::Yes,
        }
    }
}

enum Awake {
    Yes,
    /// It does not run for now; what comes waits.
    NotBefore(Nanos),
    No,
}
