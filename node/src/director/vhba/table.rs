//! From the replicated state to the vHBAs of which a director is the home.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use twinrail_datapath::commands::target::TargetConfig;
use twinrail_datapath::san::San;
use twinrail_failover::takeover::FencedBy;
use twinrail_proto::domain::{AdapterId, Carriage, Epoch, Name, Profile, SanFence, Wwn};
use twinrail_proto::rail::command::Credits;
use twinrail_raft_store::state::State;

/// Octets of commands that a director holds for all its vHBAs together, at most.
pub const MEMORY: u64 = 4 << 30;

/// vHBAs of one director: with more there would not be [`Credits::LEAST`] for each in [`MEMORY`]. Further ones (by their ids) are
/// not carried, and their sessions say why.
pub const MAX_VHBAS: usize = (MEMORY / Credits::LEAST.octets) as usize;

/// Everything that the thread of the vHBAs needs.
#[derive(Clone, Default)]
pub struct VhbaTable {
    pub vhbas: BTreeMap<AdapterId, HomedVhba>,
    /// Whose address is whose, on either rail.
    pub servers: BTreeMap<IpAddr, Name>,
}

/// A vHBA of which this director is the home.
#[derive(Clone)]
pub struct HomedVhba {
    pub epoch: Epoch,
    pub server: Name,
    pub wwpn: Wwn,
    pub port: Port,
    pub fenced_by: FencedBy,
    pub credits: Credits,
    /// A planned move: what is in flight is finished, and nothing new goes out.
    pub letting_go: bool,
}

/// How this director reaches a SAN.
#[derive(Clone)]
pub enum Port {
    Usable {
        /// Another number is another port: sessions by the one before are over.
        generation: u64,
        san: Arc<dyn San>,
    },
    Unusable {
        problem: String,
    },
}

impl Port {
    pub fn generation(&self) -> Option<u64> {
        match self {
            Self::Usable { generation, .. } => Some(*generation),
            Self::Unusable { .. } => None,
        }
    }

    /// For people.
    pub fn description(&self) -> String {
        match self {
            Self::Usable { san, .. } => san.character().description,
            Self::Unusable { .. } => String::new(),
        }
    }
}

/// The SANs of the vHBAs whose home is `own`.
pub fn sans_in_use(state: &State, own: &Name) -> Vec<Name> {
    let mut sans: Vec<Name> = homed(state, own).map(|it| it.vhba.san.clone()).collect();
    sans.sort_unstable();
    sans.dedup();
    sans
}

/// The table of the director `own`, which has these ports.
pub fn vhba_table(state: &State, ports: &BTreeMap<Name, Port>, own: &Name) -> VhbaTable {
    let mut homed: Vec<Homed<'_>> = homed(state, own).collect();
    homed.sort_unstable_by_key(|it| it.vhba.id);
    let credits = share(homed.len());
    let vhbas = homed.into_iter().enumerate().map(|(place, Homed { server, letting_go, vhba })| {
        let unknown = || Port::Unusable { problem: format!("director {own} has no uplink to SAN {}", vhba.san) };
        let full = || Port::Unusable { problem: format!("director {own} carries {MAX_VHBAS} vHBAs, and no more") };
        let port = ports.get(&vhba.san).cloned().unwrap_or_else(unknown);
        let fence = state.sans().get(&vhba.san).map(|it| it.value.fence).unwrap_or_default();
        let homed = HomedVhba {
            epoch: vhba.home.epoch,
            server: server.clone(),
            wwpn: vhba.wwpn,
            port: if place < MAX_VHBAS { port } else { full() },
            fenced_by: fenced_by(fence),
            credits,
            letting_go,
        };
        (vhba.id, homed)
    });
    VhbaTable { vhbas: vhbas.collect(), servers: servers(state) }
}

struct Homed<'a> {
    server: &'a Name,
    letting_go: bool,
    vhba: &'a twinrail_proto::domain::Vhba,
}

fn homed<'a>(state: &'a State, own: &'a Name) -> impl Iterator<Item = Homed<'a>> {
    state.profiles().values().flat_map(move |it| homed_of(&it.value, own))
}

fn homed_of<'a>(profile: &'a Profile, own: &'a Name) -> impl Iterator<Item = Homed<'a>> {
    let bound = match profile.carriage() {
        Carriage::Carry(server) => Some((server, false)),
        Carriage::Hold(server) => Some((server, true)),
        Carriage::Idle => None,
    };
    bound.into_iter().flat_map(move |(server, letting_go)| {
        let homed = profile.vhbas.values().filter(move |it| it.home.director.as_ref() == Some(own));
        homed.map(move |vhba| Homed { server, letting_go, vhba })
    })
}

fn servers(state: &State) -> BTreeMap<IpAddr, Name> {
    let known = state.servers().values().filter_map(|it| Some((&it.value.name, it.value.rails?)));
    known.flat_map(|(name, rails)| [(rails.a, name.clone()), (rails.b, name.clone())]).collect()
}

fn fenced_by(fence: SanFence) -> FencedBy {
    match fence {
        SanFence::LunReset => FencedBy::LunReset,
        SanFence::Login => FencedBy::Login,
    }
}

/// What each of so many vHBAs may have in flight.
fn share(count: usize) -> Credits {
    let (most, least) = (TargetConfig::DEFAULT_CREDITS, Credits::LEAST);
    let octets = MEMORY / count.max(1) as u64;
    Credits { octets: octets.clamp(least.octets, most.octets), ..most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_all_vhbas_together_is_bounded() {
        assert_eq!(share(0), TargetConfig::DEFAULT_CREDITS);
        assert_eq!(share(1), TargetConfig::DEFAULT_CREDITS);
        for count in [1, 100, 200, MAX_VHBAS] {
            assert!(share(count).octets * count as u64 <= MEMORY);
        }
        assert_eq!(share(10 * MAX_VHBAS).octets, Credits::LEAST.octets);
    }
}
