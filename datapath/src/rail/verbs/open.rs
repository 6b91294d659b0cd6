use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use twinrail_datapath_sys::verbs::{CompletionQueue, Completions, Domain, SharedReceives, WorkList};
use twinrail_datapath_sys::{Epoll, UdpSocket};
use twinrail_proto::rail::Header;

use super::config::VerbsConfig;
use super::connector::{Connector, ConnectorThread};
use super::credits::{Budget, RESERVE};
use super::memory::Regions;
use super::path::Exchange;
use super::port::LocalPort;
use super::receiver::VerbsReceiver;
use super::sender::{Heads, VerbsSender};
use crate::arena::buffers;
use crate::error::StartError;
use crate::fast_map::FastMap;
use crate::rail::{RailEnds, RailReceiver, RailSender};

/// Messages of one receive, as on a udp rail.
const RECEIVE_BATCH: usize = 16;

/// Completions that a sender takes at a time.
const SEND_BATCH: usize = 64;

/// Room for the completions of one thread's sends, all paths together. Twice what may be under way, so that paths which are
/// being ended have room too. About 1 MiB.
const SEND_COMPLETIONS: u32 = 1 << 14;

/// The largest message that goes along with its request: hellos, and small frames. Every device takes so much.
pub(super) const INLINE: u32 = 192;

/// How many requests a queue pair has room for: a window of messages, and what tells the peer how much was taken.
pub(super) fn requests_for(window: u16) -> u32 {
    u32::from(window + 2 * RESERVE)
}

/// Opens a rail on this machine's address on it. `header`: as every message of this machine starts.
pub fn open(address: IpAddr, port: u16, header: Header, config: &VerbsConfig) -> Result<RailEnds, StartError> {
    let failed = |source| StartError::OpenVerbs { address, source };
    let local = LocalPort::find(address, config).map_err(failed)?;
    let socket = UdpSocket::bind(SocketAddr::new(address, port)).map_err(|source| StartError::OpenRail {
        address,
        port,
        source,
    })?;
    open_port(address, port, header, config, local, socket).map_err(failed)
}

fn open_port(
    address: IpAddr,
    udp_port: u16,
    header: Header,
    config: &VerbsConfig,
    local: LocalPort,
    socket: UdpSocket,
) -> io::Result<RailEnds> {
    let limits = local.context.limits()?;
    let count = u32::from(config.receives.max(VerbsConfig::FEWEST_RECEIVES)).min(limits.shared_receives);
    let room = SEND_COMPLETIONS.min(limits.completions);
    let domain = Domain::new(&local.context)?;
    let receives = SharedReceives::new(&domain, count)?;
    let mut regions = Regions::new(&domain);
    for buffer in buffers(count as usize) {
        let region = regions.of(&buffer).map_err(locked)?;
        receives.post(region, buffer).map_err(|(_, error)| error)?;
    }
    let receptions = CompletionQueue::new(&local.context, count + SEND_BATCH as u32)?;
    let sends = [CompletionQueue::new(&local.context, room)?, CompletionQueue::new(&local.context, room)?];
    let exchange = Exchange::new()?;
    let senders: [Box<dyn RailSender>; 2] = [0, 1].map(|lane: usize| {
        Box::new(VerbsSender {
            lane,
            exchange: Arc::clone(&exchange),
            regions: regions.clone(),
            completions: Arc::clone(&sends[lane]),
            polled: Completions::with_room_for(SEND_BATCH),
            heads: Heads::new(buffers(1).remove(0)),
            lanes: FastMap::default(),
            by_peer: FastMap::default(),
            posted: Vec::with_capacity(256),
            touched: Vec::with_capacity(64),
            work: WorkList::default(),
            unsent: Vec::new(),
            memory_told: false,
        }) as Box<dyn RailSender>
    });
    let wait = Epoll::new()?;
    wait.add(&*receptions, 0)?;
    wait.add(&exchange.receiver, 1)?;
    receptions.arm()?;
    tracing::info!(%address, mtu = VerbsConfig::MTUS[usize::from(local.mtu.clamp(1, 5)) - 1], receives = count, "a rail over RDMA verbs is open");
    let connector = Connector {
        own: address,
        udp_port,
        header,
        socket,
        local,
        receives: Arc::clone(&receives),
        sends,
        receptions: Arc::clone(&receptions),
        budget: Budget::new(count),
        requests_left: i64::from(room / 2),
        exchange: Arc::clone(&exchange),
        peers: BTreeMap::new(),
        numbers: BTreeMap::new(),
    };
    let receiver: Box<dyn RailReceiver> = Box::new(VerbsReceiver {
        exchange,
        receives,
        completions: receptions,
        polled: Completions::with_room_for(RECEIVE_BATCH),
        regions,
        paths: FastMap::default(),
        wait,
        _connector: ConnectorThread::start(connector)?,
    });
    Ok(RailEnds { receiver, senders })
}

/// What an operator can do about memory that cannot be registered.
fn locked(error: io::Error) -> io::Error {
    let text =
        format!("cannot register its receive buffers: {error} (is the limit of locked memory, memlock, too low?)");
    io::Error::new(error.kind(), text)
}
