//! Loop devices, by `losetup` and `umount` of util-linux.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    #[error("cannot run {program}: {source}; device nodes need Debian's packages mount and util-linux")]
    Run { program: &'static str, source: io::Error },
    #[error("{program} failed: {text}")]
    Failed { program: &'static str, text: String },
}

/// Makes a loop device of a file. Nothing of it is cached twice.
pub fn attach(file: &Path, block_length: u32, read_only: bool) -> Result<PathBuf, LoopError> {
    let mut command = Command::new("losetup");
    command.args(["--find", "--show", "--direct-io=on", "--sector-size", &block_length.to_string()]);
    if read_only {
        command.arg("--read-only");
    }
    let device = run("losetup", command.arg(file))?;
    Ok(device.trim().into())
}

/// One that is in use goes as soon as it is not.
pub fn detach(device: &Path) -> Result<(), LoopError> {
    run("losetup", Command::new("losetup").arg("--detach").arg(device)).map(drop)
}

/// Detaches the loop devices, and unmounts the file systems, that a former process of this machine left: those of files
/// and mounts whose names begin with `ours`.
pub fn clear(ours: &str) -> Result<(), LoopError> {
    let list = run(
        "losetup",
        Command::new("losetup").args(["--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"]),
    )?;
    for device in devices_of(&list, ours) {
        tracing::info!(device, "a loop device of a former agent is detached");
        detach(Path::new(device))?;
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for folder in mounts_of(&mounts, ours) {
        tracing::info!(folder, "the files of a former agent are unmounted");
        unmount(Path::new(folder))?;
    }
    Ok(())
}

/// The folder is free at once; who has something open in there has it until it is closed.
pub fn unmount(folder: &Path) -> Result<(), LoopError> {
    run("umount", Command::new("umount").arg("--lazy").arg(folder)).map(drop)
}

/// Of `losetup`'s list. The folder of the file is none that can be relied on: its mount may be gone.
fn devices_of<'a>(list: &'a str, ours: &str) -> Vec<&'a str> {
    let lines = list.lines().filter_map(|it| it.split_once(' '));
    let is_ours = |file: &str| file.rsplit('/').next().is_some_and(|it| it.starts_with(ours));
    lines.filter(|(_, file)| is_ours(file)).map(|(device, _)| device).collect()
}

/// Of `/proc/self/mountinfo` (proc(5)): the mount point is the fifth field; after a dash come type and source.
fn mounts_of<'a>(mounts: &'a str, ours: &str) -> Vec<&'a str> {
    let mount = |line: &'a str| {
        let (mount, system) = line.split_once(" - ")?;
        let mut system = system.split(' ');
        let (kind, source) = (system.next()?, system.next()?);
        (kind == "fuse" && source.starts_with(ours)).then(|| mount.split(' ').nth(4)).flatten()
    };
    mounts.lines().filter_map(mount).collect()
}

fn run(program: &'static str, command: &mut Command) -> Result<String, LoopError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| LoopError::Run { program, source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LoopError::Failed { program, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ours_are_found() {
        let list = "/dev/loop0 /var/disk.img\n/dev/loop1 /run/twinrail/a/b/disks/twinrail-1-7-lun0\n\
                    /dev/loop2 /twinrail-1-8-lun3 (deleted)\n/dev/loop3 /x/twinrail-2-7-lun0\n/dev/loop4 \n";
        assert_eq!(devices_of(list, "twinrail-1-"), ["/dev/loop1", "/dev/loop2"]);
        let mounts = "36 35 98:0 / /mnt rw,noatime - ext4 /dev/root rw\n\
                      40 35 0:50 / /run/twinrail/a/b/disks rw,nosuid - fuse twinrail-1-7 rw,user_id=0\n\
                      41 35 0:51 / /run/other rw - fuse twinrail-2-7 rw\n\
                      42 35 0:52 / /run/shared rw shared:3 - fuse sshfs rw\n";
        assert_eq!(mounts_of(mounts, "twinrail-1-"), ["/run/twinrail/a/b/disks"]);
    }
}
