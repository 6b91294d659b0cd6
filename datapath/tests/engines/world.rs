//! Directors and servers in memory, on a virtual clock: the real engines, turn by turn.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use twinrail_datapath::edge::memory::{MemoryEdge, MemoryEdges};
use twinrail_datapath::rail::chaos::{FaultRule, Faults};
use twinrail_datapath::rail::sim::SimFabric;
use twinrail_datapath::{
    Carry, Cause, Clock, DirectorAdapter, DirectorTable, Event, Events, Grant, LanPort, Nanos, Peer, RailsConfig,
    ServerAdapter, ServerTable, SteppedDirector, SteppedServer,
};
use twinrail_proto::domain::{AdapterId, Epoch, MacAddress, Mtu, Name, Rail, RailAddresses, VlanId, VlanMode};
use twinrail_proto::rail::OffloadHeader;

pub const MS: Nanos = 1_000_000;
/// What one step of the clock is.
const STEP: Nanos = MS / 5;

/// What a datapath said, and when.
pub type Noted = Arc<Mutex<Vec<(Nanos, Event)>>>;

pub struct World {
    time: Arc<AtomicU64>,
    fabric: SimFabric,
    pub faults: Faults,
    pub directors: Vec<Node<SteppedDirector>>,
    pub servers: Vec<Node<SteppedServer>>,
    /// Whether directors get their leases.
    pub leases: bool,
}

pub struct Node<T> {
    pub datapath: T,
    pub edges: MemoryEdges,
    pub events: Noted,
    /// A stopped process: it takes no turns.
    pub stopped: bool,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            time: Arc::new(AtomicU64::new(MS)),
            fabric: SimFabric::new(seed, 1_000..50_000),
            faults: Faults::new(seed, Vec::new()),
            directors: Vec::new(),
            servers: Vec::new(),
            leases: true,
        }
    }

    /// One director and two servers, each with an adapter (1 and 2) on the native VLAN; everything is up.
    pub fn small(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.add_director();
        world.add_server();
        world.add_server();
        world.publish_director(0, vec![carried(1, 1, VlanMode::Native, 0), carried(2, 1, VlanMode::Native, 1)]);
        world.publish_server(0, vec![used(1, 1, Some(0))]);
        world.publish_server(1, vec![used(2, 1, Some(0))]);
        world.run(100 * MS);
        world.clear();
        world
    }

    pub fn now(&self) -> Nanos {
        self.time.load(Ordering::Relaxed)
    }

    pub fn add_director(&mut self) {
        let (config, clock, edges) = self.parts(director_rails(self.directors.len()));
        let (events, callback) = self.events();
        let rails = self.rails(&config);
        let datapath = SteppedDirector::new(&config, rails, edges.clone(), clock, callback).unwrap();
        self.directors.push(Node { datapath, edges, events, stopped: false });
    }

    pub fn add_server(&mut self) {
        let (config, clock, edges) = self.parts(server_rails(self.servers.len()));
        let (events, callback) = self.events();
        let rails = self.rails(&config);
        let datapath = SteppedServer::new(&config, rails, edges.clone(), clock, callback).unwrap();
        self.servers.push(Node { datapath, edges, events, stopped: false });
    }

    /// The ends of a machine that is none of ours: for messages that no engine would send.
    pub fn attach(&self, address: IpAddr) -> twinrail_datapath::rail::RailEnds {
        self.fabric.attach(address, 65_507)
    }

    pub fn publish_director(&mut self, director: usize, adapters: Vec<DirectorAdapter>) {
        let peer = |(number, name): (usize, Name)| Peer { name, rails: director_rails(number) };
        let others = (0..self.directors.len()).filter(|&it| it != director);
        let directors = others.map(|it| peer((it, director_name(it)))).collect();
        let servers =
            (0..self.servers.len()).map(|it| Peer { name: server_name(it), rails: server_rails(it) }).collect();
        let lans = vec![LanPort { lan: lan(), device: "lan0".into() }];
        let table = DirectorTable { directors, servers, lans, adapters };
        let report = self.directors[director].datapath.publish(table);
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    }

    pub fn publish_server(&mut self, server: usize, adapters: Vec<ServerAdapter>) {
        let directors =
            (0..self.directors.len()).map(|it| Peer { name: director_name(it), rails: director_rails(it) }).collect();
        let report = self.servers[server].datapath.publish(ServerTable { directors, adapters });
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    }

    /// Lets so much time pass.
    pub fn run(&mut self, time: Nanos) {
        let until = self.now() + time;
        while self.now() < until {
            let now = self.time.fetch_add(STEP, Ordering::Relaxed) + STEP;
            for director in self.directors.iter_mut().filter(|it| !it.stopped) {
                if self.leases {
                    director.datapath.extend_lease(Grant { asked_at: now, until: now + 1500 * MS });
                }
                director.datapath.turn();
            }
            for server in self.servers.iter_mut().filter(|it| !it.stopped) {
                server.datapath.turn();
            }
        }
    }

    pub fn set_faults(&self, rules: &[(Option<Rail>, Option<IpAddr>, twinrail_datapath::rail::chaos::Fault)]) {
        self.faults.set(rules.iter().map(|&(rail, peer, fault)| FaultRule { rail, peer, fault }).collect());
    }

    /// The device of an adapter.
    pub fn device(&self, server: usize, adapter: u32) -> Arc<MemoryEdge> {
        self.servers[server].edges.edge(&format!("eth{adapter}"))
    }

    pub fn port(&self, director: usize) -> Arc<MemoryEdge> {
        self.directors[director].edges.edge("lan0")
    }

    pub fn dropped(&self, cause: Cause) -> u64 {
        self.directors[0].datapath.counters().drops[&cause]
    }

    pub fn dropped_at_server(&self, server: usize, cause: Cause) -> u64 {
        self.servers[server].datapath.counters().drops[&cause]
    }

    /// Everything that came out of an edge, without announcements.
    pub fn taken(edge: &MemoryEdge) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| edge.take()).filter(|it| !is_announcement(it)).collect()
    }

    /// The announcements alone.
    pub fn announcements(edge: &MemoryEdge) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| edge.take()).filter(|it| is_announcement(it)).collect()
    }

    /// Throws away what came out so far.
    pub fn clear(&self) {
        for director in 0..self.directors.len() {
            Self::taken(&self.port(director));
        }
        for server in 0..self.servers.len() {
            for adapter in 0..8 {
                Self::taken(&self.device(server, adapter));
            }
        }
    }

    fn parts(&self, addresses: RailAddresses) -> (RailsConfig, Clock, MemoryEdges) {
        (RailsConfig::new("world", addresses), Clock::Virtual(Arc::clone(&self.time)), MemoryEdges::default())
    }

    fn rails(&self, config: &RailsConfig) -> [twinrail_datapath::rail::RailEnds; 2] {
        Rail::ALL.map(|rail| self.faults.wrap(rail, self.fabric.attach(config.addresses.on(rail), 65_507)))
    }

    fn events(&self) -> (Noted, Events) {
        let events = Noted::default();
        let (kept, time) = (Arc::clone(&events), Arc::clone(&self.time));
        (events, Box::new(move |event| kept.lock().unwrap().push((time.load(Ordering::Relaxed), event))))
    }
}

/// RARP, with or without a tag.
fn is_announcement(bytes: &[u8]) -> bool {
    bytes[22..24] == [0x80, 0x35] || bytes[26..28] == [0x80, 0x35]
}

pub fn carried(id: u32, epoch: u64, vlan: VlanMode, server: usize) -> DirectorAdapter {
    let (id, epoch, mac) = (AdapterId(id), Epoch(epoch), mac(id));
    DirectorAdapter { id, epoch, mac, lan: lan(), vlan, server: server_name(server), state: Carry::Carry }
}

pub fn used(id: u32, epoch: u64, home: Option<usize>) -> ServerAdapter {
    let name = Name::new(format!("eth{id}")).unwrap();
    let (id, epoch, mac, mtu) = (AdapterId(id), Epoch(epoch), mac(id), Mtu::DEFAULT);
    ServerAdapter { id, epoch, mac, mtu, name, home: home.map(director_name), paused: false }
}

pub fn mac(id: u32) -> MacAddress {
    MacAddress::new([2, 0x54, 0x57, 0, 0, id as u8]).unwrap()
}

pub fn vlan(id: u16) -> VlanId {
    VlanId::new(id).unwrap()
}

pub fn trunk(ids: &[u16]) -> VlanMode {
    VlanMode::Trunk(ids.iter().copied().map(vlan).collect())
}

pub fn director_rails(number: usize) -> RailAddresses {
    rails(1 + number as u8)
}

pub fn server_rails(number: usize) -> RailAddresses {
    rails(101 + number as u8)
}

fn rails(number: u8) -> RailAddresses {
    RailAddresses { a: [10, 1, 0, number].into(), b: [10, 2, 0, number].into() }
}

fn director_name(number: usize) -> Name {
    Name::new(format!("d{}", number + 1)).unwrap()
}

fn server_name(number: usize) -> Name {
    Name::new(format!("s{}", number + 1)).unwrap()
}

fn lan() -> Name {
    Name::new("prod").unwrap()
}

/// A frame with a plain offload header. `from` and `to` are adapters; 0 is the broadcast address, 99 a host of the LAN.
pub fn frame(from: u32, to: u32, tag: Option<u16>, payload: &[u8]) -> Vec<u8> {
    frame_with(OffloadHeader::PLAIN, from, to, tag, payload)
}

pub fn frame_with(offload: OffloadHeader, from: u32, to: u32, tag: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let address = |id: u32| if id == 0 { [0xff; 6] } else { mac(id).octets() };
    let mut bytes = offload.encode().to_vec();
    bytes.extend_from_slice(&address(to));
    bytes.extend_from_slice(&address(from));
    if let Some(tag) = tag {
        bytes.extend_from_slice(&[0x81, 0]);
        bytes.extend_from_slice(&tag.to_be_bytes());
    }
    bytes.extend_from_slice(&[0x88, 0xb5]);
    bytes.extend_from_slice(payload);
    bytes
}
