//! What a server has room for, checked over everything that a command changed, whatever the operation was.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::{AdapterKind, Name, Profile, Server};

use super::Draft;
use super::adapters::adapter_path;
use crate::state::index::occupied;
use crate::state::kept::Kept;
use crate::state::rejection::Rejection;

impl Draft<'_> {
    /// Each server that a changed profile takes room on still has room, and no two devices of one name.
    pub(super) fn check_servers(&self) -> Result<(), Rejection> {
        let mut newcomers: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
        for profile in Profile::overlay(&self.overlays).values().flatten().filter(|it| self.needs_other_room(it)) {
            for server in occupied(profile) {
                newcomers.entry(server).or_default().insert(&profile.name);
            }
        }
        newcomers.into_iter().try_for_each(|(server, profiles)| self.check_server(server, profiles))
    }

    /// Homes change often and take no room; such changes are not looked at any further.
    fn needs_other_room(&self, profile: &Profile) -> bool {
        let Some(before) = self.record().profiles.get(&profile.name).map(|versioned| &versioned.value) else {
            return true;
        };
        before.binding != profile.binding
            || !before.vnics.keys().eq(profile.vnics.keys())
            || before.vhbas.len() != profile.vhbas.len()
    }

    fn check_server(&self, server: &Name, newcomers: BTreeSet<&Name>) -> Result<(), Rejection> {
        let here = |profile: &&Profile| occupied(profile).any(|occupied| occupied == server);
        let present = self.index().occupants.get(server).into_iter().flatten();
        let names: BTreeSet<&Name> = present.chain(newcomers).collect();
        let profiles: Vec<&Profile> =
            names.into_iter().filter_map(|name| self.get::<Profile>(name)).filter(here).collect();
        self.check_room(server, &profiles)?;
        check_device_names(server, &profiles)
    }

    fn check_room(&self, server: &Name, profiles: &[&Profile]) -> Result<(), Rejection> {
        let needed = profiles.iter().map(|profile| profile.vnics.len() + profile.vhbas.len()).sum();
        let limit = self.refer::<Server>(server, || "server".to_owned())?.max_adapters as usize;
        if needed > limit {
            return Err(Rejection::ServerFull { server: server.clone(), needed, limit });
        }
        Ok(())
    }
}

fn check_device_names(server: &Name, profiles: &[&Profile]) -> Result<(), Rejection> {
    let mut devices: BTreeMap<&Name, &Name> = BTreeMap::new();
    for profile in profiles {
        for name in profile.vnics.keys() {
            if let Some(first) = devices.insert(name, &profile.name) {
                return Err(Rejection::DeviceNameTaken {
                    server: server.clone(),
                    name: name.clone(),
                    first: adapter_path(first, AdapterKind::Vnic, name),
                    second: adapter_path(&profile.name, AdapterKind::Vnic, name),
                });
            }
        }
    }
    Ok(())
}
