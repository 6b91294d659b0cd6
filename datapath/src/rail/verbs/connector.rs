//! The thread that makes and ends the paths of a rail: what takes its time, so that the datapath's threads never wait for it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use twinrail_datapath_sys::verbs::{
    AsyncEvent, CompletionQueue, Endpoint, QueuePair, QueuePairEvent, QueuePairSize, Route, SharedReceives,
};
use twinrail_datapath_sys::{Epoll, Events, ReceiveQueue, SendQueue, UdpSocket, monotonic_ns};
use twinrail_proto::rail::{Connection, Header, Kind, Message, Offer, QueuePairOffer, parse};

use super::credits::Budget;
use super::open::{INLINE, requests_for};
use super::path::{Exchange, Path, Request};
use super::port::LocalPort;
use crate::Cause;

/// Datagrams of one look.
const DATAGRAMS: usize = 8;
const DATAGRAM_ROOM: usize = 65_536;

const BELL: u64 = 0;
const SOCKET: u64 = 1;
const DEVICE: u64 = 2;

/// 4.096 µs × 2^14 = 67 ms until a packet counts as lost: less makes congested fabrics lose connections (and Soft-RoCE any).
const PACKET_TIMEOUT: u8 = 14;
/// All that verbs allow: with the time above a path that carries nothing breaks after half a second, and hellos have told long before.
const RETRIES: u8 = 7;
/// For ever: that a receiver has no buffer at the moment never breaks a path.
const RECEIVER_RETRIES: u8 = 7;
/// 0.64 ms, as verbs code it.
const RECEIVER_PAUSE: u8 = 12;

/// The running thread; dropping it stops and joins it.
pub(super) struct ConnectorThread {
    exchange: Arc<Exchange>,
    handle: Option<JoinHandle<()>>,
}

pub(super) struct Connector {
    pub own: IpAddr,
    pub udp_port: u16,
    pub header: Header,
    pub socket: UdpSocket,
    pub local: LocalPort,
    pub receives: Arc<SharedReceives>,
    /// Of each sending thread, and of the receiver.
    pub sends: [Arc<CompletionQueue>; 2],
    pub receptions: Arc<CompletionQueue>,
    pub budget: Budget,
    /// Requests of one thread that its completion queue has room for.
    pub requests_left: i64,
    pub exchange: Arc<Exchange>,
    /// Everybody whom something was to be sent to: nobody else gets a path.
    pub peers: BTreeMap<IpAddr, Stage>,
    /// Whose queue pairs they are, by number.
    pub numbers: BTreeMap<u32, IpAddr>,
}

/// How far the path to a peer is.
pub(super) enum Stage {
    Waiting,
    /// Its lower address is ours: it was asked.
    Asked(Ours),
    Connected {
        ours: Ours,
        number: u64,
        answer: Option<Offer>,
    },
}

/// This end of a path.
pub(super) struct Ours {
    path: Arc<Path>,
    offer: Offer,
    granted: u16,
}

impl ConnectorThread {
    pub fn start(mut connector: Connector) -> io::Result<Self> {
        let exchange = Arc::clone(&connector.exchange);
        let epoll = Epoll::new()?;
        epoll.add(&exchange.connector, BELL)?;
        epoll.add(&connector.socket, SOCKET)?;
        epoll.add(&*connector.local.context, DEVICE)?;
        let name = format!("connect-{}", connector.own);
        let handle = std::thread::Builder::new().name(name).spawn(move || connector.run(&epoll))?;
        Ok(Self { exchange, handle: Some(handle) })
    }
}

impl Drop for ConnectorThread {
    fn drop(&mut self) {
        self.exchange.stop.store(true, Ordering::Release);
        self.exchange.connector.wake();
        if self.handle.take().is_some_and(|it| it.join().is_err()) {
            tracing::error!("the connecting thread of a rail had panicked");
        }
    }
}

impl Connector {
    fn run(&mut self, epoll: &Epoll) {
        let mut events = Events::with_room_for(4);
        let (mut queue, mut sending) = (ReceiveQueue::default(), SendQueue::default());
        let mut buffers: Vec<Box<[u8]>> = (0..DATAGRAMS).map(|_| vec![0; DATAGRAM_ROOM].into()).collect();
        while !self.exchange.stop.load(Ordering::Acquire) {
            if let Err(error) = epoll.wait(&mut events, None) {
                tracing::error!(%error, "waiting for connections of a rail failed");
                return;
            }
            self.exchange.connector.clear();
            self.read_refusals();
            self.read_datagrams(&mut queue, &mut sending, &mut buffers);
            self.read_events();
            self.serve_requests(&mut sending);
            while let Some((path, cause)) = self.exchange.broken.pop() {
                self.end(&path, cause);
            }
            while self.exchange.done.pop().is_some() {}
        }
        self.exchange.done.pop();
    }

    fn serve_requests(&mut self, sending: &mut SendQueue) {
        while let Some(request) = self.exchange.requests.pop() {
            match request {
                Request::Connect(peer) => self.want(peer, sending),
                Request::Probe(peer) => self.say(peer, Connection::Probe, sending),
            }
        }
    }

    /// There is something to send to a peer that there is no path to.
    fn want(&mut self, peer: IpAddr, sending: &mut SendQueue) {
        let first = self.own < peer;
        let message = match (self.peers.entry(peer).or_insert(Stage::Waiting), first) {
            (Stage::Waiting, true) => match self.make(peer, None) {
                Ok(ours) => {
                    let offer = ours.offer;
                    self.peers.insert(peer, Stage::Asked(ours));
                    Connection::Connect(offer)
                }
                Err(error) => return tracing::warn!(%peer, %error, "cannot make a queue pair"),
            },
            (Stage::Waiting, false) => Connection::Call,
            (Stage::Asked(ours), _) => Connection::Connect(ours.offer),
            // The datapath cannot use it yet, as nothing was heard from the peer: perhaps it is gone.
            (Stage::Connected { .. }, _) => Connection::Probe,
        };
        self.say(peer, message, sending);
    }

    fn read_datagrams(&mut self, queue: &mut ReceiveQueue, sending: &mut SendQueue, buffers: &mut [Box<[u8]>]) {
        loop {
            let count = queue.receive(&self.socket, buffers.iter_mut().map(|it| &mut it[..])).unwrap_or(0);
            for (at, buffer) in buffers.iter().enumerate().take(count) {
                let received = queue.message(at);
                let Some(from) = received.from.filter(|it| it.port() == self.udp_port) else {
                    self.count(Cause::UnknownPeer);
                    continue;
                };
                let size = received.segment.unwrap_or(received.length).max(1);
                for datagram in buffer[..received.length.min(buffer.len())].chunks(size) {
                    if let Err(cause) = self.hear(from.ip(), datagram, sending) {
                        self.count(cause);
                    }
                }
            }
            if count < DATAGRAMS {
                return;
            }
        }
    }

    fn hear(&mut self, from: IpAddr, datagram: &[u8], sending: &mut SendQueue) -> Result<(), Cause> {
        let (header, message) = parse(datagram)?;
        let Message::Connection(connection) = message else { return Err(Cause::OtherRail) };
        if header.cluster != self.header.cluster {
            return Err(Cause::OtherCluster);
        }
        if !self.peers.contains_key(&from) {
            return Err(Cause::UnknownPeer);
        }
        match connection {
            Connection::Connect(offer) if from < self.own => self.on_connect(from, offer, sending),
            Connection::Accept(offer) if self.own < from => self.on_accept(from, offer),
            Connection::Call if self.own < from => {
                self.on_call(from, sending);
                Ok(())
            }
            Connection::Probe => Ok(()),
            Connection::Connect(_) | Connection::Accept(_) | Connection::Call => Err(Cause::NotOurs),
        }
    }

    fn on_connect(&mut self, from: IpAddr, offer: Offer, sending: &mut SendQueue) -> Result<(), Cause> {
        if let Some(Stage::Connected { number, answer: Some(answer), .. }) = self.peers.get(&from)
            && *number == offer.number
        {
            let answer = *answer;
            self.say(from, Connection::Accept(answer), sending);
            return Ok(());
        }
        self.close(from, Cause::RailClosed);
        let mut ours = self.make(from, Some(offer.window)).map_err(|error| failed(from, &error))?;
        ours.offer.number = offer.number;
        if let Err(error) = self.connect(&ours, &offer) {
            return Err(self.abandon(from, &ours, &error));
        }
        let answer = ours.offer;
        self.install(from, ours, offer.number, Some(answer));
        self.say(from, Connection::Accept(answer), sending);
        Ok(())
    }

    fn on_accept(&mut self, from: IpAddr, offer: Offer) -> Result<(), Cause> {
        let Some(stage) = self.peers.get_mut(&from) else { return Ok(()) };
        let ours = match std::mem::replace(stage, Stage::Waiting) {
            Stage::Asked(ours) if ours.offer.number == offer.number => ours,
            // An answer to an earlier try, or once more to this one.
            other => {
                *stage = other;
                return Ok(());
            }
        };
        if offer.window > ours.offer.window {
            return Err(self.abandon(from, &ours, &io::Error::other("the peer's window is larger than ours")));
        }
        let ours = Ours { path: Arc::new(self.path(from, &ours.path.queue_pairs, offer.window, true)), ..ours };
        if let Err(error) = self.connect(&ours, &offer) {
            return Err(self.abandon(from, &ours, &error));
        }
        self.install(from, ours, offer.number, None);
        Ok(())
    }

    /// The peer has no path with us: whatever we have is left from before.
    fn on_call(&mut self, from: IpAddr, sending: &mut SendQueue) {
        if matches!(self.peers.get(&from), Some(Stage::Connected { .. })) {
            self.close(from, Cause::RailClosed);
            self.refuse(from);
        }
        self.want(from, sending);
    }

    /// Makes this end of a path. `theirs`: the peer's window, where it is known; ours is not larger.
    fn make(&mut self, peer: IpAddr, theirs: Option<u16>) -> io::Result<Ours> {
        let granted = self.budget.grant();
        let window = theirs.map_or(granted, |it| it.min(granted));
        if self.requests_left < i64::from(requests_for(window)) {
            self.budget.give_back(granted);
            return Err(io::Error::other("there are as many paths as the completion queue has room for"));
        }
        let size = QueuePairSize { requests: requests_for(window), segments: 2, inline: INLINE };
        let queue_pair = |lane: usize| QueuePair::new([&self.sends[lane], &self.receptions], &self.receives, size);
        let queue_pairs = queue_pair(0).and_then(|first| Ok([first, queue_pair(1)?]));
        let queue_pairs = queue_pairs.inspect_err(|_| self.budget.give_back(granted))?;
        let offer = Offer {
            number: rand::random(),
            gid: self.local.gid,
            lid: self.local.port.lid,
            mtu: self.local.mtu,
            window,
            queue_pairs: std::array::from_fn(|lane| QueuePairOffer {
                number: queue_pairs[lane].number(),
                first_packet: rand::random::<u32>() & 0xff_ffff,
            }),
        };
        self.requests_left -= i64::from(requests_for(window));
        Ok(Ours { path: Arc::new(self.path(peer, &queue_pairs, window, false)), offer, granted })
    }

    fn give_back(&mut self, ours: &Ours) {
        self.budget.give_back(ours.granted);
        self.requests_left += i64::from(requests_for(ours.offer.window));
    }

    fn path(&self, peer: IpAddr, queue_pairs: &[Arc<QueuePair>; 2], window: u16, ready: bool) -> Path {
        Path::new(peer, queue_pairs.clone(), window, ready, monotonic_ns())
    }

    /// Connects both queue pairs. The receiver knows of them before anything can come.
    fn connect(&self, ours: &Ours, theirs: &Offer) -> io::Result<()> {
        if self.exchange.for_receiver.push(Arc::clone(&ours.path)).is_err() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.exchange.receiver.wake();
        let route = Route {
            port: self.local.port.number,
            link_layer: self.local.port.link_layer,
            gid_index: self.local.gid_index,
            pkey_index: self.local.pkey_index,
            service_level: self.local.service_level,
            traffic_class: self.local.traffic_class,
            mtu: self.local.mtu.min(theirs.mtu),
            timeout: PACKET_TIMEOUT,
            retries: RETRIES,
            receiver_retries: RECEIVER_RETRIES,
            receiver_pause: RECEIVER_PAUSE,
            reads: 1,
            remote_access: false,
        };
        for (lane, queue_pair) in ours.path.queue_pairs.iter().enumerate() {
            let QueuePairOffer { number, first_packet } = theirs.queue_pairs[lane];
            let peer = Endpoint { queue_pair: number, first_packet, gid: theirs.gid, lid: theirs.lid };
            queue_pair.connect(ours.offer.queue_pairs[lane].first_packet, &peer, &route)?;
        }
        Ok(())
    }

    fn install(&mut self, peer: IpAddr, ours: Ours, number: u64, answer: Option<Offer>) {
        for (lane, queue) in self.exchange.for_senders.iter().enumerate() {
            self.numbers.insert(ours.path.queue_pairs[lane].number(), peer);
            if queue.push(Arc::clone(&ours.path)).is_err() {
                self.exchange.break_path(&ours.path, Cause::RailBroken);
            }
        }
        tracing::info!(%peer, window = ours.path.window, "an RDMA path is connected");
        self.peers.insert(peer, Stage::Connected { ours, number, answer });
    }

    /// A path broke, for this reason: the datapath is told, and the queue pairs give back what they have.
    fn end(&mut self, path: &Arc<Path>, cause: Cause) {
        let current = match self.peers.get(&path.peer) {
            Some(Stage::Connected { ours, .. }) => Arc::ptr_eq(&ours.path, path),
            _ => false,
        };
        for queue_pair in &path.queue_pairs {
            self.numbers.remove(&queue_pair.number());
            if let Err(error) = queue_pair.break_off() {
                tracing::debug!(peer = %path.peer, %error, "a queue pair cannot be broken off");
            }
        }
        // Once more, so that the receiver forgets it.
        let _ = self.exchange.for_receiver.push(Arc::clone(path));
        if current {
            tracing::info!(peer = %path.peer, cause = cause.name(), "an RDMA path is closed");
            if let Some(Stage::Connected { ours, .. }) = self.peers.insert(path.peer, Stage::Waiting) {
                self.give_back(&ours);
            }
            self.count(cause);
            self.refuse(path.peer);
        }
    }

    /// Ends whatever there is with a peer.
    fn close(&mut self, peer: IpAddr, cause: Cause) {
        match self.peers.get(&peer) {
            Some(Stage::Connected { ours, .. }) => {
                let path = Arc::clone(&ours.path);
                path.broken.store(true, Ordering::Release);
                self.end(&path, cause);
            }
            Some(Stage::Asked(_)) => {
                if let Some(Stage::Asked(ours)) = self.peers.insert(peer, Stage::Waiting) {
                    self.give_back(&ours);
                }
            }
            Some(Stage::Waiting) | None => {}
        }
    }

    /// Nobody has the port open there any more.
    fn read_refusals(&mut self) {
        while let Ok(Some(refusal)) = self.socket.next_refusal() {
            let peer = refusal.to.ip();
            if refusal.port_closed && refusal.to.port() == self.udp_port {
                self.close(peer, Cause::RailClosed);
                self.refuse(peer);
            }
        }
    }

    fn read_events(&mut self) {
        while let Ok(Some(event)) = self.local.context.next_event() {
            match event {
                AsyncEvent::QueuePair { number, event } => self.on_queue_pair_event(number, event),
                AsyncEvent::PortDown { port } => tracing::warn!(port, own = %self.own, "an RDMA port is down"),
                AsyncEvent::PortUp { port } => tracing::info!(port, own = %self.own, "an RDMA port is up"),
                AsyncEvent::QueueFailed | AsyncEvent::DeviceFailed => {
                    tracing::error!(own = %self.own, "an RDMA device has failed: this rail is lost until a restart");
                }
                AsyncEvent::PortChanged { .. } | AsyncEvent::Other => {}
            }
        }
    }

    fn on_queue_pair_event(&mut self, number: u32, event: QueuePairEvent) {
        let cause = match event {
            QueuePairEvent::AccessError => Cause::RailAccess,
            QueuePairEvent::RequestError => Cause::RailRequest,
            QueuePairEvent::Failed => Cause::RailBroken,
            QueuePairEvent::Established | QueuePairEvent::LastReceive | QueuePairEvent::Other => return,
        };
        if let Some(Stage::Connected { ours, .. }) = self.numbers.get(&number).and_then(|it| self.peers.get(it)) {
            self.exchange.break_path(&ours.path, cause);
        }
    }

    /// A path comes to nothing before it is one.
    fn abandon(&mut self, peer: IpAddr, ours: &Ours, error: &io::Error) -> Cause {
        self.give_back(ours);
        ours.path.broken.store(true, Ordering::Release);
        // Once more, so that the receiver forgets it.
        let _ = self.exchange.for_receiver.push(Arc::clone(&ours.path));
        failed(peer, error)
    }

    fn count(&self, cause: Cause) {
        if self.exchange.causes.push(cause).is_ok() {
            self.exchange.receiver.wake();
        }
    }

    fn refuse(&self, peer: IpAddr) {
        if self.exchange.refused.push(peer).is_ok() {
            self.exchange.receiver.wake();
        }
    }

    /// A datagram that does not go is said again: whoever asks for a path goes on asking.
    fn say(&self, to: IpAddr, connection: Connection, sending: &mut SendQueue) {
        let header = Header { kind: Kind::Connection, ..self.header }.encode();
        let body = connection.encode();
        let mut batch = sending.start();
        batch.message(Some(SocketAddr::new(to, self.udp_port)), None);
        batch.part(&header);
        batch.part(&body);
        for _ in 0..3 {
            match batch.send(&self.socket, 0) {
                Ok(_) => return,
                Err(error) => tracing::debug!(%to, %error, "a connection message does not go"),
            }
        }
    }
}

fn failed(peer: IpAddr, error: &io::Error) -> Cause {
    tracing::warn!(%peer, %error, "cannot connect an RDMA path");
    Cause::RailBroken
}
