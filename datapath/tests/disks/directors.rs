//! Two directors on a thread of their own, and a SAN of files, over real TCP on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use twinrail_datapath::commands::Target;
use twinrail_datapath::commands::initiator::Home;
use twinrail_datapath::commands::target::TargetConfig;
use twinrail_datapath::commands::tcp::{Listening, TcpTargets};
use twinrail_datapath::monotonic_ns;
use twinrail_datapath::san::file::{DiskConfig, FileSan, FileSanConfig};
use twinrail_datapath::san::{Identity, Report, San, Session, SessionId, Tag};
use twinrail_datapath::scsi::{Cdb, Command, Lun};
use twinrail_proto::domain::{AdapterId, DirectorId, Epoch, Name, RailAddresses, Wwn};
use twinrail_proto::rail::ClusterTag;
use twinrail_proto::rail::command::{COMMAND_PORT, RefusalCause};

pub const ADAPTER: AdapterId = AdapterId(5);

/// Loopback addresses of this test alone: every process has some of its own.
pub fn addresses(test: u8, machine: u8) -> RailAddresses {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let on = |rail: u8| IpAddr::V4(Ipv4Addr::new(127, 64 | high & 0x3f, low, test << 5 | rail << 4 | machine));
    RailAddresses { a: on(0), b: on(1) }
}

fn identity() -> Identity {
    let wwpn = Wwn::new(0x5001_4380_0000_0001).expect("a WWPN");
    Identity { wwpn, session: SessionId([0x80, 0, 0, 0, 0, 1]) }
}

pub fn name(name: &str) -> Name {
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
    epoch: u64,
    words: Option<Sender<Word>>,
    thread: Option<JoinHandle<()>>,
}

impl Directors {
    pub fn start(test: u8) -> Self {
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
        Self { epoch: 0, words: Some(words), thread: Some(thread) }
    }

    /// The director is home with the next epoch.
    pub fn move_home(&mut self, director: u64, san: &Arc<FileSan>) -> Home {
        self.epoch += 1;
        self.say(Word::Home(director, self.epoch, Arc::clone(san)));
        Home { director: DirectorId(director), epoch: Epoch(self.epoch) }
    }

    pub fn lose_home(&self) {
        self.say(Word::Nobody);
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
                    instance: epoch,
                    server: name("s1"),
                    credits: TargetConfig::DEFAULT_CREDITS,
                };
                let mut target = Target::new(config, fenced_session(&*san));
                target.admit(&shown(), monotonic_ns());
                directors[director as usize - 1].insert(ADAPTER, target).expect("in its place");
            }
            Ok(Word::Nobody) => directors.iter_mut().for_each(|it| it.remove(ADAPTER, RefusalCause::NotHome)),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        for director in &mut directors {
            director.turn(monotonic_ns(), &mut Vec::new()).expect("a turn");
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// More than any of these tests shows.
fn shown() -> BTreeSet<Lun> {
    (0..512).map(|number| Lun::new(number).expect("a LUN")).collect()
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
