//! Sets the stage: a lab with a cluster in it, cards with traffic, a disk under load beside a slow array, API clients, observers. And
//! clears it again, with everything that was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_proto::domain::DirectorRole;

use super::clients::api::ApiClients;
use super::clients::spoof::Spoofer;
use super::evidence::{CardSeen, Evidence};
use super::observation::Observers;
use super::options::{Length, Plan};
use super::world::{SMALL_DISK, World};
use crate::consistency::running::RunningLoad;
use crate::lab::array::Slowness;
use crate::lab::card::Watched;
use crate::lab::scenario::{DEVICES, Scenario, eventually};
use crate::lab::storage::{PROFILE, VHBA, add_array};
use crate::lab::{Lab, Layout, sick};
use crate::measure::clock;

/// Profiles with network cards are on these, the one with the disk on the last.
const CARD_SERVERS: [&str; 2] = ["s1", "s2"];
const DISK_SERVER: &str = "s3";
const LUN: u16 = 1;
const MEBIBYTES: u64 = 16;
/// Between two turns of the block load, so that it leaves the machine to the others: some thousand commands a second.
const BLOCK_REST: Duration = Duration::from_millis(60);
/// All directors are at the same revision within this, once nobody changes anything.
const CONVERGE_WITHIN: Duration = Duration::from_secs(15);
/// How long a step takes about, where so many of them are to be done.
const STEP: Duration = Duration::from_secs(6);

/// Everything that runs.
pub struct Stage {
    pub world: World,
    pub watched: Vec<Watched>,
    pub blocks: RunningLoad,
    pub api: ApiClients,
    observers: Observers,
    spoofer: Spoofer,
}

impl Stage {
    pub fn set(plan: &Plan) -> Result<Self> {
        let layout =
            Layout { san: true, small_disk: Some((SMALL_DISK.0.to_owned(), SMALL_DISK.1)), ..layout(plan.directors) };
        let mut lab = Lab::build(layout)?;
        match Self::set_in(&mut lab, plan) {
            Ok(set) => Ok(set.with(lab, plan)),
            Err(error) => {
                lab.keep_logs();
                Err(error)
            }
        }
    }

    fn set_in(lab: &mut Lab, plan: &Plan) -> Result<Parts> {
        let library = sick::compile(lab.run_dir())?;
        let mut sick = BTreeMap::new();
        for name in lab.layout.director_names() {
            sick.insert(name.clone(), lab.make_mortal(&name, &library)?);
        }
        let cards = Scenario::deploy_in(lab, &CARD_SERVERS)?;
        let cli = lab.any_cli()?;
        let array = add_array(lab, &cli, Some(Slowness::usual(plan.seed)), &[(LUN, MEBIBYTES)])?;
        cli.run(&format!("profile deploy {PROFILE} --server {DISK_SERVER}"))?;
        let export = lab.export(&cli, LUN)?;
        let macs = cards.iter().map(|it| it.vnic.mac.parse().context("a vNIC's MAC")).collect::<Result<Vec<_>>>()?;
        let [own, .., foreign] = macs[..] else { anyhow::bail!("fewer than two cards") };
        let spoofer = Spoofer::start(lab, CARD_SERVERS[0], DEVICES[0], own, foreign)?;
        let blocks = RunningLoad::start_paced(&export, plan.seed, BLOCK_REST)?;
        blocks.shared.set_epoch(cli.vhba(VHBA)?.epoch()?);
        let watched = cards.into_iter().map(|card| Watched::start(lab, card)).collect::<Result<Vec<_>>>()?;
        let observers = Observers::start(lab)?;
        let run = match plan.length {
            Length::Time(time) => time,
            Length::Rounds(rounds) => STEP * u32::try_from(rounds).context("too many rounds")?,
        };
        let api = ApiClients::start(lab, plan.seed, run)?;
        Ok(Parts { sick, array, watched, blocks, api, observers, spoofer })
    }

    /// Ends everybody, and looks once more.
    pub fn clear(self, evidence: &mut Evidence) -> Result<World> {
        let Self { world, watched, blocks, api, observers, spoofer } = self;
        evidence.to = clock::now();
        evidence.directors = world.directors();
        // One after the other, and what is seen is kept even where a later one fails.
        let reader = evidence.directors.first().context("no directors")?;
        let history = api.finish(&world.lab.api(reader)?, reader);
        let states = last_states(&world);
        let blocks = blocks.finish();
        let cards = watched.into_iter().map(finish).collect::<Result<Vec<_>>>();
        evidence.observed = observers.finish()?;
        evidence.spoofed = spoofer.finish()?;
        evidence.flights = world.lab.flights()?;
        evidence.cards = cards?;
        evidence.history = history.context("the API clients")?;
        evidence.blocks = blocks.context("the load on the disk")?;
        evidence.last_states = states?;
        Ok(world)
    }
}

struct Parts {
    sick: BTreeMap<String, sick::SickMachine>,
    array: crate::lab::array::Array,
    watched: Vec<Watched>,
    blocks: RunningLoad,
    api: ApiClients,
    observers: Observers,
    spoofer: Spoofer,
}

impl Parts {
    fn with(self, lab: Lab, plan: &Plan) -> Stage {
        let Self { sick, array, watched, blocks, api, observers, spoofer } = self;
        let vnics = watched.iter().map(|it| it.card.short_name()).collect();
        let mut world = World::new(lab, array, sick, vnics);
        world.old_program = plan.means.old_program.clone();
        Stage { world, watched, blocks, api, observers, spoofer }
    }
}

fn layout(directors: u8) -> Layout {
    let directors = (1..=directors).map(|number| (format!("d{number}"), DirectorRole::Active)).collect();
    let servers = CARD_SERVERS.into_iter().chain([DISK_SERVER]).map(str::to_owned).collect();
    Layout { directors, servers, ..Layout::default() }
}

fn finish(mut watched: Watched) -> Result<CardSeen> {
    let (name, events) = (watched.card.short_name(), watched.events()?.to_vec());
    Ok(CardSeen { name, events, transfer: watched.finish()?.transfer })
}

/// Waits until all directors are at the same revision; what each says of its state then, or in the end.
fn last_states(world: &World) -> Result<BTreeMap<String, (u64, String)>> {
    let mut states = BTreeMap::new();
    let same = eventually(CONVERGE_WITHIN, "all directors at the same revision", || {
        for director in world.directors() {
            let Ok(cluster) = world.lab.cli(&director)?.json("cluster show --state-hash") else { return Ok(None) };
            let word = |field: &str| cluster[field].as_str().map(str::to_owned);
            let state = word("stateRevision").and_then(|it| it.parse().ok()).zip(word("stateHash"));
            states.insert(director, state.context("a director gave no digest")?);
        }
        let mut revisions: Vec<u64> = states.values().map(|it| it.0).collect();
        revisions.dedup();
        Ok((revisions.len() == 1).then_some(()))
    });
    ensure!(same.is_ok() || !states.is_empty(), "no director gave a digest: {same:?}");
    Ok(states)
}
