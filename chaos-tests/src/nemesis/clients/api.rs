//! API clients, one on each director's machine, so that a director that is cut off is asked too. Each writes, swaps and reads registers
//! that all of them share.
//!
//! A change whose outcome is unknown is sent again with its request id, a few times: it must act once. Where it stays unknown, it is
//! unknown to the checker too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use twinrail_proto::grpc::v1;
use twinrail_proto::grpc::v1::qos_policy_service_client::QosPolicyServiceClient;

use crate::lab::Lab;
use crate::lab::api::Api;
use crate::measure::clock::{self, Nanos};
use crate::nemesis::history::{Act, Answer, Operation, Value};

/// A call that takes longer has an unknown outcome.
const CALL_WITHIN: Duration = Duration::from_secs(3);
/// How often a change of unknown outcome is sent again at most.
const REPEATS: usize = 2;
/// Between two operations of one client: other clients need the machine too.
const REST: Duration = Duration::from_millis(25);
/// After an error: a director that is down answers at once.
const REST_AFTER_ERROR: Duration = Duration::from_millis(100);
/// Registers in use at a time. After some time others take their place, so that no history grows long.
const REGISTERS: u64 = 4;
/// Below the most QoS policies that a cluster takes.
const GENERATIONS: u64 = 50;
const SHORTEST_GENERATION: Duration = Duration::from_secs(10);
/// Names of registers begin so.
const PREFIX: &str = "reg";

/// What the clients have in common.
#[derive(Default)]
struct Common {
    stop: AtomicBool,
    last_value: AtomicU32,
}

/// Clients that run.
pub struct ApiClients {
    common: Arc<Common>,
    clients: Vec<Client>,
}

struct Client {
    director: String,
    /// When the last change was sent that was acknowledged.
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<Result<Vec<Operation>>>,
}

impl ApiClients {
    /// One on each director, for a run of about so long.
    pub fn start(lab: &Lab, seed: u64, run: Duration) -> Result<Self> {
        let common = Arc::new(Common::default());
        let generation = (run / GENERATIONS as u32).max(SHORTEST_GENERATION);
        let start = clock::now();
        let begin = |(index, director): (u64, String)| {
            let acknowledged = Arc::new(AtomicU64::new(0));
            let mut work = Work {
                common: common.clone(),
                director: director.clone(),
                acknowledged: acknowledged.clone(),
                random: SmallRng::seed_from_u64(seed ^ (index << 32)),
                start,
                generation,
                history: Vec::new(),
            };
            let api = lab.api(&director)?;
            let run = move || api.run(async |channel| work.run(channel).await);
            let thread = std::thread::Builder::new().name(format!("api-{director}")).spawn(run);
            Ok(Client { director, acknowledged, thread: thread.context("could not start a thread")? })
        };
        let clients = (0..).zip(lab.layout.director_names()).map(begin).collect::<Result<_>>()?;
        Ok(Self { common, clients })
    }

    /// Directors through which no change was acknowledged that was sent after this.
    pub fn silent_since(&self, then: Nanos) -> Vec<String> {
        let silent = |it: &&Client| it.acknowledged.load(Ordering::Relaxed) <= then;
        self.clients.iter().filter(silent).map(|it| it.director.clone()).collect()
    }

    /// Ends them, and reads every register once more by one of the directors.
    pub fn finish(self, reader: &Api, director: &str) -> Result<Vec<Operation>> {
        self.common.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(client.thread.join().map_err(|_| anyhow!("an API client panicked"))??);
        }
        let mut registers: Vec<String> = all.iter().map(|it| it.register.clone()).collect();
        registers.sort_unstable();
        registers.dedup();
        all.extend(reader.run(async |channel| read_all(channel, director, registers).await)?);
        Ok(all)
    }
}

async fn read_all(channel: Channel, director: &str, registers: Vec<String>) -> Result<Vec<Operation>> {
    let mut client = QosPolicyServiceClient::new(channel);
    let mut all = Vec::new();
    for register in registers {
        let from = clock::now();
        let (answer, _) = read(&mut client, &register).await;
        let (director, to) = (director.to_owned(), clock::now());
        all.push(Operation { director, register, act: Act::Read, answer, from, to, revision: None });
    }
    Ok(all)
}

struct Work {
    common: Arc<Common>,
    director: String,
    acknowledged: Arc<AtomicU64>,
    random: SmallRng,
    start: Nanos,
    generation: Duration,
    history: Vec<Operation>,
}

impl Work {
    async fn run(&mut self, channel: Channel) -> Result<Vec<Operation>> {
        let mut client = QosPolicyServiceClient::new(channel);
        while !self.common.stop.load(Ordering::Relaxed) {
            let known = self.one(&mut client).await;
            tokio::time::sleep(if known { REST } else { REST_AFTER_ERROR }).await;
        }
        Ok(std::mem::take(&mut self.history))
    }

    /// One operation, or a read and the swap of what it found. Whether it was answered.
    async fn one(&mut self, client: &mut QosPolicyServiceClient<Channel>) -> bool {
        let generation = (clock::now() - self.start) / clock::nanos(self.generation);
        let register = format!("{PREFIX}{generation}-{}", self.random.random_range(0..REGISTERS));
        match self.random.random_range(0..10) {
            0..5 => {
                let (answer, _) = self.read(client, &register).await;
                // Whoever finds none makes it.
                if answer == Answer::Found(None) {
                    let value = self.value();
                    return self.change(client, &register, Act::Create(value), "").await;
                }
                answer != Answer::Unknown
            }
            5..8 => {
                let value = self.value();
                self.change(client, &register, Act::Write(value), "").await
            }
            _ => {
                let (Answer::Found(Some(from)), etag) = self.read(client, &register).await else { return false };
                let to = self.value();
                self.change(client, &register, Act::Swap { from, to }, &etag).await
            }
        }
    }

    fn value(&self) -> Value {
        self.common.last_value.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn read(&mut self, client: &mut QosPolicyServiceClient<Channel>, register: &str) -> (Answer, String) {
        let from = clock::now();
        let (answer, etag) = read(client, register).await;
        self.note(register, Act::Read, answer, from, None);
        (answer, etag)
    }

    async fn change(
        &mut self,
        client: &mut QosPolicyServiceClient<Channel>,
        register: &str,
        act: Act,
        etag: &str,
    ) -> bool {
        let request_id = uuid::Uuid::new_v4().to_string();
        let from = clock::now();
        let mut outcome = (Answer::Unknown, None);
        for repeat in 0..=REPEATS {
            outcome = match send(client, register, act, etag, &request_id).await {
                Ok(revision) => (Answer::Done, Some(revision)),
                // The call that was sent before may have done what this one was refused for.
                Err(status) if repeat == 0 => (refusal(act, &status), None),
                Err(_) => (Answer::Unknown, None),
            };
            if outcome.0 != Answer::Unknown || self.common.stop.load(Ordering::Relaxed) {
                break;
            }
            tokio::time::sleep(REST_AFTER_ERROR).await;
        }
        if outcome.0 == Answer::Done {
            self.acknowledged.store(from, Ordering::Relaxed);
        }
        self.note(register, act, outcome.0, from, outcome.1);
        outcome.0 != Answer::Unknown
    }

    fn note(&mut self, register: &str, act: Act, answer: Answer, from: Nanos, revision: Option<u64>) {
        let (director, register, to) = (self.director.clone(), register.to_owned(), clock::now());
        self.history.push(Operation { director, register, act, answer, from, to, revision });
    }
}

/// What a refusal says of the register. Everything else leaves the outcome unknown.
fn refusal(act: Act, status: &Status) -> Answer {
    match (act, status.code()) {
        (Act::Create(_), Code::AlreadyExists)
        | (Act::Write(_) | Act::Swap { .. }, Code::NotFound)
        | (Act::Swap { .. }, Code::Aborted) => Answer::Refused,
        _ => Answer::Unknown,
    }
}

async fn read(client: &mut QosPolicyServiceClient<Channel>, register: &str) -> (Answer, String) {
    let request = v1::GetQosPolicyRequest { name: name(register), ..Default::default() };
    match client.get_qos_policy(timed(request)).await {
        Ok(answer) => {
            let policy = answer.into_inner();
            (Answer::Found(Some(policy.burst_kib)), policy.etag)
        }
        Err(status) if status.code() == Code::NotFound => (Answer::Found(None), String::new()),
        Err(_) => (Answer::Unknown, String::new()),
    }
}

/// Sends a change; its revision.
async fn send(
    client: &mut QosPolicyServiceClient<Channel>,
    register: &str,
    act: Act,
    etag: &str,
    request_id: &str,
) -> Result<u64, Status> {
    let request_id = request_id.to_owned();
    let policy = |value| v1::QosPolicy {
        name: name(register),
        // A burst needs a limit that it may exceed.
        max_mbps: 1,
        burst_kib: value,
        etag: etag.to_owned(),
        ..Default::default()
    };
    let outcome = match act {
        Act::Create(value) => {
            let (qos_policy_id, qos_policy) = (register.to_owned(), Some(policy(value)));
            let request = v1::CreateQosPolicyRequest { qos_policy_id, qos_policy, request_id, ..Default::default() };
            client.create_qos_policy(timed(request)).await?.into_inner().outcome
        }
        Act::Write(value) | Act::Swap { to: value, .. } => {
            let qos_policy = Some(policy(value));
            let request = v1::UpdateQosPolicyRequest { qos_policy, request_id, ..Default::default() };
            client.update_qos_policy(timed(request)).await?.into_inner().outcome
        }
        Act::Read => None,
    };
    outcome.map(|it| it.revision).ok_or_else(|| Status::unknown("a change was answered without its outcome"))
}

fn name(register: &str) -> String {
    format!("qosPolicies/{register}")
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_WITHIN);
    request
}
