//! What the cluster knows, and the only way to change it.
//!
//! ```text
//!   Command ──▶ operations on a Draft ──▶ Changes ──commit──▶ Record (stored, replicated)
//!                        │                   │                   └─▶ Index (derived)
//!                        ▼                   ▼
//!                    Rejection      events and effects
//! ```
//!
//! [`State::apply`] is a pure and deterministic function of the state and a [`Command`]: time and randomness are inside
//! the command. What it guarantees:
//!
//! * A rejection changes nothing, not even the clock: operations work on a draft, which is dropped.
//! * The same commands in the same order give equal states, also across a snapshot; [`State::hash`] compares them.
//! * [`State::validate`] states the invariants, and holds after every command.
//! * Everything is bounded; [`limits`] names the bounds.

mod answers;
mod apply;
mod audit;
mod command;
mod digest;
mod draft;
mod effects;
mod identity;
mod index;
mod invariants;
mod kept;
pub mod limits;
mod operations;
mod outcome;
mod record;
mod rejection;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use twinrail_proto::domain::{
    Adapter, AdapterId, Director, FailoverReceipt, Lan, MacAddress, Name, Pool, Profile, QosPolicy, Revision, San,
    Server, Template, UnixMillis, Wwn,
};

pub use apply::Audience;
pub use command::{Command, Operation, ProfileSpec, RequestId, VhbaSpec, VnicSpec};
pub use invariants::Violation;
pub use outcome::{Applied, Change, Effect, Event, Outcome};
pub use record::{AuditEntry, Versioned};
pub use rejection::{Rejection, RejectionKind, Unfitness};

use index::Index;
use record::Record;

/// The replicated state of one cluster. Serialised, it is its record alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    record: Record,
    index: Index,
}

macro_rules! tables {
    ($($table:ident: $type:ty),*) => {
        $(pub fn $table(&self) -> &BTreeMap<Name, Versioned<$type>> {
            &self.record.$table
        })*
    };
}

impl State {
    tables!(
        directors: Director, servers: Server, lans: Lan, sans: San, pools: Pool, qos_policies: QosPolicy,
        templates: Template, profiles: Profile, failovers: FailoverReceipt
    );

    /// The cluster's name; None before it was founded.
    pub fn cluster(&self) -> Option<&str> {
        self.record.cluster.as_ref().map(Name::as_str)
    }

    /// Of the last command that was accepted.
    pub fn revision(&self) -> Revision {
        self.record.revision
    }

    /// The newest time of an accepted command: what the state takes for now.
    pub fn last_at(&self) -> UnixMillis {
        self.record.last_at
    }

    /// Newest last; the oldest are forgotten.
    pub fn audit(&self) -> impl DoubleEndedIterator<Item = &AuditEntry> + ExactSizeIterator {
        self.record.audit.iter()
    }

    /// Released MACs and when each may be used again. Those whose time has come are listed until the next command.
    pub fn quarantined_macs(&self) -> &BTreeMap<MacAddress, UnixMillis> {
        &self.record.quarantined_macs
    }

    /// See [`Self::quarantined_macs`].
    pub fn quarantined_wwns(&self) -> &BTreeMap<Wwn, UnixMillis> {
        &self.record.quarantined_wwns
    }

    /// An adapter and the profile that it is of, by the number that rail messages carry.
    pub fn adapter(&self, id: AdapterId) -> Option<(&Profile, Adapter<'_>)> {
        let profile = &self.record.profiles.get(self.index.adapters.get(&id)?)?.value;
        let adapter = profile.adapters().find(|adapter| adapter.id == id)?;
        Some((profile, adapter))
    }

    /// The profiles bound to this server, also those that it is to let go; not those on their way to it.
    pub fn profiles_on(&self, server: &Name) -> impl Iterator<Item = &Profile> {
        let occupants = self.index.occupants.get(server).into_iter().flatten();
        let profiles = occupants.filter_map(|name| self.record.profiles.get(name)).map(|versioned| &versioned.value);
        profiles.filter(move |profile| profile.binding.as_ref().is_some_and(|binding| binding.server == *server))
    }

    /// Equal on all directors that have applied the same commands.
    pub fn hash(&self) -> u64 {
        digest::digest(&self.record)
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.record.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = Record::deserialize(deserializer)?;
        let index = Index::build(&record);
        Ok(Self { record, index })
    }
}
