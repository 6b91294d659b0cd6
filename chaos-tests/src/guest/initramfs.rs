//! What the guest's kernel starts with: busybox, the modules that reach this machine's files, and `init.sh`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::archive::Archive;
use super::folder::Folder;
use super::kernel::Kernel;
use crate::lab::shell;

/// The rest is loaded from this machine's files.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];
const MOUNT_POINTS: [&str; 6] = ["dev", "proc", "modules", "lower", "upper", "whole"];
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];
const INIT: &str = include_str!("init.sh");
const SERVE: &str = include_str!("serve.sh");

/// Writes it, and what `init.sh` goes on with.
pub fn write(folder: &Folder, kernel: &Kernel) -> Result<()> {
    save(&folder.exchange().join("serve.sh"), SERVE.as_bytes())?;
    let mut archive = Archive::default();
    MOUNT_POINTS.iter().for_each(|it| archive.folder(it));
    archive.file("init", INIT.as_bytes());
    let busybox =
        BUSYBOX.iter().map(Path::new).find(|it| it.is_file()).context("busybox is not there: run `make deps`")?;
    let mut files = libraries(busybox)?;
    files.insert(PathBuf::from("/bin/busybox"));
    let folders: BTreeSet<&Path> = files.iter().flat_map(|it| it.ancestors().skip(1)).collect();
    folders.iter().map(|it| inside(it)).filter(|it| !it.is_empty()).for_each(|it| archive.folder(&it));
    for file in &files {
        let source = if file.ends_with("busybox") { busybox } else { file };
        archive.file(&inside(file), &read(source)?);
    }
    for (number, module) in kernel.modules(&MODULES)?.iter().enumerate() {
        archive.file(&format!("modules/{number:02}.ko"), &read(module)?);
    }
    save(&folder.initramfs(), &archive.finish())
}

/// The shared libraries of a program, its loader among them; none of one that is linked statically.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let Ok(listed) = shell::run(Command::new("ldd").arg(program)) else { return Ok(BTreeSet::new()) };
    let paths = listed.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(paths.map(PathBuf::from).collect())
}

/// Paths of the archive are relative to the root.
fn inside(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("could not read {}", path.display()))
}

fn save(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("could not write {}", path.display()))
}
