use twinrail_proto::domain::Rail;

use super::unit::Unit;
use crate::commands::initiator::Home;

/// One LUN of a vHBA, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskState {
    /// Another one than before: another unit has this LUN, and what is served of the former one has to go.
    pub generation: u64,
    /// None: there is nothing to serve.
    pub unit: Option<Unit>,
    /// It was seen since this process began, and is not merely remembered.
    pub confirmed: bool,
    /// What is wrong with it. Empty: nothing.
    pub problem: String,
}

/// By which way the vHBA's commands go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// None: no home has attached it.
    pub attached: Option<(Home, Rail)>,
    /// What the home said last when it did not. Empty: nothing.
    pub refusal: String,
    /// Why it is not known which LUNs there are. Empty: it is.
    pub problem: String,
}

/// What a vHBA has carried since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests and commands that wait now because no home is attached.
    pub held: u64,
    /// Commands for disks that were answered.
    pub commands: u64,
    pub read_octets: u64,
    pub written_octets: u64,
    /// Commands that were sent once more, by another connection or to another home.
    pub replayed: u64,
    /// Requests of clients that were answered with an error.
    pub errors: u64,
}

impl DiskState {
    pub(super) fn absent(problem: String) -> Self {
        Self { generation: 0, unit: None, confirmed: false, problem }
    }
}
