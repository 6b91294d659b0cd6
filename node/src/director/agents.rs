//! The servers' agents, each with a stream to every director: this one tells them what they have and who carries it,
//! and hears which paths they see and which profiles they have let go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use twinrail_proto::domain::{AdapterId, Name, Rail, RailAddresses, Revision};
use twinrail_proto::grpc::internal::v1::agent_message::Message;
use twinrail_proto::grpc::internal::v1::agent_service_server::AgentService;
use twinrail_proto::grpc::internal::v1::device_report::Device;
use twinrail_proto::grpc::internal::v1::{
    AgentMessage, AttachRequest, DeviceReport, DirectorMessage, Lun, PathReport, Released, VhbaPath,
};
use twinrail_raft_store::state::{Operation, State};

use super::cluster::{Call, CallError, Cluster, Intent};
use super::core::SharedCore;
use super::liveness::Liveness;

/// How long an attaching agent waits until its server is registered: over an election, and not much longer.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(5);
/// Assignments that wait for a slow agent; each is whole, so older ones are worth nothing.
const OUTGOING: usize = 4;

/// The agents attached to this director.
#[derive(Default)]
pub struct AgentHub {
    agents: Mutex<BTreeMap<Name, Attached>>,
    sessions: std::sync::atomic::AtomicU64,
    let_go: Notify,
}

/// What one attached agent said last.
struct Attached {
    session: u64,
    wake: Arc<Notify>,
    released: BTreeMap<Name, Revision>,
    devices: BTreeMap<AdapterId, DeviceState>,
    vhbas: BTreeMap<AdapterId, VhbaReport>,
}

/// A vHBA as its server's agent has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VhbaReport {
    pub luns: Vec<Lun>,
    pub path: VhbaPath,
}

/// How an adapter's device is on its server, as far as this director was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// The server's agent is not attached here.
    Unattached,
    /// The agent has not spoken of it.
    Unheard,
    Up,
    /// Why the agent cannot make it.
    Failed(String),
}

impl AgentHub {
    /// Makes the agents of these servers hear the newest assignment; `None`: of all servers.
    pub fn notify(&self, servers: Option<&BTreeSet<Name>>) {
        for (name, agent) in self.agents.lock().iter() {
            if servers.is_none_or(|servers| servers.contains(name)) {
                agent.wake.notify_one();
            }
        }
    }

    pub fn attached(&self, server: &Name) -> bool {
        self.agents.lock().contains_key(server)
    }

    /// The server has said that it let this profile go, as of this revision of the profile or a later one.
    pub fn released(&self, server: &Name, profile: &Name, revision: Revision) -> bool {
        let agents = self.agents.lock();
        agents.get(server).and_then(|agent| agent.released.get(profile)).is_some_and(|&said| said >= revision)
    }

    /// A server has said that it let a profile go, since this was waited for last.
    pub async fn let_go(&self) {
        self.let_go.notified().await;
    }

    /// How the device of this adapter is on this server.
    pub fn device(&self, server: &Name, adapter: AdapterId) -> DeviceState {
        match self.agents.lock().get(server) {
            Some(agent) => agent.devices.get(&adapter).cloned().unwrap_or(DeviceState::Unheard),
            None => DeviceState::Unattached,
        }
    }

    /// What the server's agent said of this vHBA.
    pub fn vhba(&self, server: &Name, adapter: AdapterId) -> Option<VhbaReport> {
        self.agents.lock().get(server)?.vhbas.get(&adapter).cloned()
    }

    /// What an earlier session said of paths is forgotten: it may be from before a cut, and this one says anew how they are.
    fn attach(&self, server: &Name, liveness: &Liveness) -> (u64, Arc<Notify>) {
        let session = self.sessions.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let wake = Arc::new(Notify::new());
        wake.notify_one();
        let agent = Attached {
            session,
            wake: wake.clone(),
            released: BTreeMap::new(),
            devices: BTreeMap::new(),
            vhbas: BTreeMap::new(),
        };
        let mut agents = self.agents.lock();
        agents.insert(server.clone(), agent);
        liveness.forget_server(server);
        (session, wake)
    }

    /// Does nothing when another session of the server has taken its place.
    fn detach(&self, server: &Name, session: u64, liveness: &Liveness) {
        let mut agents = self.agents.lock();
        if agents.get(server).is_some_and(|agent| agent.session == session) {
            agents.remove(server);
            liveness.forget_server(server);
        }
    }

    /// Takes what the agent says. A session that was replaced says nothing any more: after a cut its last words may come in
    /// later than the first of its successor. False: it should not have said that.
    fn hear(&self, server: &Name, session: u64, message: AgentMessage, liveness: &Liveness) -> bool {
        let mut agents = self.agents.lock();
        let Some(agent) = agents.get_mut(server).filter(|agent| agent.session == session) else { return true };
        match message.message {
            Some(Message::Paths(report)) => liveness.report(server, paths(&report)),
            Some(Message::Released(Released { profile, revision })) => {
                if let Ok(profile) = Name::new(profile)
                    && agent.released.insert(profile, Revision(revision)) != Some(Revision(revision))
                {
                    self.let_go.notify_one();
                }
            }
            Some(Message::Devices(report)) => agent.report(report),
            Some(Message::Attach(_)) | None => return false,
        }
        true
    }
}

/// The agents' service of a director.
pub struct AgentEndpoint {
    core: SharedCore,
}

impl AgentEndpoint {
    pub fn new(core: SharedCore) -> Self {
        Self { core }
    }

    /// Makes sure that the server is registered with this machine and these addresses.
    async fn register(&self, request: &AttachRequest) -> Result<Name, Status> {
        let name = Name::new(&request.server).map_err(|error| Status::invalid_argument(format!("server: {error}")))?;
        let rails = RailAddresses { a: address("rail_a", &request.rail_a)?, b: address("rail_b", &request.rail_b)? };
        if registered(&self.core.state.read(), &name, &request.machine_id, rails) {
            return Ok(name);
        }
        let operation = Operation::AttachServer { name: name.clone(), machine_id: request.machine_id.clone(), rails };
        let call = Call {
            intent: Intent::Apply(operation),
            request_id: None,
            actor: format!("server {name}"),
            validate_only: false,
            deadline: Instant::now() + REGISTER_TIMEOUT,
        };
        let done = Cluster::new(self.core.clone()).call(call).await.map_err(refusal)?;
        self.core.applied(done.revision).await;
        Ok(name)
    }
}

fn address(field: &str, text: &str) -> Result<std::net::IpAddr, Status> {
    text.parse().map_err(|_| Status::invalid_argument(format!("{field}: {text:?} is no IP address")))
}

fn registered(state: &State, name: &Name, machine_id: &str, rails: RailAddresses) -> bool {
    state
        .servers()
        .get(name)
        .is_some_and(|it| it.value.machine_id.as_deref() == Some(machine_id) && it.value.rails == Some(rails))
}

fn refusal(error: CallError) -> Status {
    match error {
        CallError::Rejected(rejection) => Status::failed_precondition(rejection.to_string()),
        other => Status::unavailable(other.to_string()),
    }
}

#[tonic::async_trait]
impl AgentService for AgentEndpoint {
    type AttachStream = ReceiverStream<Result<DirectorMessage, Status>>;

    async fn attach(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut incoming = request.into_inner();
        let first = incoming.next().await.ok_or_else(|| Status::invalid_argument("the stream ended at once"))??;
        let Some(Message::Attach(attach)) = first.message else {
            return Err(Status::invalid_argument("the first message must be AttachRequest"));
        };
        let server = self.register(&attach).await?;
        let (session, wake) = self.core.agents.attach(&server, &self.core.liveness);
        tracing::info!(%server, session, "an agent attached");
        let (sender, receiver) = mpsc::channel(OUTGOING);
        tokio::spawn(push(self.core.clone(), server.clone(), wake, sender));
        tokio::spawn(listen(self.core.clone(), server, session, incoming));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Sends the assignment whenever it differs from what was sent last.
async fn push(
    core: SharedCore,
    server: Name,
    wake: Arc<Notify>,
    sender: mpsc::Sender<Result<DirectorMessage, Status>>,
) {
    let mut last: Option<DirectorMessage> = None;
    loop {
        tokio::select! {
            () = wake.notified() => {}
            () = sender.closed() => return,
        }
        let message = super::assignment::assignment(&core, &server);
        let same =
            last.as_ref().is_some_and(|last| last.profiles == message.profiles && last.directors == message.directors);
        if !same && sender.send(Ok(message.clone())).await.is_err() {
            return;
        }
        last = Some(message);
    }
}

/// Takes what the agent says until its stream ends.
async fn listen(core: SharedCore, server: Name, session: u64, mut incoming: Streaming<AgentMessage>) {
    while let Some(Ok(message)) = incoming.next().await {
        if !core.agents.hear(&server, session, message, &core.liveness) {
            break;
        }
        core.wake_reconciler();
    }
    core.agents.detach(&server, session, &core.liveness);
    core.wake_reconciler();
    tracing::info!(%server, session, "an agent detached");
}

fn paths(report: &PathReport) -> Vec<(Name, Rail, bool)> {
    let paths = report.paths.iter();
    paths.filter_map(|it| Some((Name::new(&it.director).ok()?, *Rail::ALL.get(it.rail as usize)?, it.up))).collect()
}

impl Attached {
    /// Each report is whole: what it does not name is not there.
    fn report(&mut self, report: DeviceReport) {
        (self.devices, self.vhbas) = (BTreeMap::new(), BTreeMap::new());
        for Device { adapter, problem, luns, vhba } in report.devices {
            let state = if problem.is_empty() { DeviceState::Up } else { DeviceState::Failed(problem) };
            self.devices.insert(AdapterId(adapter), state);
            if let Some(path) = vhba {
                self.vhbas.insert(AdapterId(adapter), VhbaReport { luns, path });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use twinrail_failover::detector::Timing;
    use twinrail_proto::grpc::internal::v1::path_report::Path;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn liveness() -> Liveness {
        Liveness::new(name("d1"), Timing::default())
    }

    fn devices(said: &[(u32, &str)]) -> AgentMessage {
        let device =
            |&(adapter, problem): &(u32, &str)| Device { adapter, problem: problem.into(), ..Default::default() };
        AgentMessage { message: Some(Message::Devices(DeviceReport { devices: said.iter().map(device).collect() })) }
    }

    fn rail_a(up: bool) -> AgentMessage {
        let path = Path { director: "d1".into(), rail: 0, up };
        AgentMessage { message: Some(Message::Paths(PathReport { paths: vec![path] })) }
    }

    #[test]
    fn a_device_is_what_its_agent_said_last() {
        let (hub, server, liveness) = (AgentHub::default(), name("s1"), liveness());
        let device = |adapter| hub.device(&server, AdapterId(adapter));
        let say = |session, said| assert!(hub.hear(&server, session, devices(said), &liveness));
        assert_eq!(device(1), DeviceState::Unattached);
        let (session, _) = hub.attach(&server, &liveness);
        assert_eq!(device(1), DeviceState::Unheard);
        say(session, &[(1, ""), (2, "the name is taken")]);
        assert_eq!((device(1), device(2)), (DeviceState::Up, DeviceState::Failed("the name is taken".into())));
        say(session, &[(2, "")]);
        assert_eq!((device(1), device(2)), (DeviceState::Unheard, DeviceState::Up));
        let (newer, _) = hub.attach(&server, &liveness);
        say(session, &[(1, "")]);
        assert_eq!(device(1), DeviceState::Unheard, "a session that was replaced says nothing any more");
        hub.detach(&server, session, &liveness);
        assert_eq!(device(1), DeviceState::Unheard, "its end changes nothing");
        hub.detach(&server, newer, &liveness);
        assert_eq!(device(1), DeviceState::Unattached);
    }

    /// Both rails were cut and came back: the old stream delivers what was said at the cut after the new one has begun.
    #[test]
    fn a_session_that_was_replaced_says_nothing_of_paths() {
        let (hub, server, liveness) = (AgentHub::default(), name("s1"), liveness());
        let reaches = || liveness.reach().directors_of(&server).is_some_and(|it| it.contains(&name("d1")));
        let (old, _) = hub.attach(&server, &liveness);
        hub.hear(&server, old, rail_a(true), &liveness);
        assert!(reaches());
        let (new, _) = hub.attach(&server, &liveness);
        assert!(!reaches(), "the new one has not spoken");
        hub.hear(&server, new, rail_a(true), &liveness);
        hub.hear(&server, old, rail_a(false), &liveness);
        std::thread::sleep(Timing::default().lost_after);
        assert!(reaches());
        hub.hear(&server, new, rail_a(false), &liveness);
        std::thread::sleep(Timing::default().lost_after);
        assert!(!reaches(), "the new one is believed");
    }
}
