use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twinrail_proto::domain::{
    AdapterId, Director, DirectorId, FailoverReceipt, HomeMove, Lan, LunChoice, MacSource, Mtu, Name, PhaseTime, Pool,
    QosPolicy, RailAddresses, ResourceKey, Revision, San, Server, Template, UnixMillis, VlanMode, WwnSource,
};

/// One change of the replicated state, as the Raft log carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Given by the client: the same id gives the same answer and acts once.
    pub request_id: Option<RequestId>,
    /// The proposer's wall clock. Time never goes back in the state: an older value counts as the newest one seen.
    pub at: UnixMillis,
    /// Who asked: `cli`, a client's name, or `director d1` for what directors do by themselves. For the audit trail.
    pub actor: String,
    /// A digest of what the client asked for, before the leader planned homes for it: a request id that comes back with
    /// another digest is refused, and one that comes back with the same is answered as before, whatever the plan is now.
    pub intent: u64,
    pub operation: Operation,
}

/// A client's id of one request: 1 to 128 printable ASCII characters (a UUID is what clients should send, AIP-155).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub String);

/// A vNIC as a client asks for it. The MAC is drawn when the command is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VnicSpec {
    pub lan: Name,
    pub vlan: VlanMode,
    pub mtu: Mtu,
    pub qos: Option<Name>,
    pub mac: MacSource,
}

/// A vHBA as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhbaSpec {
    pub san: Name,
    pub qos: Option<Name>,
    pub wwn: WwnSource,
    pub luns: LunChoice,
}

/// A profile as a client asks for it: what the template gives, and adapters of its own beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileSpec {
    pub template: Option<Name>,
    pub vnics: BTreeMap<Name, VnicSpec>,
    pub vhbas: BTreeMap<Name, VhbaSpec>,
}

/// `if_match` is the revision of the resource that the client last saw (its etag); None: whatever it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Nothing new: the client repeats a request that was answered before, so no plan is made for it again. Rejected when
    /// the request id is not remembered.
    Recall,

    /// Names the cluster. The first command of every cluster; refused when another name is there already.
    Found {
        cluster: String,
    },

    CreateDirector(Director),
    /// Role, admin state and addresses may change; the id may not. `store_id` is kept when the new value has none.
    UpdateDirector {
        director: Director,
        if_match: Option<Revision>,
    },
    /// Refused while it is the home of an adapter, and for the last voter that is not a witness.
    DeleteDirector {
        name: Name,
        if_match: Option<Revision>,
    },
    /// A director's store says which one it is. Refused when another store claimed this id before.
    ClaimDirector {
        id: DirectorId,
        store_id: String,
    },

    CreateServer(Server),
    UpdateServer {
        server: Server,
        if_match: Option<Revision>,
    },
    /// Refused while a profile is bound to it.
    DeleteServer {
        name: Name,
        if_match: Option<Revision>,
    },
    /// An agent attached: creates the server if it is not known, claims it if nobody has, and notes its addresses.
    /// Refused when another machine claimed the name, or when another server has one of the addresses.
    AttachServer {
        name: Name,
        machine_id: String,
        rails: RailAddresses,
    },

    CreateLan(Lan),
    UpdateLan {
        lan: Lan,
        if_match: Option<Revision>,
    },
    CreateSan(San),
    UpdateSan {
        san: San,
        if_match: Option<Revision>,
    },
    CreatePool(Pool),
    /// Ranges may grow; a range that holds an identity in use may not go.
    UpdatePool {
        pool: Pool,
        if_match: Option<Revision>,
    },
    CreateQosPolicy(QosPolicy),
    UpdateQosPolicy {
        policy: QosPolicy,
        if_match: Option<Revision>,
    },
    CreateTemplate(Template),
    /// Of an updating template: every profile made from it changes in the same command, or the command is rejected.
    UpdateTemplate {
        template: Template,
        if_match: Option<Revision>,
    },
    /// LANs, SANs, pools, QoS policies and templates. Refused while something refers to it, and says what does.
    Delete {
        key: ResourceKey,
        if_match: Option<Revision>,
    },

    CreateProfile {
        name: Name,
        spec: ProfileSpec,
    },
    /// Releases every identity into quarantine. Refused while the profile is bound.
    DeleteProfile {
        name: Name,
        if_match: Option<Revision>,
    },
    /// Refused for an adapter that an updating template rules.
    CreateVnic {
        profile: Name,
        name: Name,
        spec: VnicSpec,
        if_match: Option<Revision>,
    },
    /// `mac` may stay or become another fixed one or pool; a MAC that goes is quarantined.
    UpdateVnic {
        profile: Name,
        name: Name,
        spec: VnicSpec,
        if_match: Option<Revision>,
    },
    DeleteVnic {
        profile: Name,
        name: Name,
        if_match: Option<Revision>,
    },
    CreateVhba {
        profile: Name,
        name: Name,
        spec: VhbaSpec,
        if_match: Option<Revision>,
    },
    UpdateVhba {
        profile: Name,
        name: Name,
        spec: VhbaSpec,
        if_match: Option<Revision>,
    },
    DeleteVhba {
        profile: Name,
        name: Name,
        if_match: Option<Revision>,
    },

    /// Unbound → Active. `homes` is the planner's choice for its adapters; an adapter not named there gets none yet.
    /// Every adapter's epoch grows by one. Not to a spare server: those get profiles by `ReleaseProfile` only.
    BindProfile {
        profile: Name,
        server: Name,
        homes: Vec<HomeMove>,
        if_match: Option<Revision>,
    },
    /// Active → Releasing; `to` None: becomes unbound. Target checked now (known, room, not the same server).
    /// When already Releasing: changes the target.
    ReleaseProfile {
        profile: Name,
        to: Option<Name>,
        if_match: Option<Revision>,
    },
    /// Releasing → Active on the target, or unbound. Every adapter's epoch grows by one. An adapter that `homes` does not
    /// name keeps its home and successors (with no target: loses them; `homes` may then name none). `from` is the server that let go,
    /// `revision` the profile's, as the one who proposes it saw it (so that a late acknowledgement does nothing).
    CompleteRelease {
        profile: Name,
        from: Name,
        homes: Vec<HomeMove>,
        revision: Revision,
    },

    /// A plan of the failover crate. All or nothing: one stale epoch rejects the whole plan.
    /// An adapter's epoch grows by one where `to` differs from its home; where it does not, only its successors change.
    /// `receipt` lists the same moves, or some of them; `apply` fills in its name, and of each move the resource, `from`,
    /// `to` and the epoch.
    ChangeHomes {
        cause_note: String,
        moves: Vec<HomeMove>,
        receipt: Option<Box<FailoverReceipt>>,
    },
    /// The new home of these adapters says when it carried and announced them, and the director that decided when it knew
    /// that this was committed.
    CompleteReceipt {
        failover: Name,
        director: Name,
        carrying: Vec<(AdapterId, UnixMillis)>,
        announced: Vec<(AdapterId, UnixMillis)>,
        /// Of vHBAs.
        phases: Vec<(AdapterId, Vec<PhaseTime>)>,
        committed: Option<UnixMillis>,
    },
}
