//! One vHBA, two directors on a thread of their own, and a SAN of files, over real TCP on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use twinrail_datapath::commands::Target;
use twinrail_datapath::commands::initiator::{Home, InitiatorConfig};
use twinrail_datapath::commands::target::TargetConfig;
use twinrail_datapath::commands::tcp::{AgentAddresses, Listening, TcpTargets};
use twinrail_datapath::disks::{DiskState, Unit, Vhba, VhbaConfig};
use twinrail_datapath::monotonic_ns;
use twinrail_datapath::nbd::{Offer, Server, ServerConfig};
use twinrail_datapath::san::file::{DiskConfig, FileSan, FileSanConfig};
use twinrail_datapath::san::{Identity, Report, San, Session, SessionId, Tag};
use twinrail_datapath::scsi::{Cdb, Lun};
use twinrail_proto::domain::{AdapterId, DirectorId, Epoch, Name, RailAddresses, Wwn};
use twinrail_proto::rail::command::{COMMAND_PORT, RefusalCause};
use twinrail_proto::rail::{ClusterTag, Incarnation};

const ADAPTER: AdapterId = AdapterId(5);

/// Loopback addresses of this test alone: every process has some of its own.
fn addresses(test: u8, machine: u8) -> RailAddresses {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let on = |rail: u8| IpAddr::V4(Ipv4Addr::new(127, 64 | high & 0x3f, low, test << 5 | rail << 4 | machine));
    RailAddresses { a: on(0), b: on(1) }
}

fn identity() -> Identity {
    let wwpn = Wwn::new(0x5001_4380_0000_0001).expect("a WWPN");
    Identity { wwpn, session: SessionId([0x80, 0, 0, 0, 0, 1]) }
}

fn name(name: &str) -> Name {
    Name::new(name).expect("a name")
}

/// A SAN of files that shows these disks under these LUNs.
pub fn san(folder: &Path, luns: &[(u16, &str, u64)]) -> FileSan {
    let disk = |&(_, name, octets): &(u16, &str, u64)| DiskConfig {
        name: name.into(),
        path: folder.join(name),
        octets,
        block_length: 512,
    };
    let disks = luns.iter().map(disk).collect();
    let masks = [(identity().wwpn, luns.iter().map(|it| (it.0, it.1.to_owned())).collect())].into();
    FileSan::open(&FileSanConfig { disks, masks }).expect("a SAN")
}

enum Word {
    /// This director is home with this epoch, at this SAN.
    Home(u64, u64, Arc<FileSan>),
    /// Nobody is, without a word to anybody.
    Nobody,
}

/// Both directors. The thread ends with it.
pub struct Directors {
    words: Option<Sender<Word>>,
    thread: Option<JoinHandle<()>>,
}

impl Directors {
    fn start(test: u8) -> Self {
        let agent = addresses(test, 9);
        let servers: BTreeMap<IpAddr, Name> = [(agent.a, name("s1")), (agent.b, name("s1"))].into();
        let listen = |director: u8| {
            let listening =
                Listening { addresses: addresses(test, director), port: COMMAND_PORT, servers: servers.clone() };
            TcpTargets::listen(listening).expect("listening")
        };
        let directors = [listen(1), listen(2)];
        let (words, hears) = channel();
        let thread = std::thread::spawn(move || run(directors, &hears));
        Self { words: Some(words), thread: Some(thread) }
    }

    fn say(&self, word: Word) {
        self.words.as_ref().and_then(|it| it.send(word).ok()).expect("the directors run");
    }
}

impl Drop for Directors {
    fn drop(&mut self) {
        self.words = None;
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the directors failed");
    }
}

fn run(mut directors: [TcpTargets; 2], hears: &Receiver<Word>) {
    loop {
        match hears.try_recv() {
            Ok(Word::Home(director, epoch, san)) => {
                let config = TargetConfig {
                    cluster: ClusterTag::of("lab"),
                    adapter: ADAPTER,
                    epoch: Epoch(epoch),
                    server: name("s1"),
                    credits: TargetConfig::DEFAULT_CREDITS,
                };
                let target = Target::new(config, fenced_session(&*san));
                directors[director as usize - 1].insert(ADAPTER, target).expect("in its place");
            }
            Ok(Word::Nobody) => directors.iter_mut().for_each(|it| it.remove(ADAPTER, RefusalCause::NotHome)),
            Err(std::sync::mpsc::TryRecvError::Empty) => {}
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
        }
        for director in &mut directors {
            director.turn(monotonic_ns(), &mut Vec::new()).expect("a turn");
        }
        std::thread::sleep(Duration::from_micros(50));
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
                let command = twinrail_datapath::scsi::Command::without_data(Lun::ZERO, Cdb::test_unit_ready());
                session.submit(Tag(u64::MAX - tag), command, 0).expect("taken");
            }
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    session
}

pub struct World {
    test: u8,
    pub san: Arc<FileSan>,
    pub directors: Directors,
    pub epoch: u64,
    pub folder: TempDir,
    pub io_timeout: Duration,
}

impl World {
    pub fn new(test: u8, luns: &[(u16, &str, u64)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let san = Arc::new(san(folder.path(), luns));
        let directors = Directors::start(test);
        Self { test, san, directors, epoch: 0, folder, io_timeout: Duration::from_secs(60) }
    }

    pub fn vhba(&self, mask: &[u16], remembered: BTreeMap<u16, Unit>) -> Arc<Vhba> {
        static NEXT: Mutex<u64> = Mutex::new(1);
        let mut next = NEXT.lock().expect("no panic");
        *next += 1;
        let initiator = InitiatorConfig {
            cluster: ClusterTag::of("lab"),
            server: name("s1"),
            adapter: ADAPTER,
            incarnation: Incarnation::from_random(*next),
            io_timeout: self.io_timeout.as_nanos() as u64,
        };
        let directors = [1, 2].map(|it| (DirectorId(it), addresses(self.test, it as u8))).into();
        let addresses = AgentAddresses { own: addresses(self.test, 9), directors, port: COMMAND_PORT };
        let mask: BTreeSet<u16> = mask.iter().copied().collect();
        let config = VhbaConfig { initiator, addresses, mask, remembered };
        Arc::new(Vhba::start(config, Box::new(|| {})).expect("a vHBA"))
    }

    /// The director is home with the next epoch.
    pub fn move_home(&mut self, director: u64, vhba: &Vhba) {
        self.epoch += 1;
        self.directors.say(Word::Home(director, self.epoch, Arc::clone(&self.san)));
        vhba.set_home(Some(Home { director: DirectorId(director), epoch: Epoch(self.epoch) }));
    }

    pub fn lose_home(&self) {
        self.directors.say(Word::Nobody);
    }

    pub fn serve(&self, vhba: &Vhba, lun: u16) -> Served {
        let state = until("a disk", || vhba.disks().get(&lun).filter(|it| it.unit.is_some()).cloned());
        let DiskState { generation, unit, .. } = state;
        let unit = unit.expect("a unit");
        let path = self.folder.path().join(format!("{lun}-{generation}.sock"));
        let config = ServerConfig { path: path.clone(), mode: 0o600, owner: None, clients: 8 };
        let offer = Offer { export: unit.facts.export("disk"), device: vhba.disk(lun, generation) };
        Served { server: Some(Server::start(&config, vec![offer]).expect("a server")), path }
    }
}

pub struct Served {
    pub server: Option<Server>,
    path: PathBuf,
}

impl Served {
    pub fn uri(&self) -> String {
        format!("nbd+unix:///disk?socket={}", self.path.display())
    }

    /// What qemu-io says to these commands, and whether it is content.
    pub fn io(&self, commands: &[&str]) -> (bool, String) {
        let mut command = Command::new("timeout");
        command.args(["60", "qemu-io", "-f", "raw"]);
        commands.iter().for_each(|it| _ = command.args(["-c", it]));
        let output = command.arg(self.uri()).output().expect("qemu-io; `make deps` installs it");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success() && !text.contains("failed"), text)
    }

    /// Sends so many reads in one go, and says with which errors they are answered; 0: none.
    pub fn errors_of_reads(&self, count: u64) -> Vec<u32> {
        let mut stream = UnixStream::connect(&self.path).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        // Flags, then GO of the default export; the greeting, BLOCK_SIZE, EXPORT and ACK come back.
        let go = [&b"\0\0\0\x03IHAVEOPT"[..], &7u32.to_be_bytes(), &6u32.to_be_bytes(), &[0; 6]].concat();
        stream.write_all(&go).expect("sent");
        stream.read_exact(&mut [0; 18 + 34 + 32 + 20]).expect("the handshake");
        for cookie in 0..count {
            let head = [0x2560_9513, 0u32].map(u32::to_be_bytes).concat();
            let place = [cookie, 512 * cookie].map(u64::to_be_bytes).concat();
            stream.write_all(&[head, place, 512u32.to_be_bytes().to_vec()].concat()).expect("sent");
        }
        let mut reply = [0; 16];
        let mut next = || {
            stream.read_exact(&mut reply).expect("a reply");
            u32::from_be_bytes(reply[4..8].try_into().expect("four octets"))
        };
        (0..count).map(|_| next()).collect()
    }

    #[track_caller]
    pub fn succeeds(&self, commands: &[&str]) {
        let (good, text) = self.io(commands);
        assert!(good, "{commands:?}: {text}");
    }
}

/// The value, as soon as there is one.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(it) = look() {
            return it;
        }
        assert!(Instant::now() < deadline, "it takes too long: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
