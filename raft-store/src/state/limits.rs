//! How large the replicated state may grow. Every director holds all of it in memory and sends it whole as a snapshot,
//! so each part has a bound. Where nothing else is said, the command that would pass a limit is refused
//! with [`super::Rejection::LimitReached`]; rings forget their oldest entry.

/// Servers of a cluster: each director pushes assignments to each of them over a stream of its own.
pub const MAX_SERVERS: usize = 1_000;
/// LANs, and SANs, of a cluster: each needs a port on the directors, of which there are few.
pub const MAX_LANS: usize = 256;
/// See [`MAX_LANS`].
pub const MAX_SANS: usize = 256;
/// Pools of a cluster: a new one is compared with all others.
pub const MAX_POOLS: usize = 256;
/// Ranges of one pool: each is looked at when an identity is drawn.
pub const MAX_RANGES_PER_POOL: usize = 64;
/// QoS policies of a cluster: the datapath keeps a table of them for each adapter.
pub const MAX_QOS_POLICIES: usize = 256;
/// Templates of a cluster.
pub const MAX_TEMPLATES: usize = 1_000;
/// Profiles of a cluster: an updating template may change all of them in one command.
pub const MAX_PROFILES: usize = 10_000;
/// Director ids ever given: one is never used again, so those of removed directors are kept.
pub const MAX_DIRECTOR_IDS: usize = 4_096;

/// Failover receipts kept; the oldest is dropped.
pub const MAX_FAILOVERS: usize = 500;
/// Phases of one vHBA's fence that its receipt shows; there are seven, further ones are left out.
pub const MAX_PHASES: usize = 16;
/// Audit entries kept; the oldest is dropped.
pub const MAX_AUDIT_ENTRIES: usize = 4_096;
/// Answers remembered for exactly-once retries; the oldest is forgotten, and a retry that comes later acts again.
pub const MAX_ANSWERS: usize = 20_000;
/// Resources that one remembered answer names, the one that was asked for first; a replay leaves out the others.
pub const MAX_TOUCHED_PER_ANSWER: usize = 16;

/// Identities of one kind in quarantine. When it is full, what would release another one is refused: a MAC that came back
/// too early would break rule 1.
pub const MAX_QUARANTINED: usize = 200_000;
/// The longest quarantine that a pool may ask for: one year.
pub const MAX_QUARANTINE_SECONDS: u64 = 366 * 24 * 3_600;
/// How long a released identity rests that came from no pool: twice the usual ageing time of a switch's MAC table.
pub const FIXED_QUARANTINE_SECONDS: u64 = 600;

/// Characters of a vNIC's name: it is a device's name on the server (Linux: IFNAMSIZ less the final zero).
pub const MAX_VNIC_NAME: usize = 15;
/// Characters of a client's request id.
pub const MAX_REQUEST_ID: usize = 128;
/// Characters of an actor or a note in the audit trail; what is longer is cut.
pub const MAX_AUDIT_TEXT: usize = 128;
/// Characters of what a machine says of itself: machine ids and store ids.
pub const MAX_MACHINE_TEXT: usize = 128;
/// Characters of an API address (a DNS name has 253).
pub const MAX_ADDRESS_TEXT: usize = 261;
