//! Who is in a lab, and under which names and addresses. Pure but for the setting that a layout begins with: no I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use twinrail_proto::domain::{DirectorRole, Rail};

use super::setting::setting;

/// The kernel's largest MTU for a veth: super-frames of 64 KiB travel whole.
pub const LARGEST_RAIL_MTU: u32 = 65_535;
/// What an ordinary LAN has.
pub const LAN_MTU: u32 = 1_500;
/// The LAN host, its network and the IPv6 prefix that it advertises.
pub const LAN_HOST: Ipv4Addr = Ipv4Addr::new(10, 70, 0, 1);
pub const LAN_HOST_V6: &str = "fd70::1";
pub const LAN_HOST_NAME: &str = "lan-host";
/// What the LAN host's echo responder listens on, UDP and TCP.
pub const ECHO_PORT: u16 = 7_777;
pub const IPERF_PORT: u16 = 5_201;
/// The disk array, and its address on the SAN.
pub const ARRAY_NAME: &str = "array";
pub const ARRAY: Ipv4Addr = Ipv4Addr::new(10, 73, 1, 200);
/// Servers are numbered after this in the last byte of their addresses; directors from 1.
const SERVER_BASE: u8 = 100;

/// Which addresses machines have on the rails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RailFamily {
    #[default]
    V4,
    V6,
}

impl RailFamily {
    /// As nftables calls the header with the addresses.
    pub fn header(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }
}

/// One of the bridges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    Lan,
    Rail(Rail),
    /// Only where the layout asks for it.
    San,
}

impl Segment {
    pub const ALL: [Self; 4] = [Self::Lan, Self::Rail(Rail::A), Self::Rail(Rail::B), Self::San];

    /// The bridge in the fabric's namespace.
    pub fn bridge(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Rail(Rail::A) => "railA",
            Self::Rail(Rail::B) => "railB",
            Self::San => "san",
        }
    }

    /// The device of a machine on this segment.
    pub fn device(self) -> &'static str {
        match self {
            Self::Lan => "lan0",
            Self::San => "san0",
            Self::Rail(_) => self.bridge(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineKind {
    Director { id: u8, role: DirectorRole },
    Server { index: u8 },
    LanHost,
    Array,
}

impl MachineKind {
    /// Where it has a port, in a lab that has all segments.
    fn segments(self) -> &'static [Segment] {
        match self {
            Self::Director { .. } => &Segment::ALL,
            Self::Server { .. } => &[Segment::Rail(Rail::A), Segment::Rail(Rail::B)],
            Self::LanHost => &[Segment::Lan],
            Self::Array => &[Segment::San],
        }
    }

    /// The machine's address on the SAN; None for machines that are not on it.
    pub fn san_address(self) -> Option<Ipv4Addr> {
        match self {
            Self::Director { id, .. } => Some(Ipv4Addr::new(10, 73, 1, id)),
            Self::Array => Some(ARRAY),
            Self::Server { .. } | Self::LanHost => None,
        }
    }

    /// The machine's IPv4 address on a rail; None for machines that are not on it.
    pub fn rail_address(self, rail: Rail) -> Option<Ipv4Addr> {
        let network = match rail {
            Rail::A => 71,
            Rail::B => 72,
        };
        let host = match self {
            Self::Director { id, .. } => id,
            Self::Server { index } => SERVER_BASE + index,
            Self::LanHost | Self::Array => return None,
        };
        Some(Ipv4Addr::new(10, network, 1, host))
    }
}

/// `fd71::1:1` for 10.71.1.1.
fn as_v6(address: Ipv4Addr) -> Ipv6Addr {
    let [_, network, site, host] = address.octets().map(u16::from);
    let network = 0xfd00 | ((network / 10) << 4) | (network % 10);
    Ipv6Addr::new(network, 0, 0, 0, 0, 0, site, host)
}

/// What a lab consists of. The default: three active directors, servers s1 to s3 and s4 as a spare; on an emulated machine s1 alone.
#[derive(Clone, Debug)]
pub struct Layout {
    pub directors: Vec<(String, DirectorRole)>,
    pub servers: Vec<String>,
    pub rail_mtu: u32,
    pub rail_family: RailFamily,
    /// The rails that are RDMA ([`super::rdma`]); the others are UDP.
    pub verbs: Vec<Rail>,
    pub lan_mtu: u32,
    /// A SAN with a disk array ([`super::array`]), and a port of every director on it.
    pub san: bool,
    /// The machine whose data folder is a disk of its own of so many octets (a tmpfs): it can be full.
    pub small_disk: Option<(String, u64)>,
    /// Every machine records which frames of which epoch went where (see [`super::flight`]).
    pub flight_recorder: bool,
    /// Sections and keys added to every director's configuration file.
    pub director_extra: toml::Table,
    /// The same for the servers.
    pub server_extra: toml::Table,
}

impl Default for Layout {
    fn default() -> Self {
        use DirectorRole::Active;
        let servers = if setting().emulated { 1 } else { 4 };
        Self::of(&[("d1", Active), ("d2", Active), ("d3", Active)], servers)
    }
}

impl Layout {
    /// A lab of these directors and of servers s1, s2, … .
    pub fn of(directors: &[(&str, DirectorRole)], servers: u8) -> Self {
        Self {
            directors: directors.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect(),
            servers: (1..=servers).map(|index| format!("s{index}")).collect(),
            rail_mtu: LARGEST_RAIL_MTU,
            rail_family: RailFamily::default(),
            verbs: setting().verbs.clone(),
            lan_mtu: LAN_MTU,
            san: false,
            small_disk: None,
            flight_recorder: true,
            director_extra: toml::Table::new(),
            server_extra: toml::Table::new(),
        }
    }

    /// Every machine with its kind; directors and servers are numbered from 1 in the order given.
    pub fn machines(&self) -> Vec<(String, MachineKind)> {
        let directors = (1u8..).zip(&self.directors).map(|(id, (name, role))| (name.clone(), director(id, *role)));
        let servers = (1u8..).zip(&self.servers).map(|(index, name)| (name.clone(), MachineKind::Server { index }));
        let host = (LAN_HOST_NAME.to_owned(), MachineKind::LanHost);
        let array = self.san.then(|| (ARRAY_NAME.to_owned(), MachineKind::Array));
        directors.chain(servers).chain([host]).chain(array).collect()
    }

    /// The bridges of this lab.
    pub fn segments(&self) -> impl Iterator<Item = Segment> {
        self.of_this_lab(&Segment::ALL)
    }

    /// Where such a machine has a port in this lab.
    pub fn segments_of(&self, kind: MachineKind) -> impl Iterator<Item = Segment> {
        self.of_this_lab(kind.segments())
    }

    fn of_this_lab(&self, segments: &'static [Segment]) -> impl Iterator<Item = Segment> {
        let san = self.san;
        segments.iter().copied().filter(move |it| san || *it != Segment::San)
    }

    pub fn director_names(&self) -> Vec<String> {
        self.directors.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A machine's address on a rail, of the family that this lab's rails have.
    pub fn rail_address(&self, kind: MachineKind, rail: Rail) -> Option<IpAddr> {
        let address = kind.rail_address(rail)?;
        Some(match self.rail_family {
            RailFamily::V4 => address.into(),
            RailFamily::V6 => as_v6(address).into(),
        })
    }

    pub fn mtu(&self, segment: Segment) -> u32 {
        match segment {
            Segment::Lan | Segment::San => self.lan_mtu,
            Segment::Rail(_) => self.rail_mtu,
        }
    }
}

fn director(id: u8, role: DirectorRole) -> MachineKind {
    MachineKind::Director { id, role }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_machine_has_its_own_address_on_each_rail() {
        let machines = Layout::default().machines();
        assert_eq!(machines.len(), 8);
        for rail in Rail::ALL {
            let addresses: Vec<_> = machines.iter().filter_map(|(_, kind)| kind.rail_address(rail)).collect();
            assert_eq!(addresses.len(), 7, "all but the LAN host are on rail {rail}");
            assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), 7, "unique on rail {rail}");
        }
    }

    #[test]
    fn a_san_is_there_only_where_it_is_asked_for() {
        let (without, with) = (Layout::default(), Layout { san: true, ..Layout::default() });
        let director = without.machines()[0].1;
        assert_eq!((without.segments().count(), without.segments_of(director).count()), (3, 3));
        assert_eq!((with.segments().count(), with.segments_of(director).count()), (4, 4));
        assert_eq!(with.machines().len(), without.machines().len() + 1);
    }

    #[test]
    fn addresses_are_those_of_the_sample_configurations() {
        let machines = Layout::default().machines();
        let address = |name: &str, rail| machines.iter().find(|(n, _)| n == name).unwrap().1.rail_address(rail);
        assert_eq!(address("d1", Rail::A), Some(Ipv4Addr::new(10, 71, 1, 1)));
        assert_eq!(address("s1", Rail::B), Some(Ipv4Addr::new(10, 72, 1, 101)));
    }

    #[test]
    fn the_same_machines_have_ipv6_addresses_where_they_are_asked_for() {
        let layout = Layout { rail_family: RailFamily::V6, ..Layout::default() };
        let address = |kind, rail| layout.rail_address(kind, rail).map(|it| it.to_string());
        let director = MachineKind::Director { id: 2, role: DirectorRole::Active };
        assert_eq!(address(director, Rail::A).as_deref(), Some("fd71::1:2"));
        assert_eq!(address(MachineKind::Server { index: 1 }, Rail::B).as_deref(), Some("fd72::1:65"));
        assert_eq!(address(MachineKind::LanHost, Rail::B), None);
    }
}
