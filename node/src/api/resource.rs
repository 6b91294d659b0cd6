//! List, get, create, update and delete, once for all kinds of resource.

use std::collections::BTreeMap;

use tonic::Status;
use twinrail_proto::domain::{
    Director, FailoverReceipt, Lan, Name, Pool, Profile, QosPolicy, Resource, ResourceKey, ResourceKind, Revision, San,
    Server, Template,
};
use twinrail_proto::grpc::convert::{
    Path, Problems, Stamp, parse_etag, parse_name, parse_reference, read_director, read_lan, read_pool,
    read_qos_policy, read_san, read_server, read_template, resource_name, write_director, write_failover, write_lan,
    write_pool, write_profile, write_qos_policy, write_san, write_server, write_template,
};
use twinrail_proto::grpc::v1;
use twinrail_raft_store::state::{Applied, Operation, State, Versioned};

use super::call::{ChangeHead, Head};
use super::page::{Page, Pager};
use super::{Api, event, status};
use crate::director::Intent;

/// A kind of resource that the API shows.
pub trait Shown: Sized {
    const KIND: ResourceKind;
    type Message: prost::Message + Default;
    fn table(state: &State) -> &BTreeMap<Name, Versioned<Self>>;
    fn write(&self, stamp: Stamp) -> Self::Message;
    /// The value in an event's resource, if that is of this kind.
    fn of(resource: &Resource) -> Option<&Self>;
}

/// A kind of resource that clients write whole.
pub trait Written: Shown {
    /// The field of requests that holds one, and the field that gives its id.
    const FIELD: &'static str;
    const ID_FIELD: &'static str;
    fn read(message: Self::Message, name: Name, at: &Path<'_>, problems: &mut Problems) -> Option<Self>;
    fn create(self) -> Operation;
    fn update(self, if_match: Option<Revision>) -> Operation;
    /// Its resource name and etag, as the client gave them.
    fn addressed(message: &Self::Message) -> (&str, &str);
}

macro_rules! shown {
    ($($type:ident, $kind:ident, $message:ident, $table:ident, $write:ident;)*) => {$(
        impl Shown for $type {
            const KIND: ResourceKind = ResourceKind::$kind;
            type Message = v1::$message;

            fn table(state: &State) -> &BTreeMap<Name, Versioned<Self>> {
                state.$table()
            }

            fn write(&self, stamp: Stamp) -> v1::$message {
                $write(self, stamp)
            }

            fn of(resource: &Resource) -> Option<&Self> {
                match resource {
                    Resource::$kind(it) => Some(it),
                    _ => None,
                }
            }
        }
    )*};
}

shown! {
    Director, Director, Director, directors, write_director;
    Server, Server, Server, servers, write_server;
    Lan, Lan, Lan, lans, write_lan;
    San, San, San, sans, write_san;
    Pool, Pool, Pool, pools, write_pool;
    QosPolicy, QosPolicy, QosPolicy, qos_policies, write_qos_policy;
    Template, Template, Template, templates, write_template;
    Profile, Profile, Profile, profiles, write_profile;
    FailoverReceipt, Failover, Failover, failovers, write_failover;
}

macro_rules! written {
    ($($type:ident, $field:literal, $id:literal, $read:ident, $create:ident, $update:ident { $as:ident };)*) => {$(
        impl Written for $type {
            const FIELD: &'static str = $field;
            const ID_FIELD: &'static str = $id;

            fn read(message: Self::Message, name: Name, at: &Path<'_>, problems: &mut Problems) -> Option<Self> {
                $read(message, name, at, problems)
            }

            fn create(self) -> Operation {
                Operation::$create(self)
            }

            fn update(self, if_match: Option<Revision>) -> Operation {
                Operation::$update { $as: self, if_match }
            }

            fn addressed(message: &Self::Message) -> (&str, &str) {
                (&message.name, &message.etag)
            }
        }
    )*};
}

written! {
    Director, "director", "director_id", read_director, CreateDirector, UpdateDirector { director };
    Server, "server", "server_id", read_server, CreateServer, UpdateServer { server };
    Lan, "lan", "lan_id", read_lan, CreateLan, UpdateLan { lan };
    San, "san", "san_id", read_san, CreateSan, UpdateSan { san };
    Pool, "pool", "pool_id", read_pool, CreatePool, UpdatePool { pool };
    QosPolicy, "qos_policy", "qos_policy_id", read_qos_policy, CreateQosPolicy, UpdateQosPolicy { policy };
    Template, "template", "template_id", read_template, CreateTemplate, UpdateTemplate { template };
}

/// The message of a resource, and what was done.
pub type Changed<M> = (Option<M>, v1::Outcome);

/// Runs a reader of a request's fields; what is wrong with them becomes a status.
pub fn checked<T>(read: impl FnOnce(&mut Problems) -> Option<T>) -> Result<T, Status> {
    let mut problems = Problems::default();
    let value = read(&mut problems);
    problems.finish(value).map_err(status::of_fields)
}

/// The name of the resource to delete, deploy, …, and the etag that it must have.
pub fn addressed(kind: ResourceKind, name: &str, etag: &str) -> Result<(Name, Option<Revision>), Status> {
    checked(|problems| {
        let name = parse_reference(kind, name, &Path::Root("name"), problems);
        let if_match = parse_etag(etag, &Path::Root("etag"), problems);
        Some((name?, if_match?))
    })
}

pub fn stamp<T>(versioned: &Versioned<T>) -> Stamp {
    let Versioned { value: _, created: _, modified, created_at, modified_at } = versioned;
    Stamp { modified: *modified, created_at: *created_at, modified_at: *modified_at }
}

/// What a change left of a resource: None if it did not touch it, a value of None if it is no more (a call was
/// repeated, and somebody deleted the resource in between).
pub fn event_of<'a, T: Shown>(applied: &'a Applied, name: &Name) -> Option<(Option<&'a T>, Stamp)> {
    let found = applied.events.iter().find(|event| event.key.kind == T::KIND && event.key.name == *name)?;
    Some((found.resource.as_ref().and_then(T::of), event::stamp(found)))
}

impl Api {
    pub async fn get<T: Shown>(&self, head: &Head, name: &str, stale_ok: bool) -> Result<T::Message, Status> {
        let name = checked(|problems| parse_reference(T::KIND, name, &Path::Root("name"), problems))?;
        self.find::<T>(head, &name, stale_ok).await
    }

    async fn find<T: Shown>(&self, head: &Head, name: &Name, stale_ok: bool) -> Result<T::Message, Status> {
        let state = self.read(head, stale_ok).await?;
        match T::table(&state).get(name) {
            Some(found) => Ok(found.value.write(stamp(found))),
            None => Err(status::not_found(T::KIND.noun(), name.as_str(), &resource_name(T::KIND, name))),
        }
    }

    /// A page of all, in the order of their names, and the revision at which they were read.
    pub async fn list<T: Shown>(
        &self,
        head: &Head,
        (page_size, page_token, stale_ok): (i32, &str, bool),
    ) -> Result<(Page<T::Message>, u64), Status> {
        let list = T::KIND.collection();
        let pager = checked(|problems| Pager::<Name>::read(list, page_size, page_token, problems))?;
        let state = self.read(head, stale_ok).await?;
        let write = |(_, found): (&Name, &Versioned<T>)| found.value.write(stamp(found));
        Ok((pager.cut(T::table(&state).iter(), |(name, _)| (*name).clone(), write), state.revision().0))
    }

    pub async fn create<T: Written>(
        &self,
        head: &ChangeHead,
        id: &str,
        message: Option<T::Message>,
    ) -> Result<Changed<T::Message>, Status> {
        let (name, value) = checked(|problems| {
            let name = parse_name(id, &Path::Root(T::ID_FIELD), problems)?;
            let value = T::read(message.unwrap_or_default(), name.clone(), &Path::Root(T::FIELD), problems);
            Some((name, value?))
        })?;
        self.change_resource::<T>(head, name, Intent::Apply(value.create())).await
    }

    pub async fn update<T: Written>(
        &self,
        head: &ChangeHead,
        message: Option<T::Message>,
    ) -> Result<Changed<T::Message>, Status> {
        let message = message.unwrap_or_default();
        let (name, value, if_match) = checked(|problems| {
            let at = Path::Root(T::FIELD);
            let (name, etag) = T::addressed(&message);
            let name = parse_reference(T::KIND, name, &at.field("name"), problems);
            let if_match = parse_etag(etag, &at.field("etag"), problems);
            let (name, if_match) = (name?, if_match?);
            let value = T::read(message, name.clone(), &at, problems);
            Some((name, value?, if_match))
        })?;
        self.change_resource::<T>(head, name, Intent::Apply(value.update(if_match))).await
    }

    /// Whatever the kind, if it can be deleted.
    pub async fn delete<T: Shown>(&self, head: &ChangeHead, name: &str, etag: &str) -> Result<v1::Outcome, Status> {
        let (name, if_match) = addressed(T::KIND, name, etag)?;
        let operation = match T::KIND {
            ResourceKind::Director => Operation::DeleteDirector { name, if_match },
            ResourceKind::Server => Operation::DeleteServer { name, if_match },
            ResourceKind::Profile => Operation::DeleteProfile { name, if_match },
            kind => Operation::Delete { key: ResourceKey { kind, name }, if_match },
        };
        Ok(head.outcome(self.change(head, Intent::Apply(operation)).await?))
    }

    /// Does what is wanted, and answers with the resource `name` as it is then.
    pub async fn change_resource<T: Shown>(
        &self,
        head: &ChangeHead,
        name: Name,
        intent: Intent,
    ) -> Result<Changed<T::Message>, Status> {
        let applied = self.change(head, intent).await?;
        let resource = match event_of::<T>(&applied, &name) {
            Some((value, stamp)) => value.map(|value| value.write(stamp)),
            // The change changed nothing: the resource was so already.
            None => Some(self.find::<T>(head.head(), &name, false).await?),
        };
        Ok((resource, head.outcome(applied)))
    }
}
