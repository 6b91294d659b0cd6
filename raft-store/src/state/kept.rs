//! What the nine kinds of resource have in common: a table in the record, and a place among a draft's changes.

use std::collections::BTreeMap;

use twinrail_proto::domain::{
    Director, FailoverReceipt, Lan, MAX_DIRECTORS, Name, Pool, Profile, QosPolicy, Resource, ResourceKey, ResourceKind,
    San, Server, Template,
};

use super::effects::Parts;
use super::limits::{
    MAX_FAILOVERS, MAX_LANS, MAX_POOLS, MAX_PROFILES, MAX_QOS_POLICIES, MAX_SANS, MAX_SERVERS, MAX_TEMPLATES,
};
use super::record::{Record, Table};

/// What a draft changed of one kind: name → the new value, or None for a deleted one.
pub(super) type Overlay<T> = BTreeMap<Name, Option<T>>;

#[derive(Debug, Default)]
pub(super) struct Overlays {
    directors: Overlay<Director>,
    servers: Overlay<Server>,
    lans: Overlay<Lan>,
    sans: Overlay<San>,
    pools: Overlay<Pool>,
    qos_policies: Overlay<QosPolicy>,
    templates: Overlay<Template>,
    profiles: Overlay<Profile>,
    failovers: Overlay<FailoverReceipt>,
}

pub(super) trait Kept: Parts + Clone + PartialEq + 'static {
    const KIND: ResourceKind;
    /// Most of them.
    const LIMIT: usize;
    fn name(&self) -> &Name;
    fn table(record: &Record) -> &Table<Self>;
    fn table_mut(record: &mut Record) -> &mut Table<Self>;
    fn overlay(overlays: &Overlays) -> &Overlay<Self>;
    fn overlay_mut(overlays: &mut Overlays) -> &mut Overlay<Self>;
    fn into_resource(self) -> Resource;

    fn key(name: &Name) -> ResourceKey {
        ResourceKey { kind: Self::KIND, name: name.clone() }
    }
}

macro_rules! kept {
    ($type:ident, $kind:ident, $table:ident, $limit:expr, $resource:expr) => {
        impl Kept for $type {
            const KIND: ResourceKind = ResourceKind::$kind;
            const LIMIT: usize = $limit;

            fn name(&self) -> &Name {
                &self.name
            }

            fn table(record: &Record) -> &Table<Self> {
                &record.$table
            }

            fn table_mut(record: &mut Record) -> &mut Table<Self> {
                &mut record.$table
            }

            fn overlay(overlays: &Overlays) -> &Overlay<Self> {
                &overlays.$table
            }

            fn overlay_mut(overlays: &mut Overlays) -> &mut Overlay<Self> {
                &mut overlays.$table
            }

            fn into_resource(self) -> Resource {
                $resource(self)
            }
        }
    };
}

kept!(Director, Director, directors, MAX_DIRECTORS, Resource::Director);
kept!(Server, Server, servers, MAX_SERVERS, Resource::Server);
kept!(Lan, Lan, lans, MAX_LANS, Resource::Lan);
kept!(San, San, sans, MAX_SANS, Resource::San);
kept!(Pool, Pool, pools, MAX_POOLS, Resource::Pool);
kept!(QosPolicy, QosPolicy, qos_policies, MAX_QOS_POLICIES, Resource::QosPolicy);
kept!(Template, Template, templates, MAX_TEMPLATES, Resource::Template);
kept!(Profile, Profile, profiles, MAX_PROFILES, |it| Resource::Profile(Box::new(it)));
kept!(FailoverReceipt, Failover, failovers, MAX_FAILOVERS, |it| Resource::Failover(Box::new(it)));
