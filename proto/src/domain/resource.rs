use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Director, FailoverReceipt, MacAddress, Name, Profile, San, Server, VhbaTemplate, VnicTemplate, Wwn};

/// A network cloud outside. `lans/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lan {
    pub name: Name,
    /// Director → the network device by which it reaches this LAN. A director without one cannot be a home for its vNICs.
    pub uplinks: BTreeMap<Name, String>,
}

/// Ranges from which identities are drawn. `pools/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub name: Name,
    pub ranges: PoolRanges,
    /// How long a released identity rests before it may be drawn again, in seconds.
    pub quarantine_seconds: u64,
}

/// The inclusive ranges of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolRanges {
    Mac(Vec<(MacAddress, MacAddress)>),
    Wwn(Vec<(Wwn, Wwn)>),
}

/// A quality-of-service class. `qosPolicies/{name}`. Zero means "no limit" for maxima, "no guarantee" for minima.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QosPolicy {
    pub name: Name,
    pub min_mbps: u32,
    pub max_mbps: u32,
    pub burst_kib: u32,
    /// IEEE 802.1Q priority code point, 0 to 7.
    pub priority: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateMode {
    /// Copied once, when a profile is made.
    Initial,
    /// Changes reach the profiles made from it.
    Updating,
}

/// What profiles are made from. `templates/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    pub name: Name,
    pub mode: TemplateMode,
    pub vnics: BTreeMap<Name, VnicTemplate>,
    pub vhbas: BTreeMap<Name, VhbaTemplate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    Director,
    Server,
    Lan,
    San,
    Pool,
    QosPolicy,
    Template,
    Profile,
    Failover,
}

impl ResourceKind {
    /// The collection of its resource names (AIP-122).
    pub fn collection(self) -> &'static str {
        match self {
            Self::Director => "directors",
            Self::Server => "servers",
            Self::Lan => "lans",
            Self::San => "sans",
            Self::Pool => "pools",
            Self::QosPolicy => "qosPolicies",
            Self::Template => "templates",
            Self::Profile => "profiles",
            Self::Failover => "failovers",
        }
    }

    /// The word for one of it, as people say it in messages and on the command line.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Director => "director",
            Self::Server => "server",
            Self::Lan => "LAN",
            Self::San => "SAN",
            Self::Pool => "pool",
            Self::QosPolicy => "QoS policy",
            Self::Template => "template",
            Self::Profile => "profile",
            Self::Failover => "failover",
        }
    }
}

/// Names one resource: `profiles/web-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceKey {
    pub kind: ResourceKind,
    pub name: Name,
}

impl std::fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind.collection(), self.name)
    }
}

/// A whole resource, as an event carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    Director(Director),
    Server(Server),
    Lan(Lan),
    San(San),
    Pool(Pool),
    QosPolicy(QosPolicy),
    Template(Template),
    Profile(Box<Profile>),
    Failover(Box<FailoverReceipt>),
}

impl Resource {
    pub fn key(&self) -> ResourceKey {
        let (kind, name) = match self {
            Self::Director(it) => (ResourceKind::Director, &it.name),
            Self::Server(it) => (ResourceKind::Server, &it.name),
            Self::Lan(it) => (ResourceKind::Lan, &it.name),
            Self::San(it) => (ResourceKind::San, &it.name),
            Self::Pool(it) => (ResourceKind::Pool, &it.name),
            Self::QosPolicy(it) => (ResourceKind::QosPolicy, &it.name),
            Self::Template(it) => (ResourceKind::Template, &it.name),
            Self::Profile(it) => (ResourceKind::Profile, &it.name),
            Self::Failover(it) => (ResourceKind::Failover, &it.name),
        };
        ResourceKey { kind, name: name.clone() }
    }
}
