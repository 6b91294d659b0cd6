//! Whatever is named exists. (Directors of homes: see `homes`; pools of identities: see `pools`.)

use twinrail_proto::domain::{Lan, Name, Pool, QosPolicy, ResourceKey, San, Server, Template};

use crate::state::State;
use crate::state::index::occupied;
use crate::state::kept::Kept;

pub(super) fn check(state: &State) -> Vec<String> {
    let mut named: Vec<(String, ResourceKey)> = Vec::new();
    for template in state.templates().values().map(|versioned| &versioned.value) {
        let by = || Template::key(&template.name).to_string();
        for vnic in template.vnics.values() {
            named.extend([(by(), Lan::key(&vnic.lan)), (by(), Pool::key(&vnic.mac_pool))]);
            named.extend(vnic.qos.iter().map(|qos| (by(), QosPolicy::key(qos))));
        }
        for vhba in template.vhbas.values() {
            named.extend([(by(), San::key(&vhba.san)), (by(), Pool::key(&vhba.wwn_pool))]);
            named.extend(vhba.qos.iter().map(|qos| (by(), QosPolicy::key(qos))));
        }
    }
    for profile in state.profiles().values().map(|versioned| &versioned.value) {
        let by = || format!("profiles/{}", profile.name);
        named.extend(profile.template.iter().map(|template| (by(), Template::key(template))));
        named.extend(occupied(profile).map(|server| (by(), Server::key(server))));
        named.extend(profile.vnics.values().map(|vnic| (by(), Lan::key(&vnic.lan))));
        named.extend(profile.vhbas.values().map(|vhba| (by(), San::key(&vhba.san))));
        let policies = profile.vnics.values().map(|vnic| &vnic.qos).chain(profile.vhbas.values().map(|vhba| &vhba.qos));
        named.extend(policies.flatten().map(|qos| (by(), QosPolicy::key(qos))));
    }
    let missing = named.into_iter().filter(|(_, key)| !exists(state, key));
    missing.map(|(by, key)| format!("{by} names {key}")).chain(uplinks(state)).collect()
}

fn exists(state: &State, key: &ResourceKey) -> bool {
    fn kept<T: Kept>(state: &State, name: &Name) -> bool {
        T::table(&state.record).contains_key(name)
    }
    match key.kind {
        Lan::KIND => kept::<Lan>(state, &key.name),
        San::KIND => kept::<San>(state, &key.name),
        Pool::KIND => kept::<Pool>(state, &key.name),
        QosPolicy::KIND => kept::<QosPolicy>(state, &key.name),
        Template::KIND => kept::<Template>(state, &key.name),
        Server::KIND => kept::<Server>(state, &key.name),
        _ => false,
    }
}

fn uplinks(state: &State) -> impl Iterator<Item = String> {
    let lans = state.lans().values().flat_map(|lan| lan.value.uplinks.keys());
    let sans = state.sans().values().flat_map(|san| san.value.uplinks.keys());
    let unknown = lans.chain(sans).filter(|director| !state.directors().contains_key(*director));
    unknown.map(|director| format!("an uplink is of {director}"))
}
