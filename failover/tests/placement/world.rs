//! A world that owns what a view borrows, and that plans can be applied to in the way that the replicated state does.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use twinrail_failover::Standing;
use twinrail_failover::placement::{AdapterView, DirectorView, Plan, Reach, View};
use twinrail_proto::domain::{AdapterId, AdminState, Carriage, DirectorRole, Epoch, Home, HomeMove, Name};

#[derive(Clone, Debug)]
pub struct World {
    pub directors: Vec<Director>,
    pub adapters: Vec<Adapter>,
    pub reach: Reach,
}

#[derive(Clone, Debug)]
pub struct Director {
    pub name: Name,
    pub role: DirectorRole,
    pub admin_state: AdminState,
    pub standing: Standing,
    pub uplinks: BTreeSet<Name>,
    pub uplinks_down: BTreeSet<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Carried,
    Releasing,
    Idle,
}

#[derive(Clone, Debug)]
pub struct Adapter {
    pub id: AdapterId,
    pub cloud: Name,
    pub server: Name,
    pub used: Use,
    pub home: Home,
}

pub fn name(text: impl Into<String>) -> Name {
    Name::new(text).unwrap()
}

impl World {
    /// Directors d1… that are alike, and servers s0001… with `vnics` adapters each, without homes.
    pub fn uniform(directors: usize, servers: usize, vnics: usize) -> Self {
        let director = |index: usize| Director {
            name: name(format!("d{index}")),
            role: DirectorRole::Active,
            admin_state: AdminState::Enabled,
            standing: Standing::Trusted,
            uplinks: BTreeSet::from([name("lan")]),
            uplinks_down: BTreeSet::new(),
        };
        let adapter = |index: usize| Adapter {
            id: AdapterId(index as u32 + 1),
            cloud: name("lan"),
            server: name(format!("s{:04}", index / vnics)),
            used: Use::Carried,
            home: Home::default(),
        };
        Self {
            directors: (1..=directors).map(director).collect(),
            adapters: (0..servers * vnics).map(adapter).collect(),
            reach: Reach::default(),
        }
    }

    pub fn view(&self) -> View<'_> {
        let directors = self.directors.iter().map(|it| DirectorView {
            name: &it.name,
            role: it.role,
            admin_state: it.admin_state,
            standing: it.standing,
            uplinks: it.uplinks.iter().collect(),
            uplinks_down: it.uplinks_down.iter().collect(),
        });
        let adapters = self.adapters.iter().map(Adapter::view);
        View { directors: directors.collect(), adapters: adapters.collect(), reach: &self.reach }
    }

    pub fn director(&mut self, wanted: &str) -> &mut Director {
        self.directors.iter_mut().find(|it| it.name.as_str() == wanted).unwrap()
    }

    pub fn adapter(&self, id: AdapterId) -> &Adapter {
        self.adapters.iter().find(|it| it.id == id).unwrap()
    }

    pub fn settled(mut self) -> Self {
        let plan = twinrail_failover::placement::refresh(&self.view());
        self.apply(&plan);
        self
    }

    /// What the replicated state does with a plan: a stale epoch is refused, a new home raises the epoch.
    pub fn apply(&mut self, plan: &Plan) {
        self.change(&plan.moves);
        self.change(&plan.successors);
    }

    pub fn change(&mut self, moves: &[HomeMove]) {
        let index: BTreeMap<AdapterId, usize> = self.adapters.iter().enumerate().map(|(at, it)| (it.id, at)).collect();
        for HomeMove { adapter, expected, to, successors } in moves {
            let home = &mut self.adapters[index[adapter]].home;
            assert_eq!(*expected, home.epoch, "the plan names the epoch that it saw");
            if *to != home.director {
                home.epoch = home.epoch.next();
            }
            home.director = to.clone();
            home.successors = successors.clone();
        }
    }

    pub fn loads(&self) -> BTreeMap<Name, i64> {
        let mut loads: BTreeMap<Name, i64> = self.directors.iter().map(|it| (it.name.clone(), 0)).collect();
        for home in self.adapters.iter().filter(|it| it.used != Use::Idle).filter_map(|it| it.home.director.as_ref()) {
            *loads.entry(home.clone()).or_default() += 1;
        }
        loads
    }

    /// How many adapters of a server are at a director.
    pub fn spread(&self, server: &Name, director: &Name) -> usize {
        let there = |it: &&Adapter| it.used != Use::Idle && it.server == *server;
        self.adapters.iter().filter(there).filter(|it| it.home.director.as_ref() == Some(director)).count()
    }

    /// May be given this adapter, written down once more in the simplest way.
    pub fn fits(&self, director: &Director, adapter: &Adapter) -> bool {
        let alone = self.directors.iter().all(|it| !self.reach.allows(&adapter.server, &it.name));
        director.role != DirectorRole::Witness
            && director.admin_state == AdminState::Enabled
            && director.standing == Standing::Trusted
            && director.uplinks.contains(&adapter.cloud)
            && !director.uplinks_down.contains(&adapter.cloud)
            && (alone || self.reach.allows(&adapter.server, &director.name))
    }

    /// Who may be chosen for it: spares only where some active director is meant for the cloud, and none fits.
    pub fn candidates(&self, adapter: &Adapter) -> BTreeSet<Name> {
        let fit = || self.directors.iter().filter(|it| self.fits(it, adapter));
        let active = |it: &&Director| it.role == DirectorRole::Active;
        let names = |list: Vec<&Director>| list.into_iter().map(|it| it.name.clone()).collect::<BTreeSet<Name>>();
        let meant = self.directors.iter().filter(active).any(|it| it.uplinks.contains(&adapter.cloud));
        match fit().filter(active).count() {
            0 if meant => names(fit().collect()),
            0 => BTreeSet::new(),
            _ => names(fit().filter(active).collect()),
        }
    }
}

impl Adapter {
    pub fn view(&self) -> AdapterView<'_> {
        let carriage = match self.used {
            Use::Carried => Carriage::Carry(&self.server),
            Use::Releasing => Carriage::Hold(&self.server),
            Use::Idle => Carriage::Idle,
        };
        AdapterView { id: self.id, cloud: &self.cloud, needs_uplink: true, home: &self.home, carriage }
    }
}

pub fn world() -> impl Strategy<Value = World> {
    let directors = proptest::collection::vec(director(), 1..7);
    directors.prop_flat_map(|list| {
        let count = list.len();
        let directors: Vec<Director> =
            list.into_iter().enumerate().map(|(at, it)| Director { name: name(format!("d{at}")), ..it }).collect();
        let adapters = proptest::collection::vec(adapter(count), 0..40);
        let paths = proptest::collection::btree_set((0..6usize, 0..count), 0..12);
        (Just(directors), adapters, paths).prop_map(assemble)
    })
}

fn assemble((directors, adapters, paths): (Vec<Director>, Vec<Adapter>, BTreeSet<(usize, usize)>)) -> World {
    let number = |(at, it): (usize, Adapter)| Adapter { id: AdapterId(at as u32 + 1), ..it };
    let mut reach = Reach::default();
    for (server, director) in paths {
        reach.insert(name(format!("s{server}")), directors[director].name.clone());
    }
    World { directors, adapters: adapters.into_iter().enumerate().map(number).collect(), reach }
}

fn director() -> impl Strategy<Value = Director> {
    let role = prop_oneof![
        4 => Just(DirectorRole::Active),
        1 => Just(DirectorRole::Spare),
        1 => Just(DirectorRole::Witness)
    ];
    let admin_state = prop_oneof![5 => Just(AdminState::Enabled), 1 => Just(AdminState::Drained)];
    let standing = prop_oneof![5 => Just(Standing::Trusted), 1 => Just(Standing::Doubted), 1 => Just(Standing::Lost)];
    let uplinks = proptest::sample::subsequence(vec!["lan-a", "lan-b", "san"], 1..=3);
    let down = prop_oneof![4 => Just(vec![]), 1 => proptest::sample::subsequence(vec!["lan-a", "lan-b", "san"], 1..=2)];
    (role, admin_state, standing, uplinks, down).prop_map(|(role, admin_state, standing, uplinks, down)| Director {
        name: name("d"),
        role,
        admin_state,
        standing,
        uplinks: uplinks.into_iter().map(name).collect(),
        uplinks_down: down.into_iter().map(name).collect(),
    })
}

fn adapter(directors: usize) -> impl Strategy<Value = Adapter> {
    let cloud = proptest::sample::select(vec!["lan-a", "lan-b", "san"]);
    let used = prop_oneof![6 => Just(Use::Carried), 1 => Just(Use::Releasing), 1 => Just(Use::Idle)];
    let home = proptest::option::weighted(0.7, 0..directors);
    // One more than there are: a list may still name a director that was removed.
    let successors = proptest::collection::vec(0..=directors, 0..4);
    (cloud, 0..8usize, used, home, 0u64..9, successors).prop_map(|(cloud, server, used, home, epoch, successors)| {
        Adapter {
            id: AdapterId(0),
            cloud: name(cloud),
            server: name(format!("s{server}")),
            used,
            home: Home {
                director: home.map(|it| name(format!("d{it}"))),
                epoch: Epoch(epoch),
                successors: successors.into_iter().map(|it| name(format!("d{it}"))).collect(),
            },
        }
    })
}
