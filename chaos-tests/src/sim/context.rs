//! What all machines of a world share: the time, what is to happen, the network, and who watches.

use std::rc::Rc;

use twinrail_proto::domain::{AdapterId, Name};

use super::bugs::Bug;
use super::judge::Judge;
use super::message::{Frame, Message};
use super::network::{Network, Node};
use super::observation::Observation;
use super::params::Params;
use super::queue::{MICRO, MILLI, Nanos, Queue};
use super::rng::{Rng, Stream};
use super::san;

/// How often a stream that gets nothing through tries again.
const PUMP_AGAIN: Nanos = 20 * MILLI;
/// From a director's port to the switch, and from the switch to a port.
const LAN_DELAY: Nanos = 30 * MICRO;

#[derive(Debug)]
pub enum Event {
    Tick {
        node: Node,
        life: u32,
    },
    Deliver {
        from: Node,
        to: Node,
        session: Option<u64>,
        message: Message,
    },
    Pump {
        from: Node,
        to: Node,
    },
    Flushed {
        node: Node,
        life: u32,
    },
    /// A frame arrives at the switch by a port; `mac` of an announcement is its source.
    AtSwitch {
        port: u8,
        adapter: AdapterId,
        mac: u64,
        frame: Option<Frame>,
    },
    /// A frame leaves the switch for a director.
    FromLan {
        port: u8,
        frame: Frame,
    },
    /// The host on the LAN speaks to all.
    HostSpeaks,
    AtArray {
        connection: san::Connection,
        request: san::Request,
    },
    FromArray {
        connection: san::Connection,
        answer: san::Answer,
    },
    ArrayExecutes {
        number: u64,
    },
    FaultBegins(usize),
    FaultEnds(usize),
    Resumes {
        node: Node,
    },
    Phase,
}

/// Whose name is whose.
#[derive(Debug)]
pub struct Names {
    pub directors: Vec<Name>,
    pub servers: Vec<Name>,
}

impl Names {
    pub fn director(&self, name: &Name) -> Option<u8> {
        self.directors.iter().position(|it| it == name).map(|it| it as u8)
    }

    pub fn server(&self, name: &Name) -> Option<u8> {
        self.servers.iter().position(|it| it == name).map(|it| it as u8)
    }
}

#[derive(Debug)]
pub struct Context {
    pub now: Nanos,
    pub queue: Queue<Event>,
    pub network: Network,
    pub names: Rc<Names>,
    pub params: Params,
    pub bug: Option<Bug>,
    pub judge: Judge,
    pub disks: Rng,
    pub storage: Rng,
    seed: u64,
}

impl Context {
    pub fn new(seed: u64, params: Params, names: Names, bug: Option<Bug>, judge: Judge) -> Self {
        Self {
            now: 0,
            queue: Queue::default(),
            network: Network::new(Rng::new(seed, Stream::Network)),
            names: Rc::new(names),
            params,
            bug,
            judge,
            disks: Rng::new(seed, Stream::Disks),
            storage: Rng::new(seed, Stream::Storage),
            seed,
        }
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// A stream of chance for one machine in one life.
    pub fn rng_of(&self, stream: Stream, node: Node, life: u32) -> Rng {
        Rng::new(self.seed ^ (u64::from(life) << 32) ^ ((node.slot() as u64) << 48), stream)
    }

    pub fn observe(&mut self, observation: &Observation<'_>) {
        self.judge.observe(self.now, observation);
    }

    /// May be lost, late, doubled, overtaken.
    pub fn send(&mut self, from: Node, to: Node, message: Message) {
        let times = self.network.datagram(from, to, self.now);
        if let Some(at) = times[1] {
            self.queue.push(at, Event::Deliver { from, to, session: None, message: message.clone() });
        }
        if let Some(at) = times[0] {
            self.queue.push(at, Event::Deliver { from, to, session: None, message });
        }
    }

    /// Between a server and a director: a datagram that is never late.
    pub fn send_frame(&mut self, from: Node, to: Node, message: Message) {
        if let Some(at) = self.network.frame(from, to, self.now) {
            self.queue.push(at, Event::Deliver { from, to, session: None, message });
        }
    }

    /// In order, for as long as the stream lasts.
    pub fn stream(&mut self, from: Node, to: Node, message: Message) {
        if self.network.enqueue(from, to, message) {
            self.pump(from, to);
        }
    }

    pub fn pump(&mut self, from: Node, to: Node) {
        match self.network.pump(from, to, self.now) {
            Some(sent) => {
                for (at, session, message) in sent {
                    self.queue.push(at, Event::Deliver { from, to, session: Some(session), message });
                }
            }
            None => self.queue.push(self.now + PUMP_AGAIN, Event::Pump { from, to }),
        }
    }

    pub fn enter_switch(&mut self, port: u8, adapter: AdapterId, mac: u64, frame: Option<Frame>) {
        self.queue.push(self.now + LAN_DELAY, Event::AtSwitch { port, adapter, mac, frame });
    }

    pub fn leave_switch(&mut self, port: u8, frame: Frame) {
        self.queue.push(self.now + LAN_DELAY, Event::FromLan { port, frame });
    }
}
