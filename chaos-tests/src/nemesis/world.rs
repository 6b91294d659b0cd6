//! The lab that the nemesis works in, and what faults do to it in common: who leads, who is a home, who is away, how one comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::schedule::{Step, Target};
use crate::lab::array::Array;
use crate::lab::interrupt;
use crate::lab::scenario::eventually;
use crate::lab::sick::SickMachine;
use crate::lab::storage::VHBA;
use crate::lab::{Cli, Lab};

/// The director whose data folder is a small disk of its own, and its size: several times what it needs.
pub const SMALL_DISK: (&str, u64) = ("d3", 512 << 20);
/// What an operator asks for is done within this, or is tried again until then.
pub const OBEYS_WITHIN: Duration = Duration::from_secs(20);
/// How often a wait looks whether the run shall end.
const LOOK: Duration = Duration::from_millis(20);

pub struct World {
    pub lab: Lab,
    /// Runs as long as the lab.
    pub array: Array,
    pub sick: BTreeMap<String, SickMachine>,
    /// An older build of the program, for the fault that needs one.
    pub old_program: Option<PathBuf>,
    /// vNICs, as `web-1/eth0`.
    pub vnics: Vec<String>,
    /// Directors that a fault has taken away: asked by nobody.
    away: BTreeSet<String>,
    next_id: u8,
}

impl World {
    pub fn new(lab: Lab, array: Array, sick: BTreeMap<String, SickMachine>, vnics: Vec<String>) -> Self {
        let next_id = lab.layout.directors.len() as u8 + 1;
        Self { lab, array, sick, old_program: None, vnics, away: BTreeSet::new(), next_id }
    }

    pub fn directors(&self) -> Vec<String> {
        self.lab.layout.director_names()
    }

    /// An id that no director ever had.
    pub fn fresh_id(&mut self) -> Result<u8> {
        let id = self.next_id;
        self.next_id = id.checked_add(1).context("all ids of directors are used up")?;
        Ok(id)
    }

    pub fn set_away(&mut self, directors: &[String]) {
        self.away.extend(directors.iter().cloned());
    }

    pub fn set_back(&mut self) {
        self.away.clear();
    }

    /// The command line on a director that is not away.
    pub fn cli(&self) -> Result<Cli> {
        let names = self.directors();
        self.lab.cli(names.iter().find(|name| !self.away.contains(*name)).context("every director is away")?)
    }

    /// Whom the step hits, by name.
    pub fn target(&self, step: &Step) -> Result<String> {
        let names = self.directors();
        let draw = |from: &[String]| {
            let index = usize::try_from(step.draw).unwrap_or_default() % from.len().max(1);
            from.get(index).cloned().context("nobody to choose from")
        };
        match step.target {
            Target::Any => draw(&names),
            Target::Leader => self.leader(),
            Target::Follower => {
                let leader = self.leader()?;
                draw(&names.into_iter().filter(|name| *name != leader).collect::<Vec<_>>())
            }
            Target::Home => draw(&self.homes()?),
        }
    }

    pub fn leader(&self) -> Result<String> {
        self.cli()?.leader()
    }

    /// The homes of all adapters, in the order of their names.
    pub fn homes(&self) -> Result<Vec<String>> {
        let cli = self.cli()?;
        let vnics = cli.vnics()?;
        let homes = vnics.iter().map(|it| it.home().to_owned()).chain([cli.vhba(VHBA)?.home().to_owned()]);
        Ok(homes.filter(|home| !home.is_empty()).collect())
    }

    /// The others, in the order of their names.
    pub fn others(&self, director: &str) -> Vec<String> {
        self.directors().into_iter().filter(|name| name != director).collect()
    }

    /// An operator who asks again until it is done: after a fault the cluster may refuse for a moment.
    pub fn obey(&self, line: &str) -> Result<()> {
        let mut last = None;
        let done = eventually(OBEYS_WITHIN, line, || {
            let answer = self.cli()?.run(line);
            let done = answer.is_ok();
            last = answer.err();
            ensure!(!interrupt::was_told(), "interrupted");
            Ok(done.then_some(()))
        });
        done.with_context(|| format!("last answer: {last:?}"))
    }

    /// Starts a director again if it has ended by itself. Whether it had.
    pub fn revive(&mut self, director: &str) -> Result<bool> {
        let ended = !self.lab.is_running(director)?;
        if ended {
            self.lab.start(director)?;
        }
        Ok(ended)
    }

    pub fn sick(&self, director: &str) -> Result<&SickMachine> {
        self.sick.get(director).with_context(|| format!("{director} cannot be made sick"))
    }
}

/// Waits; an interrupt ends it early.
pub fn wait(time: Duration) {
    let end = Instant::now() + time;
    while !interrupt::was_told() && Instant::now() < end {
        std::thread::sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
    }
}

/// Names as the lab's faults take them.
pub fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
