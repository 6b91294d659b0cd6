use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use twinrail_datapath_sys::{Epoll, Events, begin_connection};
use twinrail_proto::domain::{DirectorId, Rail, RailAddresses};

use super::wire::{Seen, Wire};
use super::{NO_TIME, READY_AT_ONCE};
use crate::commands::initiator::Effect;
use crate::commands::{Initiator, LinkId};
use crate::rail::Nanos;

/// Where the machines are.
#[derive(Clone, Debug)]
pub struct AgentAddresses {
    /// This server's.
    pub own: RailAddresses,
    pub directors: BTreeMap<DirectorId, RailAddresses>,
    /// The directors' TCP port for command streams.
    pub port: u16,
}

/// An initiator with its connection.
pub struct TcpInitiator {
    initiator: Initiator,
    addresses: AgentAddresses,
    epoll: Epoll,
    events: Events,
    wires: BTreeMap<LinkId, Wire>,
}

impl TcpInitiator {
    pub fn new(initiator: Initiator, addresses: AgentAddresses) -> io::Result<Self> {
        let (epoll, events) = (Epoll::new()?, Events::with_room_for(READY_AT_ONCE));
        Ok(Self { initiator, addresses, epoll, events, wires: BTreeMap::new() })
    }

    /// For submitting and for what the control plane says. What follows from it is done by the next turn.
    pub fn initiator(&mut self) -> &mut Initiator {
        &mut self.initiator
    }

    /// Where directors are found has changed.
    pub fn set_directors(&mut self, directors: BTreeMap<DirectorId, RailAddresses>) {
        self.addresses.directors = directors;
    }

    /// Readable when a turn would do something.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        self.initiator.next_deadline()
    }

    /// Does what can be done now. Adds what the owner of the commands has to know to `into`: completions, ended functions,
    /// notices and refusals, and never a connection's affairs.
    pub fn turn(&mut self, now: Nanos, into: &mut Vec<Effect>) -> io::Result<()> {
        self.epoll.wait(&mut self.events, NO_TIME)?;
        let ready: Vec<LinkId> = self.events.iter().map(|it| LinkId(it.token)).collect();
        for link in ready {
            self.look(link, now);
        }
        self.initiator.tick(now);
        self.carry_out(now, into);
        Ok(())
    }

    fn look(&mut self, link: LinkId, now: Nanos) {
        let Some(wire) = self.wires.get_mut(&link) else { return };
        let mut seen = Seen::default();
        let result = wire.look(&mut seen);
        if seen.opened {
            self.initiator.connected(link, now);
        }
        for parcel in seen.parcels {
            self.initiator.received(link, parcel, now);
        }
        if let Err(error) = result {
            tracing::info!(link = link.0, %error, "a vHBA's connection ended");
            self.lose(link, now);
        }
    }

    /// Until the engine wants nothing more.
    fn carry_out(&mut self, now: Nanos, into: &mut Vec<Effect>) {
        loop {
            let effects = self.initiator.effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.act(effect, now, into);
            }
            let broken = self.wires.iter_mut().filter_map(|(&link, it)| it.flush(&self.epoll).err().map(|_| link));
            for link in broken.collect::<Vec<_>>() {
                self.lose(link, now);
            }
        }
    }

    fn act(&mut self, effect: Effect, now: Nanos, into: &mut Vec<Effect>) {
        match effect {
            Effect::Connect { link, director, rail } => match self.connect(link, director, rail) {
                Ok(wire) => {
                    self.wires.insert(link, wire);
                }
                Err(error) => {
                    tracing::info!(%director, %rail, %error, "a vHBA's home cannot be reached");
                    self.initiator.closed(link, now);
                }
            },
            Effect::Send { link, parcel } => {
                if let Some(wire) = self.wires.get_mut(&link) {
                    wire.send(parcel);
                }
            }
            Effect::Close { link } => {
                self.wires.remove(&link);
            }
            Effect::Completed { .. } | Effect::Managed { .. } | Effect::Notice(_) | Effect::Refused(_) => {
                into.push(effect);
            }
        }
    }

    fn connect(&self, link: LinkId, director: DirectorId, rail: Rail) -> io::Result<Wire> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "the director's addresses are not known");
        let to = self.addresses.directors.get(&director).ok_or_else(unknown)?.on(rail);
        let stream = begin_connection(Some(self.addresses.own.on(rail)), SocketAddr::new(to, self.addresses.port))?;
        Wire::new(stream, &self.epoll, link.0, true)
    }

    fn lose(&mut self, link: LinkId, now: Nanos) {
        if self.wires.remove(&link).is_some() {
            self.initiator.closed(link, now);
        }
    }
}
