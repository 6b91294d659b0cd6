use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use twinrail_datapath_sys::Buffer;
use twinrail_datapath_sys::verbs::{Completion, CompletionQueue, Completions, Segment, WorkBatch, WorkList};
use twinrail_proto::rail::{Kind, MAX_MESSAGE};

use super::credits::SendWindow;
use super::memory::Regions;
use super::open::{INLINE, requests_for};
use super::path::{Exchange, Path, Request, cause_of};
use crate::Cause;
use crate::arena::{Arena, Slot};
use crate::fast_map::FastMap;
use crate::rail::{Nanos, Outgoing, RailSender, SendReport};

/// Every so many requests one reports its completion, and the last of a flush does: buffers come back soon, and most
/// requests cost no completion.
const REPORT_EVERY: u32 = 16;

/// Room for the head of a message that is too large to go along with its request.
const CELL: usize = 128;

/// A message that no peer took for so long will not be taken: its receiver posts no buffers, or is stopped for longer than
/// paths live without hellos.
const STALLED: Nanos = 1_000_000_000;

/// A peer that was not heard for so long is asked for: more than a hello interval, less than two.
const UNHEARD: Nanos = 15_000_000;

/// How long the last messages of a rail that is closed may take.
const FAREWELL: Duration = Duration::from_millis(50);

pub(super) struct VerbsSender {
    /// Which of a path's queue pairs is this thread's.
    pub lane: usize,
    pub exchange: Arc<Exchange>,
    pub regions: Regions,
    pub completions: Arc<CompletionQueue>,
    pub polled: Completions,
    pub heads: Heads,
    /// By queue pair number: those in use, and those whose requests are still under way.
    pub lanes: FastMap<u32, Lane>,
    pub by_peer: FastMap<IpAddr, u32>,
    pub posted: Vec<Outgoing>,
    /// Peers of this flush.
    pub touched: Vec<u32>,
    pub work: WorkList,
    /// Slots of messages that did not go.
    pub unsent: Vec<Slot>,
    pub memory_told: bool,
}

/// This thread's queue pair of a path.
pub(super) struct Lane {
    path: Arc<Path>,
    /// Which of its queue pairs.
    index: usize,
    window: SendWindow,
    /// Requests of this flush.
    queue: Vec<Outgoing>,
    underway: VecDeque<Underway>,
    next: u64,
    unreported: u32,
    room: usize,
}

/// A request that the hardware has.
struct Underway {
    token: u64,
    slot: Option<Slot>,
    cell: Option<u16>,
    since: Nanos,
}

/// Registered memory for heads.
pub(super) struct Heads {
    buffer: Buffer,
    free: Vec<u16>,
}

impl Heads {
    pub fn new(buffer: Buffer) -> Self {
        let free = (0..(buffer.len() / CELL) as u16).collect();
        Self { buffer, free }
    }

    /// Copies a head to a cell. There is one for every message that can be under way at a time, as far as memory goes.
    fn put(&mut self, head: &[u8], regions: &mut Regions) -> io::Result<(u16, Segment)> {
        let region = regions.of(&self.buffer)?;
        let cell = self.free.pop().ok_or(io::ErrorKind::WouldBlock)?;
        let start = usize::from(cell) * CELL;
        self.buffer[start..start + head.len()].copy_from_slice(head);
        Ok((cell, region.segment(&self.buffer, start..start + head.len())))
    }
}

impl RailSender for VerbsSender {
    fn post(&mut self, arena: &mut Arena, message: Outgoing) {
        if let Some(body) = message.body {
            arena.hold(body.slot);
        }
        self.posted.push(message);
    }

    fn flush(&mut self, arena: &mut Arena, now: Nanos) -> SendReport {
        let mut report = SendReport::default();
        self.adopt();
        self.collect(|slot| arena.release(slot));
        self.sort(arena, now, &mut report);
        let mut touched = std::mem::take(&mut self.touched);
        for number in touched.drain(..) {
            self.send(number, arena, now, &mut report);
        }
        self.touched = touched;
        if self.lane == 0 {
            self.tell_owed(now);
        }
        self.retire(arena, now);
        report
    }

    /// Whole messages: the hardware cuts them into packets.
    fn limit(&self) -> u32 {
        MAX_MESSAGE as u32
    }

    fn refresh(&mut self) {}
}

impl VerbsSender {
    /// Takes over the paths that were made.
    fn adopt(&mut self) {
        while let Some(path) = self.exchange.for_senders[self.lane].pop() {
            let number = path.queue_pairs[self.lane].number();
            self.by_peer.insert(path.peer, number);
            let room = requests_for(path.window) as usize;
            let window = SendWindow::new(path.window);
            let (queue, underway) = (Vec::with_capacity(room), VecDeque::with_capacity(room));
            self.lanes
                .insert(number, Lane { path, index: self.lane, window, queue, underway, next: 0, unreported: 0, room });
        }
    }

    /// Takes what the hardware is done with.
    fn collect(&mut self, mut release: impl FnMut(Slot)) {
        loop {
            match self.completions.poll(&mut self.polled) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            for completion in self.polled.iter() {
                let Some(lane) = self.lanes.get_mut(&completion.queue_pair()) else { continue };
                lane.finish(&completion, &mut self.heads, &mut release);
                if let Err(error) = completion.result() {
                    self.exchange.break_path(&lane.path, cause_of(error));
                }
            }
        }
    }

    /// Puts each message to its path, or drops it.
    fn sort(&mut self, arena: &mut Arena, now: Nanos, report: &mut SendReport) {
        let mut posted = std::mem::take(&mut self.posted);
        for message in posted.drain(..) {
            let number = self.by_peer.get(&message.to).copied();
            let lane = number.and_then(|it| self.lanes.get_mut(&it)).filter(|it| it.path.is_usable());
            let is_hello = message.head.bytes().get(3) == Some(&(Kind::Hello as u8));
            match lane.map(|it| (it.is_open(), it)) {
                Some((true, lane)) => {
                    if is_hello && now.saturating_sub(lane.path.heard.load(Ordering::Relaxed)) > UNHEARD {
                        self.exchange.ask(Request::Probe(message.to));
                    }
                    if lane.queue.is_empty() {
                        self.touched.push(number.unwrap_or_default());
                    }
                    lane.window.send();
                    lane.queue.push(message);
                    continue;
                }
                // A hello that does not go is no frame that is lost: the path is down, or will be.
                Some((false, lane)) => {
                    report.full += u64::from(!is_hello);
                    if lane.window.is_overdrawn(lane.taken_by_peer()) {
                        self.exchange.break_path(&lane.path, Cause::RailCredit);
                    }
                }
                None if is_hello => self.exchange.ask(Request::Connect(message.to)),
                None => report.unconnected += 1,
            }
            if let Some(body) = message.body {
                arena.release(body.slot);
            }
        }
        self.posted = posted;
    }

    fn send(&mut self, number: u32, arena: &mut Arena, now: Nanos, report: &mut SendReport) {
        let Some(lane) = self.lanes.get_mut(&number) else { return };
        let mut queue = std::mem::take(&mut lane.queue);
        let last = queue.len() - 1;
        let mut batch = self.work.start();
        for (at, message) in queue.iter().enumerate() {
            let reported = at == last || lane.unreported + 1 >= REPORT_EVERY;
            match add(&mut batch, lane, message, arena, &mut self.heads, &mut self.regions, reported) {
                Ok(cell) => {
                    let slot = message.body.map(|it| it.slot);
                    lane.underway.push_back(Underway { token: lane.next, slot, cell, since: now });
                    lane.next += 1;
                    lane.unreported = if reported { 0 } else { lane.unreported + 1 };
                }
                Err(error) => {
                    report.refused += 1;
                    if !std::mem::replace(&mut self.memory_told, true) {
                        tracing::error!(%error, "cannot register the buffers of a thread with the RDMA device: is the limit of locked memory (memlock) too low?");
                    }
                    self.unsent.extend(message.body.map(|it| it.slot));
                }
            }
        }
        let tried = batch.len();
        let (taken, result) = batch.post(&lane.path.queue_pairs[self.lane]);
        report.sent += taken as u64;
        report.refused += (tried - taken) as u64;
        if let Err(error) = result {
            tracing::debug!(peer = %lane.path.peer, %error, "a queue pair takes no more");
            for Underway { slot, cell, .. } in lane.underway.drain(lane.underway.len() - (tried - taken)..) {
                self.unsent.extend(slot);
                self.heads.free.extend(cell);
            }
            self.exchange.break_path(&lane.path, Cause::RailBroken);
        }
        self.unsent.drain(..).for_each(|it| arena.release(it));
        queue.clear();
        lane.queue = queue;
    }

    /// Tells peers how much was taken, where no message did.
    fn tell_owed(&mut self, now: Nanos) {
        while let Some(path) = self.exchange.owing.pop() {
            path.owing.store(false, Ordering::Release);
            let number = path.queue_pairs[self.lane].number();
            let Some(lane) = self.lanes.get_mut(&number).filter(|it| it.path.is_usable()) else { continue };
            if !path.is_owed() || lane.underway.len() >= lane.room {
                continue;
            }
            let mut batch = self.work.start();
            batch.send_inline(lane.next, &[], Some(path.tell()), true);
            match batch.post(&path.queue_pairs[self.lane]) {
                (1, _) => {
                    lane.underway.push_back(Underway { token: lane.next, slot: None, cell: None, since: now });
                    lane.next += 1;
                    lane.unreported = 0;
                }
                _ => self.exchange.break_path(&path, Cause::RailBroken),
            }
        }
    }

    /// Ends paths that do not move, and forgets those that broke when the hardware has given all of their buffers back.
    fn retire(&mut self, arena: &mut Arena, now: Nanos) {
        let (exchange, heads) = (&self.exchange, &mut self.heads);
        let gone = self.lanes.extract_if(|_, lane| {
            let oldest = lane.underway.front().map(|it| now.saturating_sub(it.since));
            if oldest.is_some_and(|it| it > STALLED) {
                exchange.break_path(&lane.path, Cause::RailStalled);
            }
            let broken = lane.path.broken.load(Ordering::Acquire);
            broken && oldest.is_none_or(|it| it > 2 * STALLED)
        });
        for (number, mut lane) in gone {
            for Underway { slot, cell, .. } in lane.underway.drain(..) {
                slot.into_iter().for_each(|it| arena.release(it));
                heads.free.extend(cell);
            }
            if self.by_peer.get(&lane.path.peer) == Some(&number) {
                self.by_peer.remove(&lane.path.peer);
            }
            exchange.finish(lane.path);
        }
    }
}

/// What was sent last, a farewell, still goes out; then the paths are given up.
impl Drop for VerbsSender {
    fn drop(&mut self) {
        let until = Instant::now() + FAREWELL;
        let waits = |it: &Lane| it.path.is_usable() && !it.underway.is_empty();
        while Instant::now() < until && self.lanes.values().any(waits) {
            self.collect(|_| {});
            std::thread::sleep(Duration::from_millis(1));
        }
        for (_, lane) in self.lanes.drain() {
            self.exchange.finish(lane.path);
        }
    }
}

impl Lane {
    /// Whether the queue pair takes one more message, and the peer has a buffer for it. Places are left for what tells the
    /// peer how much was taken.
    fn is_open(&self) -> bool {
        let lane_room = self.room - usize::from(super::credits::RESERVE);
        self.underway.len() + self.queue.len() < lane_room && self.window.is_open(self.taken_by_peer())
    }

    fn taken_by_peer(&self) -> u16 {
        self.path.taken_by_peer[self.index].load(Ordering::Relaxed)
    }

    /// This request and all before it are done.
    fn finish(&mut self, completion: &Completion, heads: &mut Heads, release: &mut impl FnMut(Slot)) {
        while let Some(Underway { slot, cell, .. }) = self.underway.pop_front_if(|it| it.token <= completion.id()) {
            slot.into_iter().for_each(&mut *release);
            heads.free.extend(cell);
        }
    }
}

/// Puts a message together: small ones go along with their request, the octets of others are taken from where they are.
/// Returns the cell of its head, if it has one.
fn add<'a>(
    batch: &mut WorkBatch<'a>,
    lane: &Lane,
    message: &'a Outgoing,
    arena: &'a Arena,
    heads: &mut Heads,
    regions: &mut Regions,
    reported: bool,
) -> io::Result<Option<u16>> {
    let (head, told) = (message.head.bytes(), Some(lane.path.tell()));
    if message.len() <= INLINE as usize {
        let body = message.body.map_or(&[][..], |it| arena.piece(it));
        batch.send_inline(lane.next, &[head, body], told, reported);
        return Ok(None);
    }
    let body = match message.body {
        Some(body) => {
            let buffer = arena.buffer(body.slot);
            Some(regions.of(buffer)?.segment(buffer, body.range()))
        }
        None => None,
    };
    if head.is_empty() {
        batch.send(lane.next, body.as_slice(), told, reported);
        return Ok(None);
    }
    let (cell, head) = heads.put(head, regions)?;
    match body {
        Some(body) => batch.send(lane.next, &[head, body], told, reported),
        None => batch.send(lane.next, &[head], told, reported),
    }
    Ok(Some(cell))
}
