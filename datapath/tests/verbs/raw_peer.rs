//! A peer that speaks as it likes: the connection's datagrams by a socket of its own, and its queue pairs by the wrappers.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use twinrail_datapath::arena::SLOT_LENGTH;
use twinrail_datapath_sys::verbs::{
    Completion, CompletionQueue, Completions, Context, Domain, Endpoint, LinkLayer, QueuePair, QueuePairSize, Region,
    RemoteSegment, Route, SharedReceives, WorkError, WorkList,
};
use twinrail_datapath_sys::{Buffer, Pages};
use twinrail_proto::rail::{Connection, Kind, Message, Offer, QueuePairOffer, parse};

use crate::machine::{Machine, PORT, address, header, until};

pub struct RawPeer {
    pub socket: UdpSocket,
    pub queue_pairs: [Arc<QueuePair>; 2],
    offer: Offer,
    domain: Arc<Domain>,
    receives: Arc<SharedReceives>,
    completions: Arc<CompletionQueue>,
    regions: Vec<Arc<Region>>,
    buffers: Vec<Buffer>,
    route: Route,
    token: u64,
}

impl RawPeer {
    /// With an address above those of machines that it is to be asked by: its number is higher. `receives`: so many are posted.
    pub fn new(number: u8, device: &str, receives: usize) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(address(number), PORT)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let context = Context::open(device).unwrap();
        let port = context.port(1).unwrap();
        let gid = *context.gids().unwrap().first().expect("a GID");
        let domain = Domain::new(&context).unwrap();
        let queue = SharedReceives::new(&domain, 256).unwrap();
        let completions = CompletionQueue::new(&context, 1024).unwrap();
        let size = QueuePairSize { requests: 64, segments: 1, inline: 64 };
        let queue_pairs = [(); 2].map(|()| QueuePair::new([&completions, &completions], &queue, size).unwrap());
        let buffers = Pages::allocate(300, SLOT_LENGTH).unwrap();
        let regions = vec![Region::new(&domain, buffers[0].pages().unwrap()).unwrap()];
        let offer = Offer {
            number: 0,
            gid: gid.gid,
            lid: port.lid,
            mtu: port.mtu,
            window: 16,
            queue_pairs: std::array::from_fn(|lane| QueuePairOffer {
                number: queue_pairs[lane].number(),
                first_packet: 5,
            }),
        };
        let route = Route {
            port: 1,
            link_layer: LinkLayer::Ethernet,
            gid_index: Some(gid.index),
            pkey_index: 0,
            service_level: 0,
            traffic_class: 0,
            mtu: port.mtu,
            timeout: 14,
            retries: 7,
            receiver_retries: 7,
            receiver_pause: 12,
            reads: 1,
            remote_access: false,
        };
        let mut peer = Self {
            socket,
            queue_pairs,
            offer,
            domain,
            receives: queue,
            completions,
            regions,
            buffers,
            route,
            token: 0,
        };
        for _ in 0..receives {
            let buffer = peer.buffers.pop().unwrap();
            peer.receives.post(&peer.regions[0], buffer).unwrap();
        }
        peer
    }

    pub fn say(&self, to: &Machine, octets: &[u8]) {
        self.socket.send_to(octets, SocketAddr::new(to.address, PORT)).unwrap();
    }

    /// Waits to be asked by the machine, and accepts.
    pub fn accept(&mut self, by: &mut Machine) {
        let own = self.socket.local_addr().unwrap().ip();
        let mut asked = None;
        until("a request for a connection", || {
            by.greet(&[own]);
            by.receive();
            let mut octets = [0; 2048];
            if let Ok((length, _)) = self.socket.recv_from(&mut octets)
                && let Ok((_, Message::Connection(Connection::Connect(offer)))) = parse(&octets[..length])
            {
                asked = Some(offer);
            }
            asked.is_some()
        });
        let asked = asked.unwrap();
        for (lane, queue_pair) in self.queue_pairs.iter().enumerate() {
            let QueuePairOffer { number, first_packet } = asked.queue_pairs[lane];
            let peer = Endpoint { queue_pair: number, first_packet, gid: asked.gid, lid: asked.lid };
            queue_pair.connect(5, &peer, &self.route).unwrap();
        }
        let window = self.offer.window.min(asked.window);
        let answer = Connection::Accept(Offer { number: asked.number, window, ..self.offer });
        self.say(by, &[&header(Kind::Connection).encode()[..], &answer.encode()].concat());
        until("the path", || {
            by.greet(&[own]);
            by.receive();
            by.send(0, own, &crate::machine::message(1, 100), 0)
        });
    }

    /// Sends so many octets by its first queue pair, counting as is said.
    pub fn send(&mut self, length: usize, immediate: Option<u32>) {
        // One stretch over several buffers' memory would need several segments: a region of its own holds it.
        let buffer = Pages::allocate(1, length.next_multiple_of(4096)).unwrap().remove(0);
        let region = Region::new(&self.domain, buffer.pages().unwrap()).unwrap();
        self.token += 1;
        let mut work = WorkList::default();
        let mut batch = work.start();
        batch.send(self.token, &[region.segment(&buffer, 0..length)], immediate, true);
        batch.post(&self.queue_pairs[0]).1.unwrap();
        self.regions.push(region);
    }

    /// Writes to the machine's memory, or reads it, with a key that nobody gave out.
    pub fn reach(&mut self, write: bool) {
        let stale = RemoteSegment { address: 0x1000, key: 0x7ead };
        let buffer = self.buffers.pop().unwrap();
        if write {
            self.token += 1;
            let mut work = WorkList::default();
            let mut batch = work.start();
            batch.write(self.token, &[self.regions[0].segment(&buffer, 0..64)], stale, true);
            batch.post(&self.queue_pairs[0]).1.unwrap();
            self.buffers.push(buffer);
        } else {
            self.queue_pairs[0].read(&self.regions[0], buffer, 0..64, stale).unwrap();
        }
    }

    /// How the work that was posted last ended. Receives are posted again.
    pub fn next_result(&mut self) -> Option<Result<(), WorkError>> {
        let mut polled = Completions::with_room_for(1);
        self.completions.poll(&mut polled).unwrap();
        let completion: Completion = polled.iter().next()?;
        if let Some(buffer) = self.receives.take(&completion) {
            if completion.result().is_ok() {
                self.receives.post(&self.regions[0], buffer).unwrap();
            }
            return None;
        }
        if let Some(buffer) = self.queue_pairs[0].finish_read(&completion) {
            self.buffers.push(buffer);
        }
        Some(completion.result())
    }
}
