//! The rules of the workspace that no compiler checks: who may depend on whom, where `unsafe` may stand, how long a file
//! may be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Longer files are two things in one.
const LONGEST_FILE: usize = 500;

/// Of the crates of this workspace, whom each may import. A crate that is not listed may import none.
const OURS: [(&str, &[&str]); 7] = [
    ("twinrail-proto", &[]),
    ("twinrail-failover", &["twinrail-proto"]),
    ("twinrail-raft-store", &["twinrail-proto"]),
    ("twinrail-datapath", &["twinrail-proto", "twinrail-datapath-sys"]),
    ("twinrail-datapath-sys", &[]),
    ("twinrail", &["twinrail-proto", "twinrail-failover", "twinrail-raft-store", "twinrail-datapath"]),
    (
        "twinrail-chaos-tests",
        &[
            "twinrail-proto",
            "twinrail-failover",
            "twinrail-raft-store",
            "twinrail-datapath",
            "twinrail-datapath-sys",
            "twinrail",
        ],
    ),
];

/// Crates of others that only these may import (chaos-tests is a client of the API, so it speaks gRPC).
const OTHERS: [(&str, &[&str]); 6] = [
    ("tonic", &["twinrail", "twinrail-proto", "twinrail-chaos-tests"]),
    ("openraft", &["twinrail", "twinrail-raft-store"]),
    ("sled", &["twinrail", "twinrail-raft-store"]),
    ("libc", &["twinrail-datapath-sys"]),
    ("ibverbs", &["twinrail-datapath-sys"]),
    ("ibverbs-sys", &["twinrail-datapath-sys"]),
];

/// What decides has no runtime and no randomness of its own.
const NOT_IN_FAILOVER: [&str; 4] = ["tokio", "rand", "tonic", "twinrail-datapath-sys"];

fn metadata() -> Result<Metadata> {
    MetadataCommand::new().no_deps().exec().context("`cargo metadata` failed")
}

/// The names of a package's dependencies of all kinds; dev-dependencies may be more than the rules of production code.
fn dependencies(package: &Package) -> BTreeSet<&str> {
    let production = package.dependencies.iter().filter(|it| it.kind != cargo_metadata::DependencyKind::Development);
    production.map(|it| it.name.as_str()).collect()
}

#[test]
fn our_crates_depend_on_each_other_only_downwards() -> Result<()> {
    let metadata = metadata()?;
    let allowed: BTreeMap<&str, &[&str]> = OURS.into_iter().collect();
    let names: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    ensure!(
        names == allowed.keys().copied().collect(),
        "the rules know other crates than the workspace has: {names:?}"
    );
    for package in &metadata.packages {
        for dependency in dependencies(package).intersection(&names) {
            let name = package.name.as_str();
            ensure!(allowed[name].contains(dependency), "{name} must not depend on {dependency}");
        }
    }
    Ok(())
}

#[test]
fn crates_of_others_stay_behind_their_walls() -> Result<()> {
    for package in &metadata()?.packages {
        let (name, dependencies) = (package.name.as_str(), dependencies(package));
        for (dependency, allowed) in OTHERS {
            ensure!(
                !dependencies.contains(dependency) || allowed.contains(&name),
                "{name} must not depend on {dependency}: only {allowed:?} may"
            );
        }
    }
    Ok(())
}

#[test]
fn proto_speaks_grpc_only_when_asked() -> Result<()> {
    let metadata = metadata()?;
    let proto =
        metadata.packages.iter().find(|package| package.name.as_str() == "twinrail-proto").context("no proto")?;
    for dependency in proto.dependencies.iter().filter(|it| it.name.starts_with("tonic")) {
        let build = dependency.kind == cargo_metadata::DependencyKind::Build;
        ensure!(dependency.optional || build, "proto's {} must be behind its feature", dependency.name);
    }
    Ok(())
}

#[test]
fn failover_has_no_runtime_no_randomness_and_no_sockets() -> Result<()> {
    let metadata = metadata()?;
    let failover = metadata.packages.iter().find(|package| package.name.as_str() == "twinrail-failover");
    let failover = failover.context("no failover")?;
    let dependencies = dependencies(failover);
    for forbidden in NOT_IN_FAILOVER {
        ensure!(!dependencies.contains(forbidden), "failover must not depend on {forbidden}");
    }
    let folder = failover.manifest_path.parent().context("no folder")?.join("src");
    for (path, text) in sources(folder.as_std_path())? {
        for forbidden in ["std::net", "std::thread", "Instant::now", "SystemTime::now"] {
            ensure!(!text.contains(forbidden), "{} must not use {forbidden}", path.display());
        }
    }
    Ok(())
}

#[test]
fn unsafe_stands_only_in_datapath_sys_and_with_its_proof() -> Result<()> {
    let mut blocks = 0;
    for (path, text) in all_sources()? {
        let in_sys = path
            .components()
            .collect::<Vec<_>>()
            .windows(2)
            .any(|it| it[0].as_os_str() == "datapath" && it[1].as_os_str() == "sys");
        let lines: Vec<&str> = text.lines().collect();
        for (index, _) in lines.iter().enumerate().filter(|(_, line)| is_unsafe(line)) {
            ensure!(in_sys, "{}:{}: unsafe outside of datapath/sys", path.display(), index + 1);
            let proof = lines[index.saturating_sub(8)..=index]
                .iter()
                .any(|it| it.contains("SAFETY:") || it.contains("# Safety"));
            ensure!(proof, "{}:{}: unsafe without a SAFETY comment", path.display(), index + 1);
            blocks += 1;
        }
    }
    ensure!(blocks > 0, "the scan finds no unsafe block at all: it does not look where it should");
    Ok(())
}

#[test]
fn no_file_is_two_things_and_nothing_is_left_for_later() -> Result<()> {
    for (path, text) in all_sources()? {
        let lines = text.lines().count();
        ensure!(lines <= LONGEST_FILE, "{} has {lines} lines, more than {LONGEST_FILE}", path.display());
        // Spelt in halves, so that this file may be scanned too.
        for mark in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("unimple", "mented!"), concat!("to", "do!(")] {
            ensure!(!text.contains(mark), "{} says {mark}", path.display());
        }
    }
    Ok(())
}

/// A line of code (not of comment) that opens unsafe code.
fn is_unsafe(line: &str) -> bool {
    let code = line.trim_start();
    let code = code.split("//").next().unwrap_or_default();
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait"].iter().any(|it| code.contains(it))
        && !code.contains('"')
}

fn all_sources() -> Result<Vec<(PathBuf, String)>> {
    let mut all = Vec::new();
    for package in &metadata()?.packages {
        let folder = package.manifest_path.parent().context("a package without a folder")?;
        for part in ["src", "tests", "examples", "benches"] {
            all.extend(sources(&folder.as_std_path().join(part))?);
        }
    }
    ensure!(all.len() > 50, "only {} source files found", all.len());
    Ok(all)
}

/// Every Rust file below a folder, with its text; none when there is no such folder.
fn sources(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop().filter(|it| it.is_dir()) {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("could not list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text =
                    std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
                found.push((path, text));
            }
        }
    }
    Ok(found)
}
