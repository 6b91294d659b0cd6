//! One vHBA, its directors and its SAN, and a socket for each of its LUNs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use twinrail_datapath::commands::initiator::InitiatorConfig;
use twinrail_datapath::commands::tcp::AgentAddresses;
use twinrail_datapath::disks::{DiskState, Unit, Vhba, VhbaConfig};
use twinrail_datapath::nbd::{Offer, Server, ServerConfig};
use twinrail_datapath::san::file::FileSan;
use twinrail_proto::domain::DirectorId;
use twinrail_proto::rail::command::COMMAND_PORT;
use twinrail_proto::rail::{ClusterTag, Incarnation};

use crate::directors::{ADAPTER, Directors, addresses, name, san, until};

pub struct World {
    test: u8,
    pub san: Arc<FileSan>,
    pub directors: Directors,
    /// Of the newest home.
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
        static AGENTS: AtomicU64 = AtomicU64::new(1);
        let incarnation = Incarnation::from_random(AGENTS.fetch_add(1, Ordering::Relaxed));
        let initiator = InitiatorConfig {
            cluster: ClusterTag::of("lab"),
            server: name("s1"),
            adapter: ADAPTER,
            incarnation,
            io_timeout: self.io_timeout.as_nanos() as u64,
        };
        let directors = [1, 2].map(|it| (DirectorId(it), addresses(self.test, it as u8))).into();
        let addresses = AgentAddresses { own: addresses(self.test, 9), directors, port: COMMAND_PORT };
        let mask: BTreeSet<u16> = mask.iter().copied().collect();
        let config = VhbaConfig { initiator, addresses, mask, remembered };
        Arc::new(Vhba::start(config, Box::new(|| {})).expect("a vHBA"))
    }

    pub fn move_home(&mut self, director: u64, vhba: &Vhba) {
        let home = self.directors.move_home(director, &self.san);
        self.epoch = home.epoch.0;
        vhba.set_home(Some(home));
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
