//! A change that was acknowledged is in the log that all directors share, at the revision that was answered; and what began
//! after it was acknowledged has a later one. A call acts once, however often it is sent.

use std::collections::{BTreeMap, BTreeSet};

use super::Invariant;
use crate::sim::observation::{CallEnd, CallKind, Observation};
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct AcknowledgedCalls {
    accepted: BTreeSet<u64>,
    under_way: BTreeMap<(u8, u64), u64>,
    /// The newest revision that was acknowledged to anybody.
    newest: u64,
    acknowledged: BTreeMap<u64, (u8, u64)>,
    /// Where each call acted, by what makes it known from all others.
    acted: BTreeMap<u64, u64>,
}

impl Invariant for AcknowledgedCalls {
    fn name(&self) -> &'static str {
        "acknowledged-calls"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match observation {
            Observation::Committed { index, command: Some(command), applied: Some(applied), .. }
                if !applied.replayed =>
            {
                self.accepted.insert(*index);
                let of_client = command.request_id.is_some();
                if let Some(first) = of_client.then(|| self.acted.insert(command.intent, *index)).flatten() {
                    let request = &command.request_id;
                    return Err(format!("one call ({request:?}) acted twice: at {first} and at {index}"));
                }
            }
            Observation::CallBegan { client, number, what: CallKind::Write { .. } | CallKind::Change { .. } } => {
                self.under_way.insert((*client, *number), self.newest);
            }
            Observation::CallEnded { client, number, end: CallEnd::Done { revision } } => {
                let Some(before) = self.under_way.remove(&(*client, *number)) else { return Ok(()) };
                let call = format!("call {number} of client {client}");
                if !self.accepted.contains(&revision.0) {
                    return Err(format!("{call} was answered with revision {revision}, which changed nothing"));
                }
                if revision.0 <= before {
                    return Err(format!(
                        "{call} began after revision {before} was acknowledged, and is revision {revision}"
                    ));
                }
                if let Some((other, its)) = self.acknowledged.insert(revision.0, (*client, *number)) {
                    return Err(format!("{call} and call {its} of client {other} were both answered with {revision}"));
                }
                self.newest = self.newest.max(revision.0);
            }
            _ => {}
        }
        Ok(())
    }
}
