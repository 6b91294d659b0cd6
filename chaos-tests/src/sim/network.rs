//! What connects the machines: two rails between directors and servers, cut one way or both, and a network for the clients of
//! the API. Datagrams may be lost, delayed, doubled, reordered; streams keep their order and deliver, or break.
//!
//! Hellos are not sent one by one, which would be most of the work of a world: a path is known to be up or down as long after
//! it changed as hellos need to show it. It is up only while both directions work and both programs run, as in the product.

use std::collections::{BTreeMap, VecDeque};

use twinrail_proto::domain::Rail;

use super::message::Message;
use super::queue::{MICRO, MILLI, Nanos};
use super::rng::Rng;

pub const MAX_NODES: usize = 16;
const FIRST_SERVER: usize = 5;
const FIRST_CLIENT: usize = 10;

/// After so much silence a path is down: three missed hellos.
const DOWN_AFTER: Nanos = 35 * MILLI;
/// After so long it is up: a hello each way.
const UP_AFTER: Nanos = 15 * MILLI;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    Director(u8),
    Server(u8),
    Client(u8),
}

impl Node {
    pub fn slot(self) -> usize {
        match self {
            Self::Director(it) => usize::from(it),
            Self::Server(it) => FIRST_SERVER + usize::from(it),
            Self::Client(it) => FIRST_CLIENT + usize::from(it),
        }
    }
}

/// What it does to datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub lost: u64,
    pub doubled: u64,
    /// How much later than usual, at most.
    pub delay: Nanos,
}

#[derive(Clone, Copy, Debug, Default)]
struct Path {
    works: bool,
    since: Nanos,
}

#[derive(Debug, Default)]
struct Stream {
    session: u64,
    waiting: VecDeque<Message>,
    pumping: bool,
    last: Nanos,
}

#[derive(Debug)]
pub struct Network {
    pub rng: Rng,
    pub weather: Weather,
    runs: [bool; MAX_NODES],
    /// How many faults cut each direction.
    cuts: [[[u8; 2]; MAX_NODES]; MAX_NODES],
    paths: [[[Path; 2]; MAX_NODES]; MAX_NODES],
    streams: BTreeMap<(usize, usize), Stream>,
}

impl Network {
    pub fn new(rng: Rng) -> Self {
        Self {
            rng,
            weather: Weather::default(),
            runs: [false; MAX_NODES],
            cuts: [[[0; 2]; MAX_NODES]; MAX_NODES],
            paths: [[[Path::default(); 2]; MAX_NODES]; MAX_NODES],
            streams: BTreeMap::new(),
        }
    }

    pub fn set_running(&mut self, node: Node, runs: bool, now: Nanos) {
        self.runs[node.slot()] = runs;
        self.refresh(now);
    }

    /// Cuts one direction of one rail once more, or once less.
    pub fn cut(&mut self, from: Node, to: Node, rail: Rail, cut: bool, now: Nanos) {
        let count = &mut self.cuts[from.slot()][to.slot()][rail.index()];
        *count = if cut { *count + 1 } else { count.saturating_sub(1) };
        self.refresh(now);
    }

    fn refresh(&mut self, now: Nanos) {
        for one in 0..MAX_NODES {
            for other in 0..MAX_NODES {
                for rail in 0..2 {
                    let open = self.cuts[one][other][rail] == 0 && self.cuts[other][one][rail] == 0;
                    let works = open && self.runs[one] && self.runs[other];
                    let path = &mut self.paths[one][other][rail];
                    if path.works != works {
                        *path = Path { works, since: now };
                    }
                }
            }
        }
    }

    /// Whether `at` believes that its path to `peer` is up, and since when it works or does not.
    pub fn perceives(&self, at: Node, peer: Node, rail: Rail, now: Nanos) -> (bool, Nanos) {
        let Path { works, since } = self.paths[at.slot()][peer.slot()][rail.index()];
        let up = if works { now >= since + UP_AFTER } else { since > 0 && now < since + DOWN_AFTER };
        (up, since)
    }

    pub fn perceives_any(&self, at: Node, peer: Node, now: Nanos) -> bool {
        Rail::ALL.into_iter().any(|rail| self.perceives(at, peer, rail, now).0)
    }

    fn reaches(&self, from: Node, to: Node) -> bool {
        let cuts = &self.cuts[from.slot()][to.slot()];
        cuts.contains(&0)
    }

    fn works(&self, one: Node, other: Node) -> bool {
        self.paths[one.slot()][other.slot()].iter().any(|it| it.works)
    }

    /// When a datagram arrives: never, once, or twice.
    pub fn datagram(&mut self, from: Node, to: Node, now: Nanos) -> [Option<Nanos>; 2] {
        let Weather { lost, doubled, delay } = self.weather;
        if !self.reaches(from, to) || self.rng.permille(lost) {
            return [None, None];
        }
        let first = now + self.usual_delay() + if delay > 0 { self.rng.below(delay) } else { 0 };
        let second = self.rng.permille(doubled).then(|| first + self.rng.between(1, 20) * MILLI);
        [Some(first), second]
    }

    /// Frames between a server and a director: lost with the weather, and never late. Their order is kept on a path.
    pub fn frame(&mut self, from: Node, to: Node, now: Nanos) -> Option<Nanos> {
        let lost = !self.reaches(from, to) || self.rng.permille(self.weather.lost);
        let delay = self.usual_delay();
        (!lost).then_some(now + delay)
    }

    pub fn session(&self, from: Node, to: Node) -> u64 {
        self.streams.get(&pair(from, to)).map_or(0, |it| it.session)
    }

    /// A new stream between these two; what was under way in the former one is lost.
    pub fn open(&mut self, one: Node, other: Node) -> u64 {
        self.close(one, other);
        self.session(one, other)
    }

    pub fn close(&mut self, one: Node, other: Node) {
        for direction in [pair(one, other), pair(other, one)] {
            let stream = self.streams.entry(direction).or_default();
            stream.session += 1;
            stream.waiting.clear();
        }
    }

    pub fn close_all(&mut self, of: Node) {
        let slot = of.slot();
        for ((from, to), stream) in &mut self.streams {
            if *from == slot || *to == slot {
                stream.session += 1;
                stream.waiting.clear();
            }
        }
    }

    /// Returns whether somebody must pump.
    pub fn enqueue(&mut self, from: Node, to: Node, message: Message) -> bool {
        let stream = self.streams.entry(pair(from, to)).or_default();
        stream.waiting.push_back(message);
        !std::mem::replace(&mut stream.pumping, true)
    }

    /// What of a stream is on its way now: (when, session, message). None while nothing gets through: pump again later.
    pub fn pump(&mut self, from: Node, to: Node, now: Nanos) -> Option<Vec<(Nanos, u64, Message)>> {
        let works = self.works(from, to);
        let delay = self.usual_delay();
        let stream = self.streams.entry(pair(from, to)).or_default();
        if !works && !stream.waiting.is_empty() {
            return None;
        }
        stream.pumping = false;
        let mut sent = Vec::new();
        for message in stream.waiting.drain(..) {
            stream.last = (now + delay).max(stream.last + 1);
            sent.push((stream.last, stream.session, message));
        }
        Some(sent)
    }

    fn usual_delay(&mut self) -> Nanos {
        self.rng.between(40, 400) * MICRO
    }
}

fn pair(from: Node, to: Node) -> (usize, usize) {
    (from.slot(), to.slot())
}
