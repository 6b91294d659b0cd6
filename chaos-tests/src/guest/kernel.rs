//! Debian's kernel with its modules: downloaded by apt, unpacked into the guest's folder, never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::folder::Folder;
use crate::lab::shell;

/// Depends on the kernel of the day.
const META_PACKAGE: &str = "linux-image-amd64";
const FOLDER: &str = "kernel";

pub struct Kernel {
    root: PathBuf,
    release: String,
}

impl Kernel {
    /// The kernel that is there, whatever its version; else the newest that apt knows.
    pub fn fetch(folder: &Folder) -> Result<Self> {
        let root = folder.path().join(FOLDER);
        if !root.exists() {
            download(folder, &root).context("could not get a kernel for the guest")?;
        }
        let release = only_entry(&root.join("lib/modules"))?;
        Ok(Self { root, release })
    }

    pub fn image(&self) -> PathBuf {
        self.root.join("boot").join(format!("vmlinuz-{}", self.release))
    }

    /// The files of these modules and of all that they need, in the order in which they can be loaded.
    pub fn modules(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let folder = self.root.join("lib/modules").join(&self.release);
        let table = folder.join("modules.dep");
        let table = fs::read_to_string(&table).with_context(|| format!("could not read {}", table.display()))?;
        let mut files: Vec<PathBuf> = Vec::new();
        for name in names {
            let wanted = format!("/{name}.ko");
            let line = table.lines().filter_map(|it| it.split_once(':')).find(|(file, _)| file.ends_with(&wanted));
            let (file, needs) = line.with_context(|| format!("the kernel has no module {name}"))?;
            for file in needs.split_whitespace().rev().chain([file]).map(|it| folder.join(it)) {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }
}

/// Unpacks beside its place and moves it there, so that a half of it is never taken for a kernel.
fn download(folder: &Folder, root: &Path) -> Result<()> {
    let package = package_name().or_else(|_| {
        shell::run(Command::new("apt-get").args(["update", "-qq"]))?;
        package_name()
    })?;
    eprintln!("guest: downloading the Debian package {package} (about 70 MB) into {}", folder.path().display());
    let unpacked = folder.path().join("kernel.part");
    fs::remove_dir_all(&unpacked).ok();
    fs::create_dir(&unpacked).with_context(|| format!("could not create {}", unpacked.display()))?;
    shell::run(Command::new("apt-get").args(["download", "-qq", &package]).current_dir(&unpacked))?;
    let archive = unpacked.join(only_entry(&unpacked)?);
    shell::run(Command::new("dpkg").arg("-x").arg(&archive).arg(&unpacked))?;
    fs::remove_file(&archive).with_context(|| format!("could not remove {}", archive.display()))?;
    let release = only_entry(&unpacked.join("lib/modules"))?;
    shell::run(Command::new("depmod").arg("-b").arg(&unpacked).arg(&release))?;
    fs::rename(&unpacked, root).with_context(|| format!("could not move {}", unpacked.display()))
}

/// The package on which the meta-package depends.
fn package_name() -> Result<String> {
    let listed = shell::run(Command::new("apt-cache").args(["depends", "--important", META_PACKAGE]))?;
    let name = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|it| it.starts_with("linux-image"));
    Ok(name.with_context(|| format!("apt does not know on what {META_PACKAGE} depends"))?.to_owned())
}

fn only_entry(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    let mut names: Vec<String> = entries.filter_map(|it| it.ok()?.file_name().into_string().ok()).collect();
    ensure!(names.len() == 1, "{} should have one entry and has {names:?}", folder.display());
    Ok(names.remove(0))
}
