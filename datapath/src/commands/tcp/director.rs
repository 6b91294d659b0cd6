use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;
use twinrail_datapath_sys::{Epoll, Events};
use twinrail_proto::domain::{AdapterId, Epoch, Name, Rail, RailAddresses};
use twinrail_proto::rail::command::{Body, Head, RefusalCause, Refused};

use super::wire::{Seen, Wire};
use super::{NO_TIME, READY_AT_ONCE};
use crate::commands::target::{Effect, News};
use crate::commands::{LinkId, Parcel, Target};
use crate::rail::Nanos;

/// Connections that a director has at most: two for each vHBA of a full house of servers. More are closed at once.
const MAX_CONNECTIONS: usize = 4096;

/// Tokens: the listeners of the rails, then connections by their number; sessions by their adapter, above them.
const FIRST_LINK: u64 = 2;
const SESSION: u64 = 1 << 63;

/// Where a director listens, and who may connect.
#[derive(Clone, Debug)]
pub struct Listening {
    pub addresses: RailAddresses,
    pub port: u16,
    /// Whose address is whose, on either rail.
    pub servers: BTreeMap<IpAddr, Name>,
}

struct Connection {
    wire: Wire,
    peer: Name,
    /// What it has attached to, or tried to.
    adapter: Option<AdapterId>,
}

/// The targets of a director with their connections.
pub struct TcpTargets {
    listeners: [TcpListener; 2],
    servers: BTreeMap<IpAddr, Name>,
    epoll: Epoll,
    events: Events,
    targets: BTreeMap<AdapterId, Target>,
    connections: BTreeMap<LinkId, Connection>,
    links: u64,
}

impl TcpTargets {
    pub fn listen(listening: Listening) -> io::Result<Self> {
        let Listening { addresses, port, servers } = listening;
        let (epoll, events) = (Epoll::new()?, Events::with_room_for(READY_AT_ONCE));
        let open = |rail: Rail| -> io::Result<TcpListener> {
            let listener = TcpListener::bind(SocketAddr::new(addresses.on(rail), port))?;
            listener.set_nonblocking(true)?;
            epoll.add(&listener, rail.index() as u64)?;
            Ok(listener)
        };
        let listeners = [open(Rail::A)?, open(Rail::B)?];
        let (targets, connections) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { listeners, servers, epoll, events, targets, connections, links: FIRST_LINK })
    }

    /// Who may connect has changed.
    pub fn set_servers(&mut self, servers: BTreeMap<IpAddr, Name>) {
        self.servers = servers;
    }

    /// A target takes its place; the adapter's former one, if any, is stopped and its session cut.
    pub fn insert(&mut self, adapter: AdapterId, target: Target) -> io::Result<()> {
        self.remove(adapter, RefusalCause::NewerEpoch);
        if let Some(fd) = target.fd() {
            self.epoll.add(&fd, SESSION | u64::from(adapter.0))?;
        }
        self.targets.insert(adapter, target);
        Ok(())
    }

    /// The director carries the adapter no longer.
    pub fn remove(&mut self, adapter: AdapterId, cause: RefusalCause) {
        let Some(mut target) = self.targets.remove(&adapter) else { return };
        if let Some(Err(error)) = target.fd().map(|fd| self.epoll.remove(&fd)) {
            tracing::warn!(%adapter, %error, "a session that was not waited for");
        }
        target.stop(cause);
        for effect in target.effects() {
            self.act(adapter, effect, &mut Vec::new());
        }
    }

    /// To pause, resume or stop it. What follows from it is done by the next turn.
    pub fn target(&mut self, adapter: AdapterId) -> Option<&mut Target> {
        self.targets.get_mut(&adapter)
    }

    /// Readable when a turn would do something.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        self.targets.values().filter_map(Target::next_deadline).min()
    }

    /// Does what can be done now. Adds what the owner of the targets has to know to `news`.
    pub fn turn(&mut self, now: Nanos, news: &mut Vec<(AdapterId, News)>) -> io::Result<()> {
        self.epoll.wait(&mut self.events, NO_TIME)?;
        let ready: Vec<u64> = self.events.iter().map(|it| it.token).collect();
        for token in ready {
            match token {
                rail if rail < FIRST_LINK => self.accept(rail as usize)?,
                session if session & SESSION != 0 => {}
                link => self.look(LinkId(link), now),
            }
        }
        let adapters: Vec<AdapterId> = self.targets.keys().copied().collect();
        for adapter in adapters {
            let Some(target) = self.targets.get_mut(&adapter) else { continue };
            target.poll(now);
            for effect in target.effects() {
                self.act(adapter, effect, news);
            }
        }
        self.flush();
        Ok(())
    }

    fn accept(&mut self, rail: usize) -> io::Result<()> {
        loop {
            match self.listeners[rail].accept() {
                Ok((stream, from)) => self.take(stream, from.ip()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A stranger's connection is closed by dropping it.
    fn take(&mut self, stream: TcpStream, from: IpAddr) {
        let Some(peer) = self.servers.get(&from).filter(|_| self.connections.len() < MAX_CONNECTIONS) else {
            tracing::warn!(%from, connections = self.connections.len(), "a connection that is not taken");
            return;
        };
        self.links += 1;
        let link = LinkId(self.links);
        match Wire::new(stream, &self.epoll, link.0, false) {
            Ok(wire) => {
                self.connections.insert(link, Connection { wire, peer: peer.clone(), adapter: None });
            }
            Err(error) => tracing::warn!(%from, %error, "a connection that cannot be used"),
        }
    }

    fn look(&mut self, link: LinkId, now: Nanos) {
        let Some(connection) = self.connections.get_mut(&link) else { return };
        let mut seen = Seen::default();
        let result = connection.wire.look(&mut seen);
        for parcel in seen.parcels {
            self.received(link, parcel, now);
        }
        if let Err(error) = result {
            tracing::info!(link = link.0, %error, "a vHBA's connection ended");
            self.lose(link);
        }
    }

    fn received(&mut self, link: LinkId, parcel: Parcel, now: Nanos) {
        let Some(connection) = self.connections.get_mut(&link) else { return };
        let adapter = *connection.adapter.get_or_insert(parcel.head.adapter);
        match (&parcel.head.body, self.targets.get_mut(&adapter)) {
            (Body::Attach(attach), Some(target)) => {
                target.attach(link, parcel.head.epoch, attach, &connection.peer, now);
            }
            (_, Some(target)) => target.received(link, parcel, now),
            (_, None) => {
                let refused = Refused { cause: RefusalCause::NotHome, known: Epoch(0) };
                let head = Head { body: Body::Refused(refused), ..parcel.head };
                connection.wire.send(Parcel { head, data: Bytes::new() });
                self.close(link);
            }
        }
    }

    fn act(&mut self, adapter: AdapterId, effect: Effect, into: &mut Vec<(AdapterId, News)>) {
        match effect {
            Effect::Send { link, parcel } => {
                if let Some(connection) = self.connections.get_mut(&link) {
                    connection.wire.send(parcel);
                }
            }
            Effect::Close { link } => self.close(link),
            Effect::News(news) => into.push((adapter, news)),
        }
    }

    /// Closes a connection, with what can be written at once: to a peer that reads nothing there is nothing to say.
    fn close(&mut self, link: LinkId) {
        if let Some(Err(error)) = self.connections.remove(&link).map(|mut it| it.wire.flush(&self.epoll)) {
            tracing::debug!(link = link.0, %error, "the last word of a connection was not heard");
        }
    }

    fn lose(&mut self, link: LinkId) {
        let adapter = self.connections.remove(&link).and_then(|it| it.adapter);
        if let Some(target) = adapter.and_then(|it| self.targets.get_mut(&it)) {
            target.closed(link);
        }
    }

    fn flush(&mut self) {
        let flushed = self.connections.iter_mut().map(|(&link, it)| (link, it.wire.flush(&self.epoll)));
        let broken: Vec<LinkId> = flushed.filter(|it| it.1.is_err()).map(|it| it.0).collect();
        for link in broken {
            self.lose(link);
        }
    }
}
