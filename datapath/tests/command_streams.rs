//! Command streams over real TCP sockets on loopback, from an agent to directors with a SAN of files.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use twinrail_datapath::commands::initiator::{Effect, Home, InitiatorConfig};
use twinrail_datapath::commands::target::TargetConfig;
use twinrail_datapath::commands::tcp::{AgentAddresses, Listening, TcpInitiator, TcpTargets};
use twinrail_datapath::commands::{Initiator, Target};
use twinrail_datapath::monotonic_ns;
use twinrail_datapath::san::file::{DiskConfig, FileSan, FileSanConfig};
use twinrail_datapath::san::{Identity, Report, San, Session, SessionId, Tag};
use twinrail_datapath::scsi::{Cdb, Command, Lun, Response};
use twinrail_proto::domain::{AdapterId, DirectorId, Epoch, Name, Rail, RailAddresses, Wwn};
use twinrail_proto::rail::command::{COMMAND_PORT, RefusalCause};
use twinrail_proto::rail::{ClusterTag, Incarnation};

const BLOCK: usize = 512;
const BLOCKS: usize = 2048;
const ADAPTER: AdapterId = AdapterId(5);

/// Loopback addresses of this test alone: every process has some of its own.
fn addresses(test: u8, machine: u8) -> RailAddresses {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let on = |rail: u8| IpAddr::V4(Ipv4Addr::new(127, 64 | high & 0x3f, low, test << 5 | rail << 4 | machine));
    RailAddresses { a: on(0), b: on(1) }
}

struct World {
    test: u8,
    san: Arc<FileSan>,
    agent: TcpInitiator,
    directors: BTreeMap<u64, TcpTargets>,
    epoch: u64,
    completed: BTreeMap<u64, Response>,
    refused: Vec<RefusalCause>,
    _folder: TempDir,
}

fn identity() -> Identity {
    let wwpn = Wwn::new(0x5001_4380_0000_0001).expect("a WWPN");
    Identity { wwpn, session: SessionId([0x80, 0, 0, 0, 0, 1]) }
}

fn name(name: &str) -> Name {
    Name::new(name).expect("a name")
}

impl World {
    fn new(test: u8) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let octets = (BLOCKS * BLOCK) as u64;
        let path = folder.path().join("disk");
        let disk = DiskConfig { name: "disk".into(), path, octets, block_length: BLOCK as u32 };
        let masks = [(identity().wwpn, [(0, "disk".to_owned())].into())].into();
        let san = Arc::new(FileSan::open(&FileSanConfig { disks: vec![disk], masks }).expect("a SAN"));
        let config = InitiatorConfig {
            cluster: ClusterTag::of("lab"),
            server: name("s1"),
            adapter: ADAPTER,
            incarnation: Incarnation::from_random(7),
            io_timeout: InitiatorConfig::DEFAULT_IO_TIMEOUT,
        };
        let directors = [1, 2].map(|it| (DirectorId(it), addresses(test, it as u8))).into();
        let addresses = AgentAddresses { own: addresses(test, 9), directors, port: COMMAND_PORT };
        let agent = TcpInitiator::new(Initiator::new(config), addresses).expect("an agent");
        let (directors, completed, refused) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { test, san, agent, directors, epoch: 0, completed, refused, _folder: folder }
    }

    fn start_director(&mut self, director: u64) {
        let addresses = addresses(self.test, director as u8);
        let agent = self::addresses(self.test, 9);
        let servers = [(agent.a, name("s1")), (agent.b, name("s1"))].into();
        let listening = Listening { addresses, port: COMMAND_PORT, servers };
        self.directors.insert(director, TcpTargets::listen(listening).expect("listening"));
    }

    /// The director is home with the next epoch.
    fn move_home(&mut self, director: u64) {
        self.epoch += 1;
        let config = TargetConfig {
            cluster: ClusterTag::of("lab"),
            adapter: ADAPTER,
            epoch: Epoch(self.epoch),
            server: name("s1"),
            instance: self.epoch,
            credits: TargetConfig::DEFAULT_CREDITS,
        };
        let mut target = Target::new(config, fenced_session(&*self.san));
        target.admit(&[Lun::ZERO].into(), monotonic_ns());
        self.directors.get_mut(&director).expect("a director").insert(ADAPTER, target).expect("in its place");
        let home = Home { director: DirectorId(director), epoch: Epoch(self.epoch) };
        self.agent.initiator().set_home(Some(home), monotonic_ns());
    }

    fn submit(&mut self, command: Command) -> u64 {
        self.agent.initiator().submit(command, monotonic_ns()).expect("taken").0
    }

    fn run(&mut self, command: Command) -> Response {
        let number = self.submit(command);
        self.until(|world| world.completed.contains_key(&number));
        self.completed.remove(&number).expect("completed")
    }

    fn write(&mut self, blocks: usize, octet: u8) {
        let command = Command::sending(Lun::ZERO, Cdb::write_16(0, blocks as u32, false), vec![octet; blocks * BLOCK]);
        let response = self.run(command);
        assert!(response.is_good(), "{response:?}");
    }

    fn holds(&mut self, blocks: usize, octet: u8) {
        let length = (blocks * BLOCK) as u32;
        let response = self.run(Command::reading(Lun::ZERO, Cdb::read_16(0, blocks as u32), length));
        assert!(response.is_good() && response.data_in.len() == length as usize, "{response:?}");
        assert!(response.data_in.iter().all(|&it| it == octet));
    }

    fn turn(&mut self) {
        let now = monotonic_ns();
        let (mut effects, mut news) = (Vec::new(), Vec::new());
        self.agent.turn(now, &mut effects).expect("a turn");
        for director in self.directors.values_mut() {
            director.turn(now, &mut news).expect("a turn");
        }
        for effect in effects {
            match effect {
                Effect::Completed { number, response } => {
                    assert!(self.completed.insert(number.0, response).is_none(), "answered twice");
                }
                Effect::Refused(refused) => self.refused.push(refused.cause),
                other => panic!("{other:?}"),
            }
        }
    }

    fn until(&mut self, done: impl Fn(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(Instant::now() < deadline, "it takes too long");
            self.turn();
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn attached_by(&mut self) -> Option<Rail> {
        self.agent.initiator().attached_by()
    }
}

/// Logged in, with the unit attentions of that cleared.
fn fenced_session(san: &dyn San) -> Box<dyn Session> {
    let mut session = san.log_in(identity(), 0).expect("admitted");
    let (mut reports, mut tag, mut ready) = (Vec::new(), 0, false);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ready {
        assert!(Instant::now() < deadline, "the session never opens");
        session.poll(0, &mut reports);
        for report in reports.drain(..) {
            ready = matches!(&report, Report::Completed { response, .. } if response.is_good());
            if !ready {
                tag += 1;
                let command = Command::without_data(Lun::ZERO, Cdb::test_unit_ready());
                session.submit(Tag(u64::MAX - tag), command, 0).expect("taken");
            }
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    session
}

#[test]
fn data_comes_through_and_the_other_rail_takes_over() {
    let mut world = World::new(1);
    world.start_director(1);
    world.move_home(1);
    world.write(BLOCKS, 1);
    world.holds(BLOCKS, 1);
    assert_eq!(world.attached_by(), Some(Rail::A), "the first path that is up");
    let under_way = world.submit(Command::reading(Lun::ZERO, Cdb::read_16(0, 1), BLOCK as u32));
    world.agent.initiator().set_path(Rail::A, false, monotonic_ns());
    world.until(|it| it.completed.contains_key(&under_way));
    assert_eq!(world.attached_by(), Some(Rail::B));
    world.write(3, 2);
    world.holds(3, 2);
}

#[test]
fn commands_wait_for_a_home_that_dies_and_go_on_at_the_next() {
    let mut world = World::new(2);
    world.start_director(1);
    world.move_home(1);
    world.write(8, 1);
    drop(world.directors.remove(&1));
    let command = Command::sending(Lun::ZERO, Cdb::write_16(0, 8, false), vec![2; 8 * BLOCK]);
    let waiting = world.submit(command);
    let until = Instant::now() + Duration::from_millis(100);
    world.until(|_| Instant::now() > until);
    assert!(world.completed.is_empty(), "held");
    world.start_director(2);
    world.move_home(2);
    world.until(|it| it.completed.contains_key(&waiting));
    world.holds(8, 2);
}

#[test]
fn a_director_that_is_not_the_home_says_so_until_it_is() {
    let mut world = World::new(3);
    world.start_director(1);
    let home = Home { director: DirectorId(1), epoch: Epoch(1) };
    world.agent.initiator().set_home(Some(home), monotonic_ns());
    world.until(|it| !it.refused.is_empty());
    assert_eq!(world.refused[0], RefusalCause::NotHome);
    world.move_home(1);
    world.write(1, 1);
}

#[test]
fn strangers_and_rubbish_disturb_nobody() {
    let mut world = World::new(4);
    world.start_director(1);
    world.move_home(1);
    world.write(1, 1);
    let to = SocketAddr::new(addresses(4, 1).a, COMMAND_PORT);
    let mut stranger = TcpStream::connect(to).expect("connected");
    stranger.set_nonblocking(true).expect("set");
    let own = addresses(4, 9).a;
    let mut rubbish = twinrail_datapath_sys::begin_connection(Some(own), to).expect("begun");
    world.until(|_| rubbish.peer_addr().is_ok());
    rubbish.write_all(&[0x54; 100]).expect("written");
    for connection in [&mut stranger, &mut rubbish] {
        let closed = |it: &mut TcpStream| match it.read(&mut [0; 10]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !closed(connection) {
            assert!(Instant::now() < deadline, "it was not closed");
            world.turn();
        }
    }
    world.holds(1, 1);
    assert_eq!(world.attached_by(), Some(Rail::A));
}
