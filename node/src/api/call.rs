//! What every call has: who calls, until when, and for changes the request id and whether they are meant.

use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};
use twinrail_proto::grpc::convert::clip;
use twinrail_proto::grpc::v1;
use twinrail_raft_store::state::{Applied, Change, Effect, RequestId};

use super::{Api, status};
use crate::director::{Call, Intent, StateRef};

/// The deadline of a call that names none: longer than an election, short enough that nobody waits for ever.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much earlier than the caller's deadline we answer: a tenth of the time, at most this. The caller's clock started when
/// it sent the call, ours when we read it; on a busy machine there are 100 ms between them, and a late answer is none.
const MAX_MARGIN: Duration = Duration::from_millis(200);
/// The longest timeout we wait for; a longer one counts as this. It keeps the sum of clock and timeout in range.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Most octets of an actor. It is kept in the audit trail; what is longer is cut.
const MAX_ACTOR: usize = 128;

/// Who calls, and until when.
#[derive(Clone, Debug)]
pub struct Head {
    actor: String,
    deadline: Instant,
}

/// The head of a changing call.
#[derive(Debug)]
pub struct ChangeHead {
    head: Head,
    request_id: String,
    validate_only: bool,
}

impl Head {
    pub fn of<T>(request: &Request<T>) -> Self {
        let timeout = grpc_timeout(request.metadata()).unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT);
        let margin = (timeout / 10).min(MAX_MARGIN);
        Self { actor: actor(request), deadline: Instant::now() + (timeout - margin) }
    }

    pub fn change(self, request_id: String, validate_only: bool) -> ChangeHead {
        ChangeHead { head: self, request_id, validate_only }
    }
}

impl Api {
    /// The state, as new as the caller wants it. To be used before the next await.
    pub async fn read(&self, head: &Head, stale_ok: bool) -> Result<StateRef<'_>, Status> {
        self.cluster.read(stale_ok, head.deadline).await.map_err(status::of_call)
    }

    pub async fn change(&self, head: &ChangeHead, intent: Intent) -> Result<Applied, Status> {
        let ChangeHead { head: Head { actor, deadline }, request_id, validate_only } = head;
        let call = Call {
            intent,
            request_id: Some(request_id).filter(|id| !id.is_empty()).map(|id| RequestId(id.clone())),
            actor: actor.clone(),
            validate_only: *validate_only,
            deadline: *deadline,
        };
        self.cluster.call(call).await.map_err(status::of_call)
    }
}

impl ChangeHead {
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What the change did, for the answer.
    pub fn outcome(&self, applied: Applied) -> v1::Outcome {
        let Applied { revision, replayed, events: _, effects } = applied;
        v1::Outcome {
            revision: revision.0,
            validate_only: self.validate_only,
            replayed,
            effects: effects.into_iter().map(effect).collect(),
        }
    }
}

fn effect(effect: Effect) -> v1::Effect {
    let Effect { resource, change, field, before, after } = effect;
    let change = change_type(change).into();
    v1::Effect { resource, change, field: field.unwrap_or_default(), before, after }
}

pub fn change_type(change: Change) -> v1::ChangeType {
    match change {
        Change::Created => v1::ChangeType::Created,
        Change::Updated => v1::ChangeType::Updated,
        Change::Deleted => v1::ChangeType::Deleted,
    }
}

fn actor<T>(request: &Request<T>) -> String {
    let given = request.metadata().get("x-twinrail-actor").and_then(|value| value.to_str().ok());
    match given {
        Some(given) if !given.is_empty() => clip(given.to_owned(), MAX_ACTOR),
        _ => request.remote_addr().map_or_else(|| "unknown".to_owned(), |address| address.ip().to_string()),
    }
}

/// The `grpc-timeout` header: one to eight digits and a unit (gRPC over HTTP/2, "Requests"). None: none, or not so.
fn grpc_timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(text: &str) -> Option<Duration> {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", text.parse().unwrap());
        grpc_timeout(&metadata)
    }

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(timeout("2S"), Some(Duration::from_secs(2)));
        assert_eq!(timeout("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for bad in ["", "S", "2", "-1S", "+1S", "123456789S", "1x", "1.5S"] {
            assert_eq!(timeout(bad), None, "{bad}");
        }
        assert_eq!(grpc_timeout(&MetadataMap::new()), None);
    }

    #[test]
    fn the_answer_comes_before_the_caller_gives_up() {
        for (given, least, most) in [("100m", 80, 90), ("10S", 9_700, 9_800), ("0S", 0, 0)] {
            let mut request = Request::new(());
            request.metadata_mut().insert("grpc-timeout", given.parse().unwrap());
            let before = Instant::now();
            let left = Head::of(&request).deadline.duration_since(before).as_millis();
            assert!((least..=most + 10).contains(&left), "{given}: {left}");
        }
        let mut request = Request::new(());
        request.metadata_mut().insert("grpc-timeout", "99999999H".parse().unwrap());
        assert!(Head::of(&request).deadline <= Instant::now() + MAX_TIMEOUT);
    }

    #[test]
    fn an_actor_is_who_says_so_and_bounded() {
        let mut request = Request::new(());
        assert_eq!(Head::of(&request).actor, "unknown");
        request.metadata_mut().insert("x-twinrail-actor", "x".repeat(1000).parse().unwrap());
        assert_eq!(Head::of(&request).actor.len(), MAX_ACTOR);
        request.metadata_mut().insert("x-twinrail-actor", "cli:anna".parse().unwrap());
        assert_eq!(Head::of(&request).actor, "cli:anna");
    }
}
