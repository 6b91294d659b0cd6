//! Directors with their carriers, a server's agent that speaks to them over loopback, and an array that misbehaves. Time is what
//! the test says it is; only the disk's thread and the sockets take their own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use twinrail_datapath::commands::Initiator;
use twinrail_datapath::commands::initiator::{self, InitiatorConfig};
use twinrail_datapath::commands::target::TargetConfig;
use twinrail_datapath::commands::tcp::{AgentAddresses, Listening, TcpInitiator, TcpTargets};
use twinrail_datapath::san::chaos::{ChaosSan, SanFaults};
use twinrail_datapath::san::file::{DiskConfig, FileSan, FileSanConfig};
use twinrail_datapath::scsi::{Cdb, Command, Lun, Response};
use twinrail_datapath::{Clock, Grant, Nanos, Waiter};
use twinrail_failover::takeover::FencedBy;
use twinrail_proto::domain::{AdapterId, DirectorId, Epoch, Name, RailAddresses, Wwn};
use twinrail_proto::rail::command::{COMMAND_PORT, CommandNumber, RefusalCause};
use twinrail_proto::rail::{ClusterTag, Incarnation};

use crate::director::vhba::board::Board;
use crate::director::vhba::home::{Facts, Place};
use crate::director::vhba::table::{HomedVhba, Port, VhbaTable};
use crate::director::vhba::thread::Carrier;

pub const ADAPTER: AdapterId = AdapterId(5);
pub const MS: Nanos = 1_000_000;
pub const LEASE: Nanos = 1500 * MS;
/// Steps of the clock: shorter than what a thread takes for a stall.
const STEP: Nanos = 10 * MS;
const BLOCK: usize = 512;
/// Real time for whatever has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    test: u8,
    now: Arc<AtomicU64>,
    pub san: ChaosSan,
    pub directors: BTreeMap<u64, Director>,
    agent: TcpInitiator,
    pub completed: BTreeMap<u64, Response>,
    pub refusals: Vec<RefusalCause>,
    folder: TempDir,
}

pub struct Director {
    carrier: Carrier,
    board: Arc<Board>,
    tables: u64,
    /// It gets a grant for each step.
    pub granted: bool,
    /// It does not run.
    pub stopped: bool,
    pub generation: u64,
}

fn addresses(test: u8, machine: u8) -> RailAddresses {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let on = |rail: u8| IpAddr::V4(Ipv4Addr::new(127, 128 | high & 0x3f, low, test << 4 | rail << 3 | machine));
    RailAddresses { a: on(0), b: on(1) }
}

fn name(name: &str) -> Name {
    Name::new(name).expect("a name")
}

fn wwpn() -> Wwn {
    Wwn::new(0x5001_4380_0000_0001).expect("a WWPN")
}

impl Director {
    fn start(test: u8, director: u64, clock: Clock, skip_fence: bool) -> Self {
        let agent = addresses(test, 7);
        let servers = [(agent.a, name("s1")), (agent.b, name("s1"))].into();
        let listening = Listening { addresses: addresses(test, director as u8), port: COMMAND_PORT, servers };
        let targets = TcpTargets::listen(listening).expect("listening");
        let board = Arc::new(Board::new(Waiter::new(&targets.fd()).expect("a waiter").bell()));
        let cluster = ClusterTag::of("lab");
        let place = Place { targets, clock, director: name(&format!("d{director}")), cluster, skip_fence };
        let carrier = Carrier::new(place, board.clone());
        Self { carrier, board, tables: 0, granted: true, stopped: false, generation: 1 }
    }

    pub fn facts(&self) -> Facts {
        self.board.facts().remove(&ADAPTER).unwrap_or_default()
    }

    pub fn admits(&self) -> bool {
        self.board.admitted().contains_key(&ADAPTER)
    }

    pub fn adopted(&self) -> bool {
        *self.board.adopted().borrow() == self.tables
    }

    pub fn grant(&self, asked_at: Nanos) {
        self.board.grant(Grant { asked_at, until: asked_at + LEASE });
    }
}

impl World {
    pub fn new(test: u8) -> Self {
        Self::with(test, false)
    }

    pub fn with(test: u8, skip_fence: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        let disk = DiskConfig { name: "disk".into(), path, octets: 64 * BLOCK as u64, block_length: BLOCK as u32 };
        let masks = [(wwpn(), [(0, "disk".to_owned())].into())].into();
        let files = FileSan::open(&FileSanConfig { disks: vec![disk], masks }).expect("a SAN");
        let now = Arc::new(AtomicU64::new(1000 * MS));
        let clock = Clock::Virtual(now.clone());
        let directors =
            [1, 2].map(|it| (it, Director::start(test, it, clock.clone(), skip_fence))).into_iter().collect();
        let config = InitiatorConfig {
            cluster: ClusterTag::of("lab"),
            server: name("s1"),
            adapter: ADAPTER,
            incarnation: Incarnation::from_random(7),
            io_timeout: InitiatorConfig::DEFAULT_IO_TIMEOUT,
        };
        let known = [1, 2].map(|it| (DirectorId(it), addresses(test, it as u8))).into();
        let known = AgentAddresses { own: addresses(test, 7), directors: known, port: COMMAND_PORT };
        Self {
            test,
            now,
            san: ChaosSan::new(Arc::new(files), 7, SanFaults::default()),
            directors,
            agent: TcpInitiator::new(Initiator::new(config), known).expect("an agent"),
            completed: BTreeMap::new(),
            refusals: Vec::new(),
            folder,
        }
    }

    pub fn now(&self) -> Nanos {
        self.now.load(Ordering::Relaxed)
    }

    /// The same director, started again.
    pub fn restart(&mut self, director: u64) {
        self.directors.remove(&director);
        let clock = Clock::Virtual(self.now.clone());
        self.directors.insert(director, Director::start(self.test, director, clock, false));
    }

    pub fn homed(&self, director: u64, epoch: u64) -> HomedVhba {
        let generation = self.directors[&director].generation;
        HomedVhba {
            epoch: Epoch(epoch),
            server: name("s1"),
            wwpn: wwpn(),
            port: Port::Usable { generation, san: Arc::new(self.san.clone()) },
            fenced_by: FencedBy::LunReset,
            credits: TargetConfig::DEFAULT_CREDITS,
            letting_go: false,
        }
    }

    /// The director applies a state in which its vHBA is this, or in which it has none.
    pub fn apply(&mut self, director: u64, homed: Option<HomedVhba>) {
        let agent = addresses(self.test, 7);
        let servers = [(agent.a, name("s1")), (agent.b, name("s1"))].into();
        let vhbas = homed.into_iter().map(|it| (ADAPTER, it)).collect();
        let director = self.directors.get_mut(&director).expect("a director");
        director.tables += 1;
        director.board.publish(director.tables, VhbaTable { vhbas, servers });
    }

    /// The director is home, and the agent hears of it.
    pub fn move_home(&mut self, director: u64, epoch: u64) {
        let homed = self.homed(director, epoch);
        self.apply(director, Some(homed));
        self.tell_agent(director, epoch);
    }

    pub fn tell_agent(&mut self, director: u64, epoch: u64) {
        let home = initiator::Home { director: DirectorId(director), epoch: Epoch(epoch) };
        let now = self.now();
        self.agent.initiator().set_home(Some(home), now);
    }

    pub fn write(&mut self, lba: u64, octet: u8) -> u64 {
        self.submit(Command::sending(Lun::ZERO, Cdb::write_16(lba, 1, false), vec![octet; BLOCK]))
    }

    pub fn submit(&mut self, command: Command) -> u64 {
        let now = self.now();
        let CommandNumber(number) = self.agent.initiator().submit(command, now).expect("taken");
        number
    }

    /// What is on the disk at this block.
    pub fn block(&self, lba: usize) -> u8 {
        std::fs::read(self.folder.path().join("disk")).expect("the disk's file")[lba * BLOCK]
    }

    /// Everybody has a turn, and the disk and the sockets have a moment.
    pub fn turn(&mut self) {
        let now = self.now();
        for director in self.directors.values_mut().filter(|it| !it.stopped) {
            if director.granted {
                director.grant(now);
            }
            director.carrier.turn().expect("a turn");
        }
        self.san.drive(now);
        let mut effects = Vec::new();
        self.agent.turn(now, &mut effects).expect("a turn");
        for effect in effects {
            match effect {
                initiator::Effect::Completed { number, response } => {
                    assert!(self.completed.insert(number.0, response).is_none(), "answered twice");
                }
                initiator::Effect::Refused(refused) => self.refusals.push(refused.cause),
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_micros(500));
    }

    /// So much time passes, with a few turns in each step.
    pub fn pass(&mut self, time: Nanos) {
        let until = self.now() + time;
        while self.now() < until {
            self.now.fetch_add(STEP, Ordering::Relaxed);
            for _ in 0..3 {
                self.turn();
            }
        }
    }

    /// Time passes until this holds.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "never {what}: {:?}", self.directors[&1].facts());
            self.pass(STEP);
        }
    }

    pub fn answered(&mut self, number: u64) -> Response {
        self.until("answered", |world| world.completed.contains_key(&number));
        self.completed[&number].clone()
    }
}
