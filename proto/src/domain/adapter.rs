use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AdapterId, Epoch, LunChoice, MacAddress, Mtu, Name, VlanMode, Wwn};

/// Where a vNIC's MAC comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MacSource {
    Pool(Name),
    Fixed(MacAddress),
}

/// Where a vHBA's world-wide names come from: both are drawn from the pool, or both are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WwnSource {
    Pool(Name),
    Fixed { wwpn: Wwn, wwnn: Wwn },
}

/// A vNIC of a template: everything but an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VnicTemplate {
    pub lan: Name,
    pub vlan: VlanMode,
    pub mtu: Mtu,
    pub qos: Option<Name>,
    pub mac_pool: Name,
}

/// A vHBA of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhbaTemplate {
    pub san: Name,
    pub qos: Option<Name>,
    pub wwn_pool: Name,
    pub luns: LunChoice,
}

/// Who carries an adapter, and who comes next. Part of every adapter; unbound adapters have no home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// The director that carries it now; None while its profile is unbound, released, or nobody can carry it.
    pub director: Option<Name>,
    /// Grows with every change of `director` or of the server; kept while there is no home.
    pub epoch: Epoch,
    /// Who takes over when the home dies, best first: what agents may switch to ahead of the commit.
    pub successors: Vec<Name>,
}

/// A virtual network card. `profiles/{profile}/vnics/{name}`. Its device on the server has its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vnic {
    pub name: Name,
    pub id: AdapterId,
    pub mac: MacAddress,
    pub mac_source: MacSource,
    pub lan: Name,
    pub vlan: VlanMode,
    pub mtu: Mtu,
    pub qos: Option<Name>,
    pub home: Home,
}

/// A virtual Fibre Channel host bus adapter. `profiles/{profile}/vhbas/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vhba {
    pub name: Name,
    pub id: AdapterId,
    pub wwpn: Wwn,
    pub wwnn: Wwn,
    pub wwn_source: WwnSource,
    pub san: Name,
    pub qos: Option<Name>,
    pub luns: LunChoice,
    pub home: Home,
}

/// How far a binding of a profile to a server is.
///
/// ```text
///                 bind                      move / unbind
///   (unbound) ───────────▶ Active(S1) ───────────────────▶ Releasing(S1 → S2 | none)
///       ▲                     ▲                                │ S1's agent has acknowledged, or its
///       │                     └────────── Active(S2) ◀─────────┤ lease and its home's have certainly ended
///       └──────────────────────────────────────────────────────┘ (no target)
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingPhase {
    Active,
    /// The server must let go and say so; then the profile goes to `to`, or becomes unbound.
    Releasing {
        to: Option<Name>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub server: Name,
    pub phase: BindingPhase,
}

/// The set of adapters that moves as one. `profiles/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub name: Name,
    pub template: Option<Name>,
    pub vnics: BTreeMap<Name, Vnic>,
    pub vhbas: BTreeMap<Name, Vhba>,
    pub binding: Option<Binding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    Vnic,
    Vhba,
}

/// What both kinds of adapter share, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Adapter<'a> {
    pub id: AdapterId,
    pub kind: AdapterKind,
    pub name: &'a Name,
    /// The LAN of a vNIC, the SAN of a vHBA.
    pub cloud: &'a Name,
    pub home: &'a Home,
}

/// What the binding allows at this moment: derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage<'a> {
    /// Traffic flows to and from this server.
    Carry(&'a Name),
    /// The server must stop; frames towards it may be held for a short while.
    Hold(&'a Name),
    /// Nobody uses it.
    Idle,
}

impl Profile {
    pub fn adapters(&self) -> impl Iterator<Item = Adapter<'_>> {
        let vnics = self.vnics.values().map(|it| Adapter {
            id: it.id,
            kind: AdapterKind::Vnic,
            name: &it.name,
            cloud: &it.lan,
            home: &it.home,
        });
        let vhbas = self.vhbas.values().map(|it| Adapter {
            id: it.id,
            kind: AdapterKind::Vhba,
            name: &it.name,
            cloud: &it.san,
            home: &it.home,
        });
        vnics.chain(vhbas)
    }

    /// The homes of all adapters, to change them.
    pub fn homes_mut(&mut self) -> impl Iterator<Item = (AdapterId, &mut Home)> {
        let vnics = self.vnics.values_mut().map(|it| (it.id, &mut it.home));
        let vhbas = self.vhbas.values_mut().map(|it| (it.id, &mut it.home));
        vnics.chain(vhbas)
    }

    pub fn carriage(&self) -> Carriage<'_> {
        match &self.binding {
            None => Carriage::Idle,
            Some(Binding { server, phase: BindingPhase::Active }) => Carriage::Carry(server),
            Some(Binding { server, phase: BindingPhase::Releasing { .. } }) => Carriage::Hold(server),
        }
    }
}
