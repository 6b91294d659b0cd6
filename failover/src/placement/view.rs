use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::{Adapter, AdapterId, AdminState, Carriage, DirectorRole, Home, Name, Profile};

use crate::Standing;

/// The world as the planner sees it. It borrows from the state, so that looking costs no copies.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// All directors of the cluster, in any order.
    pub directors: Vec<DirectorView<'a>>,
    /// All adapters of the cluster, in any order: those that stay are the load that the others are spread around.
    pub adapters: Vec<AdapterView<'a>>,
    pub reach: &'a Reach,
}

#[derive(Clone, Debug)]
pub struct DirectorView<'a> {
    pub name: &'a Name,
    pub role: DirectorRole,
    pub admin_state: AdminState,
    pub standing: Standing,
    /// The clouds (LANs and SANs) that it has a port to.
    pub uplinks: BTreeSet<&'a Name>,
    /// Those of them whose port does not work now.
    pub uplinks_down: BTreeSet<&'a Name>,
}

#[derive(Clone, Copy, Debug)]
pub struct AdapterView<'a> {
    pub id: AdapterId,
    pub cloud: &'a Name,
    /// False: any director can carry it, with or without a port to its cloud.
    pub needs_uplink: bool,
    pub home: &'a Home,
    /// By which server it is used. For an adapter that is about to be bound or moved: as it will be.
    pub carriage: Carriage<'a>,
}

/// Which directors each server has a path to. A server that is not in here is unknown: it is planned for as though it
/// reached all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach(BTreeMap<Name, BTreeSet<Name>>);

impl<'a> AdapterView<'a> {
    pub fn new(adapter: &Adapter<'a>, carriage: Carriage<'a>) -> Self {
        Self { id: adapter.id, cloud: adapter.cloud, needs_uplink: true, home: adapter.home, carriage }
    }

    /// The adapters of a profile as its binding is.
    pub fn of_profile(profile: &'a Profile) -> impl Iterator<Item = Self> {
        let carriage = profile.carriage();
        profile.adapters().map(move |it| Self::new(&it, carriage))
    }

    /// The adapters of a profile as they will be once it is bound to `server`.
    pub fn of_profile_on(profile: &'a Profile, server: &'a Name) -> impl Iterator<Item = Self> {
        profile.adapters().map(move |it| Self::new(&it, Carriage::Carry(server)))
    }

    /// The server that uses it or lets it go; None while nobody does.
    pub(super) fn server(&self) -> Option<&'a Name> {
        match self.carriage {
            Carriage::Carry(server) | Carriage::Hold(server) => Some(server),
            Carriage::Idle => None,
        }
    }

    pub(super) fn is_carried(&self) -> bool {
        matches!(self.carriage, Carriage::Carry(_))
    }
}

impl Reach {
    pub fn insert(&mut self, server: Name, director: Name) {
        self.0.entry(server).or_default().insert(director);
    }

    /// Whether the server reaches the director, as far as is known.
    pub fn allows(&self, server: &Name, director: &Name) -> bool {
        self.directors_of(server).is_none_or(|directors| directors.contains(director))
    }

    /// None: nothing is known of this server.
    pub fn directors_of(&self, server: &Name) -> Option<&BTreeSet<Name>> {
        self.0.get(server)
    }
}
