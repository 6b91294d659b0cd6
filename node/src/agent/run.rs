//! The agent from start to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use twinrail_datapath::commands::initiator::Home;
use twinrail_datapath::{Event, Machine, Problem, PublishReport, ServerConfig as DatapathConfig, ServerDatapath};
use twinrail_failover::agent::{Agent, Effect, Refusal, Route};
use twinrail_proto::domain::{AdapterId, DirectorId, Name, Rail, RailAddresses, Revision};
use twinrail_proto::grpc::internal::v1::agent_message::Message;
use twinrail_proto::grpc::internal::v1::{
    AgentMessage, AttachRequest, DeviceReport, DirectorMessage, Released, device_report,
};
use twinrail_proto::rail::ClusterTag;

use super::attach::{Attacher, stay_attached};
use super::identity::{IdentityError, machine_id};
use super::keeper::{Durable, Keeper};
use super::memory::{MemoryError, MemoryFile};
use super::table::server_table;
use super::vhba::{Assigned, Common, LunMemory, LunMemoryError, Vhbas, Way};
use super::words::{self, Device};
use crate::config::{ServerConfig, rail_kinds, rails_config};
use crate::link::{Identity, Links, PathBoard};
use crate::problems::Problems;
use crate::telemetry::error_text;
use crate::{clock, stop};

/// Assignments that wait to be decided upon; directors wait when the agent is slow.
const HEARD: usize = 64;
/// News of the datapath's threads; more of them say nothing new.
const DATAPATH_NEWS: usize = 1024;
/// How often the paths are looked at beside the times when something changed.
const REFRESH_PATHS: Duration = Duration::from_secs(1);
/// Released profiles that are repeated to directors; older ones have been completed without.
const MAX_RELEASED: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    LunMemory(#[from] LunMemoryError),
    #[error("the datapath cannot start: {0}")]
    Datapath(#[from] twinrail_datapath::StartError),
    #[error("the cluster's name cannot be sent in a header")]
    ClusterName,
    #[error("the rails were closed")]
    Closed,
}

struct Runner {
    agent: Agent,
    keeper: Keeper,
    datapath: ServerDatapath,
    board: watch::Sender<Arc<PathBoard>>,
    links: Links,
    said: watch::Sender<Arc<Vec<AgentMessage>>>,
    attacher: Attacher,
    streams: BTreeMap<Name, JoinSet<()>>,
    directors: BTreeMap<Name, RailAddresses>,
    devices: BTreeMap<AdapterId, Device>,
    released: BTreeMap<Name, Revision>,
    /// What was said of every device last: what is wrong with it, or nothing.
    reported: BTreeMap<AdapterId, String>,
    problems: Problems,
    up: BTreeSet<(Name, Rail)>,
    vhbas: Vhbas,
    director_ids: BTreeMap<DirectorId, Name>,
    /// The vHBAs of the newest assignment; None: there was none since the start, and what is remembered stays.
    assigned_vhbas: Option<BTreeMap<AdapterId, Assigned>>,
    /// Profiles to be released whose vHBAs have not gone yet.
    releasing: BTreeMap<Name, Revision>,
}

/// Runs until a signal asks to stop; then the devices go away.
pub async fn run(config: ServerConfig) -> Result<(), AgentError> {
    let machine_id = machine_id(&config.state_dir)?;
    let (news, mut events) = mpsc::channel(DATAPATH_NEWS);
    let (heard_sender, mut heard) = mpsc::channel(HEARD);
    let memory = MemoryFile::new(&config.state_dir);
    let agent = Agent::new(memory.read()?);
    let (keeper, mut durable) = Keeper::start(memory);
    let vhba_news = Arc::new(Notify::new());
    let mut runner = Runner::start(&config, (agent, keeper), machine_id, (news, vhba_news.clone()), heard_sender)?;
    runner.publish();
    tracing::info!(server = %config.name, cluster = %config.cluster, "running");
    let mut refresh = tokio::time::interval(REFRESH_PATHS);
    let stopped = stop::signal();
    tokio::pin!(stopped);
    loop {
        let deadline = runner.agent.next_deadline();
        tokio::select! {
            Some(message) = heard.recv() => runner.hear(message),
            Some(released) = durable.recv() => runner.acknowledge(released?),
            event = events.recv() => match event.ok_or(AgentError::Closed)? {
                Event::Stalled { for_ns } => tracing::warn!(stalled_ms = for_ns / 1_000_000, "the datapath was stopped for a while"),
                Event::PathUp { .. } | Event::PathDown { .. } => runner.look_at_paths(),
                Event::OtherCluster { from, rail } => {
                    tracing::warn!(%from, %rail, "a machine of another cluster speaks on our rail and is not heard: check `cluster` in its configuration");
                }
                Event::DeviceFailed { adapter } => {
                    tracing::warn!(adapter = adapter.0, "somebody removed a device: making it anew");
                    runner.publish();
                }
                _ => {}
            },
            _ = refresh.tick() => {
                runner.look_at_paths();
                runner.say();
            }
            () = vhba_news.notified() => runner.look_at_vhbas(),
            () = clock::sleep_until(deadline) => {
                let effects = runner.agent.tick(clock::now());
                runner.act(effects);
            }
            signal = &mut stopped => {
                tracing::info!(signal, "stopping");
                return Ok(());
            }
        }
    }
}

impl Runner {
    fn start(
        config: &ServerConfig,
        (agent, keeper): (Agent, Keeper),
        machine_id: String,
        (news, vhba_news): (mpsc::Sender<Event>, Arc<Notify>),
        heard: mpsc::Sender<DirectorMessage>,
    ) -> Result<Self, AgentError> {
        let rails = config.rails.addresses();
        let datapath_config = DatapathConfig {
            rails: rails_config(&config.cluster, rails, rail_kinds(config.rail, &config.verbs), &config.timing),
            recorder: config.trial.flight_recorder.clone(),
        };
        let events = Box::new(move |event| {
            let _ = news.try_send(event);
        });
        let datapath = ServerDatapath::start(datapath_config, events)?;
        let (board, paths) = watch::channel(Arc::new(PathBoard::default()));
        let (said, hears) = watch::channel(Arc::new(Vec::new()));
        let links = Links::new(paths, Rail::A);
        let identity = Identity::agent(&config.cluster).ok_or(AgentError::ClusterName)?;
        let request = AttachRequest {
            server: config.name.to_string(),
            machine_id: machine_id.clone(),
            rail_a: rails.a.to_string(),
            rail_b: rails.b.to_string(),
        };
        let common = Common {
            cluster: ClusterTag::of(&config.cluster),
            server: config.name.clone(),
            machine_id,
            rails,
            settings: config.vhba.clone(),
            memory: LunMemory::open(&config.state_dir)?,
        };
        let attacher = Attacher { identity, links: links.clone(), request, said: hears, heard };
        Ok(Self {
            agent,
            keeper,
            datapath,
            board,
            links,
            said,
            attacher,
            streams: BTreeMap::new(),
            directors: config.directors.iter().map(|it| (it.name.clone(), it.rails())).collect(),
            devices: BTreeMap::new(),
            released: BTreeMap::new(),
            reported: BTreeMap::new(),
            problems: Problems::default(),
            up: BTreeSet::new(),
            vhbas: Vhbas::start(common, vhba_news),
            director_ids: BTreeMap::new(),
            assigned_vhbas: None,
            releasing: BTreeMap::new(),
        })
    }

    fn hear(&mut self, message: DirectorMessage) {
        let heard = match words::read(message) {
            Ok(heard) => heard,
            Err(error) => {
                tracing::error!(%error, "a director's assignment cannot be read");
                return;
            }
        };
        let current = heard.assignment.revision >= self.agent.memory().revision;
        let mut changed = false;
        if current {
            changed = self.devices != heard.devices || self.directors != heard.directors;
            self.devices = heard.devices;
            self.assigned_vhbas = Some(heard.vhbas);
            self.director_ids = heard.director_ids;
            if !heard.directors.is_empty() {
                self.directors = heard.directors;
            }
        }
        let waiting: Vec<AdapterId> = self.agent.waiting().collect();
        let effects = self.agent.on_assignment(&heard.assignment, clock::now());
        changed |= !self.agent.waiting().eq(waiting);
        tracing::debug!(from = %heard.assignment.from, revision = heard.assignment.revision.0, ?effects, "assigned");
        if changed {
            self.publish();
        }
        self.follow_vhbas();
        self.act(effects);
    }

    fn look_at_paths(&mut self) {
        let states = self.datapath.paths();
        let mut up = BTreeSet::new();
        for state in states.iter().filter(|it| it.up) {
            if let Machine::Director(name) = &state.peer {
                up.insert((name.clone(), state.rail));
            }
        }
        self.board.send_replace(Arc::new(PathBoard::new(states)));
        let changes: Vec<(Name, Rail)> = self.up.symmetric_difference(&up).cloned().collect();
        self.up = up;
        for (director, rail) in changes {
            let now_up = self.up.contains(&(director.clone(), rail));
            let effects = self.agent.on_path(&director, rail, now_up, clock::now());
            self.act(effects);
            self.follow_vhbas();
        }
    }

    /// Gives vHBAs their homes and paths, ends those that this server has no longer.
    fn follow_vhbas(&mut self) {
        let Some(assigned) = &self.assigned_vhbas else { return };
        let addresses = self.director_ids.iter().filter_map(|(&id, name)| Some((id, *self.directors.get(name)?)));
        self.vhbas.set_directors(addresses.collect());
        let wanted = self.agent.newest_routes();
        let wanted = wanted.filter_map(|(id, route)| Some((id, (assigned.get(&id)?.clone(), self.way(route)))));
        self.vhbas.set(wanted.collect());
    }

    fn way(&self, route: &Route) -> Way {
        let Some(name) = &route.home else { return Way::default() };
        let director = self.director_ids.iter().find(|(_, it)| *it == name).map(|(&id, _)| id);
        let home = director.map(|director| Home { director, epoch: route.epoch });
        Way { home, up: Rail::ALL.map(|rail| self.up.contains(&(name.clone(), rail))) }
    }

    /// Something of a vHBA is new. What waited for its end may go on.
    fn look_at_vhbas(&mut self) {
        self.vhbas.reconcile();
        let gone = self.releasing.extract_if(.., |profile, _| !self.vhbas.has(profile));
        gone.for_each(|(profile, revision)| self.keeper.acknowledge(profile, revision));
        self.say();
    }

    /// A release is acknowledged when nothing of the profile is left: its vNICs went with the last table.
    fn acknowledge_release(&mut self, profile: Name, revision: Revision) {
        if self.vhbas.has(&profile) {
            self.releasing.insert(profile, revision);
        } else {
            self.keeper.acknowledge(profile, revision);
        }
    }

    /// Does what was decided, in its order: the table is published once, before anything that relies on it.
    fn act(&mut self, effects: Vec<Effect>) {
        let moves = |it: &Effect| matches!(it, Effect::Switch { .. } | Effect::Create { .. } | Effect::Remove { .. });
        if effects.iter().any(moves) {
            self.publish();
        }
        for effect in effects {
            match effect {
                Effect::Switch { adapter, route } => {
                    tracing::info!(adapter = adapter.0, home = ?route.home, epoch = route.epoch.0, "switched");
                }
                Effect::Create { adapter, .. } => tracing::info!(adapter = adapter.0, "created"),
                Effect::Remove { adapter } => tracing::info!(adapter = adapter.0, "removed"),
                Effect::Persist => self.keeper.persist(self.agent.memory()),
                Effect::AcknowledgeRelease { profile, revision } => self.acknowledge_release(profile, revision),
                Effect::Refuse(Refusal::OldRevision { .. }) => {}
                Effect::Refuse(refusal) => tracing::warn!(%refusal, "an assignment was refused"),
            }
        }
    }

    /// What had to be durable first is: directors may know of these releases.
    fn acknowledge(&mut self, released: Durable) {
        if released.is_empty() {
            return;
        }
        self.released.extend(released);
        while self.released.len() > MAX_RELEASED {
            self.released.pop_first();
        }
        self.say();
    }

    /// Gives the datapath the table that fits what is known now.
    fn publish(&mut self) {
        let table = server_table(&self.agent, &self.directors, &self.devices);
        let mut devices: BTreeMap<AdapterId, String> = table.adapters.iter().map(|it| (it.id, String::new())).collect();
        let report = self.datapath.publish(table);
        self.problems.tell(&report.problems, "the assignment");
        devices.extend(device_problems(report));
        if devices != self.reported {
            self.reported = devices;
            self.say();
        }
        self.links.set_peers(self.directors.iter().map(|(name, &rails)| (name.clone(), rails)));
        self.streams.retain(|name, _| self.directors.contains_key(name));
        for name in self.directors.keys() {
            self.streams.entry(name.clone()).or_insert_with(|| {
                let mut stream = JoinSet::new();
                stream.spawn(stay_attached(self.attacher.clone(), name.clone()));
                stream
            });
        }
    }

    fn say(&self) {
        let released = self.released.iter().map(|(profile, revision)| {
            Message::Released(Released { profile: profile.to_string(), revision: revision.0 })
        });
        let devices = self.reported.iter().map(|(id, problem)| device_report::Device {
            adapter: id.0,
            problem: problem.clone(),
            ..Default::default()
        });
        let devices = devices.chain(self.vhbas.reports(&self.director_ids));
        let devices = Message::Devices(DeviceReport { devices: devices.collect() });
        let messages = released.chain([devices]).map(|message| AgentMessage { message: Some(message) });
        let messages: Vec<AgentMessage> = messages.collect();
        self.said.send_if_modified(|said| {
            let new = **said != messages;
            if new {
                *said = Arc::new(messages);
            }
            new
        });
    }
}

fn device_problems(report: PublishReport) -> impl Iterator<Item = (AdapterId, String)> {
    report.problems.into_iter().filter_map(|problem| match problem {
        Problem::Device { adapter, source } => Some((adapter, error_text(&source))),
        _ => None,
    })
}
