//! vNICs and vHBAs: resources below a profile, which share its etag.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use tonic::Status;
use twinrail_proto::domain::{AdapterId, AdapterKind, Name, NameError, Profile, ResourceKind, Revision, Vhba, Vnic};
use twinrail_proto::grpc::convert::{
    Path, Problems, adapter_name, parse_adapter, parse_etag, parse_name, parse_reference, resource_name, write_vhba,
    write_vnic,
};
use twinrail_proto::grpc::v1;
use twinrail_raft_store::state::{Applied, Operation, Versioned, VhbaSpec, VnicSpec};

use super::call::{ChangeHead, Head};
use super::input::{read_vhba, read_vnic};
use super::page::{Page, Pager};
use super::resource::{Changed, checked};
use super::{Api, status};
use crate::director::Intent;

/// What stands for all profiles in a list (AIP-159).
const ALL_PROFILES: &str = "profiles/-";

/// A kind of adapter.
pub trait Adapted: Sized {
    const KIND: AdapterKind;
    const NOUN: &'static str;
    /// The collection below the profile, the field of requests that holds one, and the field that gives its id.
    const LIST: &'static str;
    const FIELD: &'static str;
    const ID_FIELD: &'static str;
    type Message: prost::Message + Default;
    type Spec;
    fn of(profile: &Profile) -> &BTreeMap<Name, Self>;
    fn write(&self, profile: &Name, modified: Revision) -> Self::Message;
    fn read(message: Self::Message, at: &Path<'_>, problems: &mut Problems) -> Option<Self::Spec>;
    fn create(at: Address, spec: Self::Spec) -> Operation;
    fn update(at: Address, spec: Self::Spec) -> Operation;
    fn delete(at: Address) -> Operation;
    /// Its number, and where its device is told.
    fn device(message: &mut Self::Message) -> (AdapterId, &mut Option<v1::Device>);
    /// None: it is no vHBA.
    fn as_vhba(message: &mut Self::Message) -> Option<&mut v1::Vhba>;
    /// Its resource name and etag, as the client gave them.
    fn addressed(message: &Self::Message) -> (&str, &str);
}

/// One adapter, and the etag that its profile must have.
#[derive(Clone, Debug)]
pub struct Address {
    profile: Name,
    name: Name,
    if_match: Option<Revision>,
}

macro_rules! adapted {
    (
        $type:ident: $noun:literal, $list:literal, $field:literal, $id:literal, $table:ident, $Spec:ident,
        $write:ident, $read:ident, $create:ident, $update:ident, $delete:ident
    ) => {
        impl Adapted for $type {
            const KIND: AdapterKind = AdapterKind::$type;
            const NOUN: &'static str = $noun;
            const LIST: &'static str = $list;
            const FIELD: &'static str = $field;
            const ID_FIELD: &'static str = $id;
            type Message = v1::$type;
            type Spec = $Spec;

            fn of(profile: &Profile) -> &BTreeMap<Name, Self> {
                &profile.$table
            }

            fn write(&self, profile: &Name, modified: Revision) -> v1::$type {
                $write(profile, self, modified)
            }

            fn read(message: v1::$type, at: &Path<'_>, problems: &mut Problems) -> Option<$Spec> {
                $read(message, at, problems)
            }

            fn create(Address { profile, name, if_match }: Address, spec: $Spec) -> Operation {
                Operation::$create { profile, name, spec, if_match }
            }

            fn update(Address { profile, name, if_match }: Address, spec: $Spec) -> Operation {
                Operation::$update { profile, name, spec, if_match }
            }

            fn delete(Address { profile, name, if_match }: Address) -> Operation {
                Operation::$delete { profile, name, if_match }
            }

            fn device(message: &mut v1::$type) -> (AdapterId, &mut Option<v1::Device>) {
                (AdapterId(message.adapter_id), &mut message.device)
            }

            fn as_vhba(message: &mut v1::$type) -> Option<&mut v1::Vhba> {
                (message as &mut dyn std::any::Any).downcast_mut()
            }

            fn addressed(message: &v1::$type) -> (&str, &str) {
                (&message.name, &message.etag)
            }
        }
    };
}

adapted!(Vnic: "vNIC", "vnics", "vnic", "vnic_id", vnics, VnicSpec, write_vnic, read_vnic, CreateVnic, UpdateVnic, DeleteVnic);
adapted!(Vhba: "vHBA", "vhbas", "vhba", "vhba_id", vhbas, VhbaSpec, write_vhba, read_vhba, CreateVhba, UpdateVhba, DeleteVhba);

/// Orders adapters by profile, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor(Name, Name);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

impl FromStr for Cursor {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (profile, adapter) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self(profile.parse()?, adapter.parse()?))
    }
}

impl Api {
    pub async fn list_adapters<T: Adapted>(
        &self,
        head: &Head,
        parent: &str,
        (page_size, page_token, stale_ok): (i32, &str, bool),
    ) -> Result<(Page<T::Message>, u64), Status> {
        let (pager, only) = checked(|problems| {
            let pager = Pager::<Cursor>::read(T::LIST, page_size, page_token, problems);
            let only = match parent {
                ALL_PROFILES => Some(None),
                one => parse_reference(ResourceKind::Profile, one, &Path::Root("parent"), problems).map(Some),
            };
            Some((pager?, only?))
        })?;
        let state = self.read(head, stale_ok).await?;
        if let Some(name) = only.as_ref().filter(|name| !state.profiles().contains_key(*name)) {
            return Err(profile_not_found(name));
        }
        let profiles = state.profiles().values().filter(|it| only.as_ref().is_none_or(|only| *only == it.value.name));
        let all = profiles.flat_map(|it| T::of(&it.value).iter().map(move |(name, adapter)| (it, name, adapter)));
        let cursor =
            |(profile, name, _): &(&Versioned<Profile>, &Name, &T)| Cursor(profile.value.name.clone(), (*name).clone());
        let write = |(profile, _, adapter): (&Versioned<Profile>, &Name, &T)| {
            self.show(&profile.value, adapter, profile.modified)
        };
        Ok((pager.cut(all, cursor, write), state.revision().0))
    }

    pub async fn get_adapter<T: Adapted>(&self, head: &Head, name: &str, stale_ok: bool) -> Result<T::Message, Status> {
        let (profile, name) = checked(|problems| parse_adapter(T::KIND, name, &Path::Root("name"), problems))?;
        let mut message = self.find_adapter::<T>(head, &profile, &name, stale_ok).await?;
        if let Some(vhba) = T::as_vhba(&mut message) {
            self.add_session(vhba).await;
        }
        Ok(message)
    }

    pub async fn rescan_vhba(&self, head: &Head, name: &str) -> Result<v1::Vhba, Status> {
        let mut vhba = self.get_adapter::<Vhba>(head, name, false).await?;
        let home = vhba.session.as_ref().map(|it| it.director.clone()).unwrap_or_default();
        let at = Path::Root("home.director");
        let Some(home) = parse_reference(ResourceKind::Director, &home, &at, &mut Problems::default()) else {
            return Err(Status::failed_precondition(format!(
                "{name} has no home: its profile is on no server, or nobody can carry it"
            )));
        };
        self.cluster.rescan_vhba(AdapterId(vhba.adapter_id), &home).await?;
        self.add_session(&mut vhba).await;
        Ok(vhba)
    }

    async fn find_adapter<T: Adapted>(
        &self,
        head: &Head,
        profile: &Name,
        name: &Name,
        stale_ok: bool,
    ) -> Result<T::Message, Status> {
        let state = self.read(head, stale_ok).await?;
        let found = state.profiles().get(profile).ok_or_else(|| profile_not_found(profile))?;
        match T::of(&found.value).get(name) {
            Some(adapter) => Ok(self.show(&found.value, adapter, found.modified)),
            None => {
                let resource = adapter_name(profile, T::KIND, name);
                Err(status::not_found(T::NOUN, &format!("{profile}/{name}"), &resource))
            }
        }
    }

    pub async fn create_adapter<T: Adapted>(
        &self,
        head: &ChangeHead,
        (parent, id, etag): (&str, &str, &str),
        message: Option<T::Message>,
    ) -> Result<Changed<T::Message>, Status> {
        let (address, spec) = checked(|problems| {
            let profile = parse_reference(ResourceKind::Profile, parent, &Path::Root("parent"), problems);
            let name = parse_name(id, &Path::Root(T::ID_FIELD), problems);
            let if_match = parse_etag(etag, &Path::Root("etag"), problems);
            let spec = T::read(message.unwrap_or_default(), &Path::Root(T::FIELD), problems);
            Some((Address { profile: profile?, name: name?, if_match: if_match? }, spec?))
        })?;
        self.change_adapter::<T>(head, address.clone(), Intent::Apply(T::create(address, spec))).await
    }

    pub async fn update_adapter<T: Adapted>(
        &self,
        head: &ChangeHead,
        message: Option<T::Message>,
    ) -> Result<Changed<T::Message>, Status> {
        let message = message.unwrap_or_default();
        let (address, spec) = checked(|problems| {
            let at = Path::Root(T::FIELD);
            let (name, etag) = T::addressed(&message);
            let address = read_address(T::KIND, (name, &at.field("name")), (etag, &at.field("etag")), problems);
            let spec = T::read(message, &at, problems);
            Some((address?, spec?))
        })?;
        self.change_adapter::<T>(head, address.clone(), Intent::Apply(T::update(address, spec))).await
    }

    pub async fn delete_adapter<T: Adapted>(
        &self,
        head: &ChangeHead,
        name: &str,
        etag: &str,
    ) -> Result<v1::Outcome, Status> {
        let at = (&Path::Root("name"), &Path::Root("etag"));
        let address = checked(|problems| read_address(T::KIND, (name, at.0), (etag, at.1), problems))?;
        Ok(head.outcome(self.change(head, Intent::Apply(T::delete(address))).await?))
    }

    pub async fn move_home<T: Adapted>(
        &self,
        head: &ChangeHead,
        (name, director, etag): (&str, &str, &str),
    ) -> Result<Changed<T::Message>, Status> {
        let at = (&Path::Root("name"), &Path::Root("etag"));
        let (address, to) = checked(|problems| {
            let address = read_address(T::KIND, (name, at.0), (etag, at.1), problems);
            let to = parse_reference(ResourceKind::Director, director, &Path::Root("director"), problems);
            Some((address?, to?))
        })?;
        let Address { profile, name: adapter, if_match } = address.clone();
        self.change_adapter::<T>(head, address, Intent::MoveHome { profile, kind: T::KIND, adapter, to, if_match })
            .await
    }

    async fn change_adapter<T: Adapted>(
        &self,
        head: &ChangeHead,
        Address { profile, name, if_match: _ }: Address,
        intent: Intent,
    ) -> Result<Changed<T::Message>, Status> {
        let applied = self.change(head, intent).await?;
        let adapter = match self.after::<T>(&applied, &profile, &name) {
            After::Touched(adapter) => adapter,
            After::Untouched => Some(self.find_adapter::<T>(head.head(), &profile, &name, false).await?),
        };
        Ok((adapter, head.outcome(applied)))
    }
}

/// What a change left of an adapter.
enum After<M> {
    Touched(Option<M>),
    Untouched,
}

impl Api {
    fn after<T: Adapted>(&self, applied: &Applied, profile: &Name, name: &Name) -> After<T::Message> {
        match super::resource::event_of::<Profile>(applied, profile) {
            None => After::Untouched,
            Some((None, _)) => After::Touched(None),
            Some((Some(found), stamp)) => {
                After::Touched(T::of(found).get(name).map(|adapter| self.show(found, adapter, stamp.modified)))
            }
        }
    }

    /// An adapter with its device.
    fn show<T: Adapted>(&self, profile: &Profile, adapter: &T, modified: Revision) -> T::Message {
        let mut message = adapter.write(&profile.name, modified);
        let (id, device) = T::device(&mut message);
        *device = self.device(profile, id);
        if let (Some(vhba), Some(binding)) = (T::as_vhba(&mut message), &profile.binding) {
            self.add_report(vhba, &binding.server);
        }
        message
    }
}

fn read_address(
    kind: AdapterKind,
    (name, at_name): (&str, &Path<'_>),
    (etag, at_etag): (&str, &Path<'_>),
    problems: &mut Problems,
) -> Option<Address> {
    let address = parse_adapter(kind, name, at_name, problems);
    let if_match = parse_etag(etag, at_etag, problems);
    let ((profile, name), if_match) = (address?, if_match?);
    Some(Address { profile, name, if_match })
}

fn profile_not_found(name: &Name) -> Status {
    let kind = ResourceKind::Profile;
    status::not_found(kind.noun(), name.as_str(), &resource_name(kind, name))
}
