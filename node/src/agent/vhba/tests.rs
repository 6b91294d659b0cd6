//! A server's vHBAs against real targets on loopback, with real clients.

#[path = "../../../../datapath/tests/disks/directors.rs"]
mod directors;

use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use twinrail_datapath::san::file::FileSan;
use twinrail_proto::grpc::internal::v1::Lun;

use super::*;
use crate::config::SocketMode;
use directors::{ADAPTER, Directors, addresses, name, san, until};

const SIZE: u64 = 64 << 20;

struct World {
    test: u8,
    folder: TempDir,
    san: Arc<FileSan>,
    directors: Directors,
    device_nodes: bool,
    run_dir: String,
}

impl World {
    fn new(test: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let san = Arc::new(san(folder.path(), &[(0, "disk", SIZE)]));
        let directors = Directors::start(test);
        Self { test, folder, san, directors, device_nodes: false, run_dir: "run".into() }
    }

    fn run_dir(&self) -> PathBuf {
        self.folder.path().join(&self.run_dir)
    }

    fn agent(&self) -> Vhbas {
        let settings = VhbaSettings {
            run_dir: self.run_dir(),
            io_timeout_s: 60,
            device_nodes: self.device_nodes,
            socket_mode: SocketMode(0o600),
        };
        let common = Common {
            cluster: ClusterTag::of("lab"),
            server: name("s1"),
            machine_id: self.folder.path().file_name().unwrap().to_str().unwrap().replace(['.', '-'], ""),
            rails: addresses(self.test, 9),
            settings,
            memory: LunMemory::open(self.folder.path()).unwrap(),
        };
        Vhbas::start(common, Arc::new(Notify::new()))
    }

    /// The director is home of the one vHBA.
    fn assign(&mut self, vhbas: &mut Vhbas, director: u64) {
        let home = self.directors.move_home(director, &self.san);
        vhbas.set_directors([1, 2].map(|it| (DirectorId(it), addresses(self.test, it as u8))).into());
        let assigned = Assigned { profile: name("web"), name: name("fc0"), mask: BTreeSet::new() };
        vhbas.set([(ADAPTER, (assigned, Way { home: Some(home), up: [true; 2] }))].into());
    }
}

fn report(vhbas: &Vhbas) -> device_report::Device {
    let names = [1, 2].map(|it| (DirectorId(it), name(&format!("d{it}")))).into();
    vhbas.reports(&names).next().expect("a vHBA")
}

fn lun(vhbas: &Vhbas, found: impl Fn(&Lun) -> bool) -> Lun {
    until("a LUN", || report(vhbas).luns.into_iter().find(&found))
}

fn release(vhbas: &mut Vhbas) {
    vhbas.set(BTreeMap::new());
    until("the end", || {
        vhbas.reconcile();
        (!vhbas.has(&name("web"))).then_some(())
    });
}

#[track_caller]
fn succeeds(program: &str, arguments: &[&str]) -> String {
    let output = Command::new("timeout").args(["60", program]).args(arguments).output().expect("it runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

#[track_caller]
fn io(socket: &str, commands: &[&str]) {
    let uri = format!("nbd+unix:///?socket={socket}");
    let arguments: Vec<&str> = commands.iter().flat_map(|it| ["-c", it]).collect();
    let text = succeeds("qemu-io", &[&["-f", "raw"], &arguments[..], &[&uri]].concat());
    assert!(!text.contains("failed"), "{text}");
}

#[test]
fn exports_outlive_the_agent_and_go_with_the_vhba() {
    let mut world = World::new(6);
    let mut vhbas = world.agent();
    world.assign(&mut vhbas, 1);
    let found = lun(&vhbas, |it| !it.export.is_empty());
    let socket = world.run_dir().join("web/fc0/lun0.sock").display().to_string();
    let expected = Lun {
        lun: 0,
        octets: SIZE,
        block_length: 512,
        export: socket.clone(),
        product: "TWINRAIL FILE LUN".into(),
        ..Lun::default()
    };
    assert_eq!(found, expected);
    io(&socket, &["write -P 7 0 1M"]);
    let path = report(&vhbas).vhba.unwrap();
    assert_eq!((path.director.as_str(), path.rail, path.held, path.errors), ("d1", 0, 0, 0));
    assert!(path.commands > 0 && path.written_octets == 1 << 20, "{path:?}");
    drop(vhbas);
    assert!(!Path::new(&socket).exists());
    // The next one knows nothing of directors yet.
    let mut vhbas = world.agent();
    lun(&vhbas, |it| it.export == socket);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| io(&socket, &["read -P 7 0 1M"]));
        until("a request that waits", || (report(&vhbas).vhba?.held > 0).then_some(()));
        world.assign(&mut vhbas, 2);
        reader.join().unwrap();
    });
    assert_eq!(report(&vhbas).vhba.unwrap().director, "d2");
    release(&mut vhbas);
    assert!(!world.run_dir().join("web").exists());
    drop(vhbas);
    assert!(world.agent().running.is_empty(), "it is remembered after it was released");
}

#[test]
fn an_export_without_a_place_says_why() {
    let mut world = World::new(7);
    world.run_dir = "x".repeat(90);
    let mut vhbas = world.agent();
    world.assign(&mut vhbas, 1);
    let long = lun(&vhbas, |it| !it.problem.is_empty());
    assert!(long.export.is_empty() && long.problem.contains("vhba.run_dir"), "{}", long.problem);
    release(&mut vhbas);
}

#[test]
fn a_file_system_on_a_device_node_is_clean() {
    let mut world = World { device_nodes: true, ..World::new(1) };
    let mut vhbas = world.agent();
    world.assign(&mut vhbas, 1);
    let device = lun(&vhbas, |it| !it.device.is_empty() || !it.problem.is_empty());
    assert_eq!(device.problem, "");
    let device = device.device;
    assert!(std::fs::metadata(&device).unwrap().file_type().is_block_device());
    let mount = world.folder.path().join("mnt");
    std::fs::create_dir(&mount).unwrap();
    let file = mount.join("file");
    let (mount, data) = (mount.display().to_string(), vec![0x5a; 8 << 20]);
    succeeds("mkfs.ext4", &["-q", &device]);
    succeeds("mount", &[&device, &mount]);
    std::fs::write(&file, &data).unwrap();
    std::fs::File::open(&file).unwrap().sync_all().unwrap();
    world.directors.lose_home();
    world.assign(&mut vhbas, 2);
    std::fs::write(file.with_extension("2"), &data).unwrap();
    succeeds("umount", &[&mount]);
    succeeds("fsck.ext4", &["-fn", &device]);
    succeeds("mount", &["-o", "ro", &device, &mount]);
    assert!(std::fs::read(&file).unwrap() == data && std::fs::read(file.with_extension("2")).unwrap() == data);
    succeeds("umount", &[&mount]);
    release(&mut vhbas);
    assert!(!succeeds("losetup", &["--list", "--noheadings", "--output", "NAME"]).contains(&device), "{device}");
    assert!(!world.run_dir().join("web").exists());
}

#[test]
fn what_a_killed_agent_left_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let attach = |name: &str| {
        let path = folder.path().join(name);
        std::fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
        loops::attach(&path, 512, false).unwrap()
    };
    let id = std::process::id();
    let (ours, other) = (attach(&format!("twinrail-t{id}-7-lun0")), attach(&format!("twinrail-u{id}-7-lun0")));
    loops::clear(&nodes::prefix(&format!("t{id}"))).unwrap();
    let left = succeeds("losetup", &["--list", "--noheadings", "--output", "BACK-FILE"]);
    loops::detach(&other).unwrap();
    assert!(!left.contains(&format!("twinrail-t{id}-")) && left.contains(&format!("twinrail-u{id}-")), "{left}");
    assert_ne!(ours, other);
}
