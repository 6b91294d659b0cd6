//! The names of labs, who owns each, and how all of one is removed.
//!
//! A lab writes its owner (pid and start time of the process) into its run folder *before* its first namespace is made,
//! and the file goes *after* the last one. So a namespace without such a file is not a lab's, and is left alone; and a
//! lab whose owner is gone is an orphan, and is removed by whoever starts the next lab.

use std::fmt;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{namespace, setting, shell};

/// Folders of logs, and of owner files, of all labs on this machine.
const BASE: &str = "/tmp/twinrail-lab";
const MOUNTS: &str = "/proc/self/mounts";
const BLOCK_DEVICES: &str = "/sys/block";
const OWNER_FILE: &str = "owner";
const TURN_FILE: &str = "turn.lock";
const PREFIX: &str = "twr-";
/// Hex digits of a lab's name: 16 million names, few labs. A name taken already is refused by the folder's creation.
const DIGITS: usize = 6;
/// How long killed processes may take to be gone from a namespace.
const GONE_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabId(String);

impl LabId {
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string()[..DIGITS].to_owned())
    }

    pub fn parse(text: &str) -> Result<Self> {
        let hex = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex { Ok(Self(text.to_owned())) } else { bail!("'{text}' is not the name of a lab: {DIGITS} hex digits") }
    }

    pub fn namespace(&self, machine: &str) -> String {
        format!("{PREFIX}{}-{machine}", self.0)
    }

    pub fn run_dir(&self) -> PathBuf {
        Path::new(BASE).join(&self.0)
    }
}

impl fmt::Display for LabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes the run folder and notes this process as the owner.
pub fn claim(id: &LabId) -> Result<PathBuf> {
    let folder = id.run_dir();
    fs::create_dir_all(BASE).with_context(|| format!("could not create {BASE}"))?;
    fs::create_dir(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let owner = folder.join(OWNER_FILE);
    let pid = std::process::id();
    let start = start_time(pid).with_context(|| format!("could not read the start time of pid {pid}"))?;
    fs::write(&owner, format!("{pid} {start}\n")).with_context(|| format!("could not write {}", owner.display()))?;
    Ok(folder)
}

/// Held by whoever wants the machine's two cores for one lab at a time: tests and benchmarks. Others wait.
pub fn turn() -> Result<File> {
    fs::create_dir_all(BASE).with_context(|| format!("could not create {BASE}"))?;
    let path = Path::new(BASE).join(TURN_FILE);
    let file = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
    file.lock().with_context(|| format!("could not lock {}", path.display()))?;
    Ok(file)
}

/// Removes every lab whose owner is gone.
pub fn reap_orphans() -> Result<()> {
    let entries = match fs::read_dir(BASE) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("could not list {BASE}")),
    };
    for entry in entries {
        let name = entry.with_context(|| format!("could not list {BASE}"))?.file_name();
        if let Some(id) = name.to_str().and_then(|name| LabId::parse(name).ok())
            && is_orphan(&id)
        {
            remove(&id)?;
        }
    }
    Ok(())
}

/// Kills every process in the lab's namespaces, removes these, and then the note of its owner. Logs stay.
pub fn remove(id: &LabId) -> Result<()> {
    let namespaces = namespaces(id)?;
    namespaces.iter().try_for_each(|name| kill_all(name))?;
    for folder in mounts(id)? {
        shell::run(Command::new("umount").arg(folder))?;
    }
    let loops = loop_devices(id)?;
    for device in &loops {
        shell::run(Command::new("losetup").arg("--detach").arg(device))?;
    }
    for name in &namespaces {
        shell::run(Command::new("ip").args(["netns", "delete", name]))?;
    }
    let owner = id.run_dir().join(OWNER_FILE);
    match fs::remove_file(&owner) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", owner.display()))
        }
        _ => Ok(()),
    }
}

/// The lab's namespaces that exist now.
pub fn namespaces(id: &LabId) -> Result<Vec<String>> {
    let prefix = id.namespace("");
    let entries = match fs::read_dir(namespace::FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("could not list {}", namespace::FOLDER)),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.starts_with(&prefix)).collect())
}

/// Where something is mounted in the lab's folder.
fn mounts(id: &LabId) -> Result<Vec<PathBuf>> {
    let folder = id.run_dir();
    let table = fs::read_to_string(MOUNTS).with_context(|| format!("could not read {MOUNTS}"))?;
    let places = table.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    Ok(places.filter(|it| it.starts_with(&folder)).collect())
}

/// The loop devices whose files are in the lab's folder: the one thing of a server that is not in a namespace.
fn loop_devices(id: &LabId) -> Result<Vec<PathBuf>> {
    let marks = loop_marks(id);
    let mut found = Vec::new();
    for entry in fs::read_dir(BLOCK_DEVICES).with_context(|| format!("could not list {BLOCK_DEVICES}"))? {
        let entry = entry.with_context(|| format!("could not list {BLOCK_DEVICES}"))?;
        // A device that is no loop device, or has no file, has no such entry.
        let file = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
        if marks.iter().any(|mark| file.contains(mark)) {
            found.push(Path::new("/dev").join(entry.file_name()));
        }
    }
    Ok(found)
}

/// What the path of such a file has in it: the lab's folder, or, where the file is in a mount of a server's own, that server's
/// machine id, which agents give their files' names.
fn loop_marks(id: &LabId) -> Vec<String> {
    let folder = id.run_dir();
    // A lab that ends before its servers have started has no ids, or no folder any more.
    let machines = fs::read_dir(&folder).into_iter().flatten().flatten();
    let ids = machines.filter_map(|it| fs::read_to_string(it.path().join("machine-id")).ok());
    let ids = ids.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
    ids.chain([folder.display().to_string()]).collect()
}

fn is_orphan(id: &LabId) -> bool {
    let Ok(owner) = fs::read_to_string(id.run_dir().join(OWNER_FILE)) else { return false };
    let mut words = owner.split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok());
    match (pid, words.next()) {
        (Some(pid), Some(start)) => start_time(pid).as_deref() != Some(start),
        // A claim that was cut short by a crash: its owner cannot have gone on.
        _ => true,
    }
}

/// Field 22 of /proc/pid/stat: with the pid, it names one process for as long as the machine is up. The second
/// field may hold spaces and brackets, so fields are counted from the last bracket.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

fn kill_all(namespace: &str) -> Result<()> {
    let end = Instant::now() + setting::patience(GONE_WITHIN);
    loop {
        let listed = shell::run(Command::new("ip").args(["netns", "pids", namespace]))?;
        let pids: Vec<Pid> = listed.lines().filter_map(|line| Pid::from_raw(line.trim().parse().ok()?)).collect();
        if pids.is_empty() {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("processes in namespace {namespace} outlive SIGKILL: {pids:?}");
        }
        for pid in &pids {
            // One that ended by itself since it was listed is as good as killed.
            kill_process(*pid, Signal::KILL).ok();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_strictly() {
        assert!(LabId::parse("0a1b2c").is_ok());
        for bad in ["", "0a1b2", "0a1b2c3", "../../x", "0a1b2g"] {
            assert!(LabId::parse(bad).is_err(), "{bad:?}");
        }
        let random = LabId::random();
        assert_eq!(LabId::parse(&random.to_string()).unwrap(), random);
    }

    #[test]
    fn a_process_is_known_by_its_start_time() {
        let own = start_time(std::process::id()).unwrap();
        assert!(own.parse::<u64>().unwrap() > 0);
        assert_eq!(start_time(std::process::id()).unwrap(), own);
        assert_eq!(start_time(u32::MAX), None);
    }
}
