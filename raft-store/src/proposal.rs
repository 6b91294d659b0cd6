//! A command on its way through the log.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::state::Command;

/// Encoded once, by the leader that proposes it; the log, the wire and the disk of every director carry these octets as
/// they are; decoded once, where it is applied. Copies share both.
///
/// MessagePack with named fields, so that neighbouring builds understand each other when fields were added.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Proposal {
    encoded: Bytes,
    /// At the leader, which made it from this.
    #[serde(skip)]
    command: Made,
}

/// Says nothing about equality: the octets do.
#[derive(Clone, Default)]
struct Made(Option<Arc<Command>>);

impl PartialEq for Made {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Made {}

impl Proposal {
    pub fn new(command: Command) -> Result<Self, rmp_serde::encode::Error> {
        let encoded = rmp_serde::to_vec_named(&command)?.into();
        Ok(Self { encoded, command: Made(Some(Arc::new(command))) })
    }

    /// Fails on a command of a build too far away.
    pub fn command(&self) -> Result<Cow<'_, Command>, rmp_serde::decode::Error> {
        match &self.command.0 {
            Some(command) => Ok(Cow::Borrowed(command)),
            None => rmp_serde::from_slice(&self.encoded).map(Cow::Owned),
        }
    }

    /// In octets.
    pub fn encoded_len(&self) -> usize {
        self.encoded.len()
    }
}

/// openraft prints entries in its log lines: short, and nothing of the content.
impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} octets", self.encoded.len())
    }
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Operation;

    #[test]
    fn what_travels_is_what_was_proposed() {
        let operation = Operation::Found { cluster: "prod".to_owned() };
        let command = Command { request_id: None, intent: 7, at: 8, actor: "somebody".to_owned(), operation };
        let proposal = Proposal::new(command.clone()).unwrap();
        let wire = rmp_serde::to_vec_named(&proposal).unwrap();
        // A MessagePack binary with one octet of length: nothing is encoded twice.
        assert_eq!(wire.len(), proposal.encoded_len() + 2);
        let received: Proposal = rmp_serde::from_slice(&wire).unwrap();
        assert!(received.command.0.is_none());
        assert_eq!(*received.command().unwrap(), command);
        assert_eq!(received, proposal);
    }

    #[test]
    fn octets_that_are_no_command_are_an_error_and_no_panic() {
        let proposal = Proposal { encoded: Bytes::from_static(b"\xc1what"), command: Made::default() };
        assert!(proposal.command().is_err());
    }
}
