//! The domain types: what a name, an identity, a number or a resource *is*. A value that exists is valid;
//! the checks are in the constructors and run again when a value is read back from disk or the wire.

mod adapter;
mod cluster;
mod failover;
mod identity;
mod name;
mod network;
mod number;
mod resource;
mod san;
mod uplink;

pub use adapter::{
    Adapter, AdapterKind, Binding, BindingPhase, Carriage, Home, MacSource, Profile, Vhba, VhbaTemplate, Vnic,
    VnicTemplate, WwnSource,
};
pub use cluster::{AdminState, Director, DirectorRole, Rail, RailAddresses, Server};
pub use failover::{FailoverCause, FailoverReceipt, HomeMove, PhaseTime, ReceiptMove};
pub use identity::{IdentityError, MacAddress, Wwn};
pub use name::{Name, NameError};
pub use network::{Mtu, NetworkError, VlanId, VlanMode};
pub use number::{AdapterId, DirectorId, Epoch, Revision};
pub use resource::{Lan, Pool, PoolRanges, QosPolicy, Resource, ResourceKey, ResourceKind, Template, TemplateMode};
pub use san::{
    ChapSecret, LunChoice, LunNumber, MAX_LUNS, MAX_MASKED_WWPNS, MAX_SAN_DISKS, San, SanDigests, SanDisk, SanError,
    SanFence, SanPort, SanProblem,
};
pub use uplink::UplinkState;

/// Milliseconds since the Unix epoch, as the director that proposed a command read its wall clock.
pub type UnixMillis = u64;

/// Most adapters (vNICs and vHBAs together) of one profile. A profile moves as one, and a plan names each of its adapters.
pub const MAX_ADAPTERS_PER_PROFILE: usize = 64;
/// Most adapters bound to one server. The agent's tables are sized for it.
pub const MAX_ADAPTERS_PER_SERVER: usize = 256;
/// Most directors of a cluster: a Raft group larger than this gains no safety and loses speed.
pub const MAX_DIRECTORS: usize = 9;
/// Most VLANs that one trunk vNIC may carry.
pub const MAX_TRUNK_VLANS: usize = 128;
