//! Which device, port and GID a rail uses: what the configuration says, and for the rest what belongs to the rail's address.

use std::cmp::Reverse;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use twinrail_datapath_sys::device_of_address;
use twinrail_datapath_sys::interface_index;
use twinrail_datapath_sys::verbs::{Context, GidEntry, GidKind, LinkLayer, Port, device_names};

use super::config::VerbsConfig;

/// The port of a rail, ready to be used.
#[derive(Debug)]
pub(super) struct LocalPort {
    pub context: Arc<Context>,
    pub port: Port,
    /// None: packets are addressed by LIDs alone.
    pub gid_index: Option<u8>,
    pub gid: [u8; 16],
    pub mtu: u8,
    pub service_level: u8,
    pub traffic_class: u8,
    pub pkey_index: u16,
}

/// Where an address was looked for.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    address: IpAddr,
    /// The kernel's number of the net device that has it.
    interface: Option<u32>,
    config: &'a VerbsConfig,
}

impl LocalPort {
    pub fn find(address: IpAddr, config: &VerbsConfig) -> io::Result<Self> {
        let (context, entry, number) = choose(address, config)?;
        let port = context.port(number)?;
        if !context.has_pkey(number, config.pkey_index) {
            return Err(io::Error::other(format!("port {number} has no partition key at index {}", config.pkey_index)));
        }
        let wanted = config.mtu.and_then(VerbsConfig::mtu_code).unwrap_or(port.mtu);
        if wanted > port.mtu {
            let largest = VerbsConfig::MTUS[usize::from(port.mtu.clamp(1, 5)) - 1];
            return Err(io::Error::other(format!("port {number} takes packets of at most {largest} octets")));
        }
        // On InfiniBand a GID is used only where it is asked for: LIDs cost less in every packet.
        let routed = port.link_layer == LinkLayer::Ethernet || config.gid_index.is_some();
        Ok(Self {
            context,
            port,
            gid_index: entry.filter(|_| routed).map(|it| it.index),
            gid: entry.map_or([0; 16], |it| it.gid),
            mtu: wanted,
            service_level: config.service_level,
            traffic_class: config.traffic_class,
            pkey_index: config.pkey_index,
        })
    }
}

fn choose(address: IpAddr, config: &VerbsConfig) -> io::Result<(Arc<Context>, Option<GidEntry>, u8)> {
    let names = device_names().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("the kernel of this machine has no RDMA (ib_uverbs, /dev/infiniband): {error}"),
        )
    })?;
    if names.is_empty() {
        return Err(io::Error::other("this machine has no RDMA device (see `ibv_devices`, `rdma link`)"));
    }
    let interface = device_of_address(address)?.and_then(|it| interface_index(&it).ok()).map(|it| it as u32);
    let wanted = Wanted { address, interface, config };
    for name in names.iter().filter(|it| config.device.as_ref().is_none_or(|device| device == *it)) {
        let context = Context::open(name)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot open the RDMA device {name}: {error}")))?;
        let gids = context.gids()?;
        if let Some(entry) = wanted.best(&gids) {
            return Ok((context, Some(entry), entry.port));
        }
        if config.device.is_some() && context.port(config.port.unwrap_or(1))?.link_layer == LinkLayer::InfiniBand {
            return Ok((context, None, config.port.unwrap_or(1)));
        }
    }
    let known = names.join(", ");
    Err(io::Error::other(match (&config.device, config.gid_index) {
        (Some(device), _) if !names.contains(device) => {
            format!("there is no RDMA device {device:?}; there are: {known}")
        }
        (Some(device), Some(index)) => format!("the RDMA device {device:?} has no GID at index {index}"),
        (Some(device), None) => format!("no GID of the RDMA device {device:?} can be used"),
        (None, _) => {
            format!("no RDMA device has a GID of {address} or of its net device (there are: {known}): name one")
        }
    }))
}

impl Wanted<'_> {
    /// The GID to use, if the device has one for this rail.
    fn best(&self, gids: &[GidEntry]) -> Option<GidEntry> {
        let port = |it: &&GidEntry| self.config.port.is_none_or(|port| port == it.port);
        let usable = gids.iter().filter(port).filter(|it| it.gid != [0; 16]);
        match self.config.gid_index {
            Some(index) => {
                usable.copied().find(|it| it.index == index && (self.config.device.is_some() || self.fits(it)))
            }
            None => usable.copied().filter(|it| self.config.device.is_some() || self.fits(it)).max_by_key(|it| {
                (self.has_address(it), Reverse(it.port), it.kind == GidKind::RoceV2, Reverse(it.index))
            }),
        }
    }

    fn fits(&self, it: &GidEntry) -> bool {
        self.has_address(it) || it.interface != 0 && Some(it.interface) == self.interface
    }

    fn has_address(&self, it: &GidEntry) -> bool {
        let octets = match self.address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        it.gid == octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(port: u8, index: u8, gid: &str, kind: GidKind, interface: u32) -> GidEntry {
        let gid: std::net::Ipv6Addr = gid.parse().unwrap();
        GidEntry { port, index, gid: gid.octets(), kind, interface }
    }

    #[test]
    fn the_gid_of_the_address_is_preferred_and_a_named_device_needs_none() {
        let gids = [
            entry(1, 0, "fe80::1", GidKind::RoceV1, 7),
            entry(1, 1, "fe80::1", GidKind::RoceV2, 7),
            entry(1, 2, "::ffff:10.1.0.1", GidKind::RoceV1, 7),
            entry(1, 3, "::ffff:10.1.0.1", GidKind::RoceV2, 7),
            entry(2, 0, "fe80::2", GidKind::RoceV2, 8),
        ];
        let device = Some("rxe".to_string());
        type Row = (&'static str, Option<u32>, VerbsConfig, Option<(u8, u8)>);
        let table: [Row; 7] = [
            ("10.1.0.1", Some(7), VerbsConfig::default(), Some((1, 3))),
            ("10.9.0.1", Some(7), VerbsConfig::default(), Some((1, 1))),
            ("10.9.0.1", Some(8), VerbsConfig::default(), Some((2, 0))),
            ("10.9.0.1", None, VerbsConfig::default(), None),
            ("10.9.0.1", None, VerbsConfig { device: device.clone(), ..VerbsConfig::default() }, Some((1, 1))),
            (
                "10.9.0.1",
                None,
                VerbsConfig { device: device.clone(), port: Some(2), ..VerbsConfig::default() },
                Some((2, 0)),
            ),
            ("10.1.0.1", Some(7), VerbsConfig { gid_index: Some(1), ..VerbsConfig::default() }, Some((1, 1))),
        ];
        for (at, (address, interface, config, expected)) in table.into_iter().enumerate() {
            let wanted = Wanted { address: address.parse().unwrap(), interface, config: &config };
            assert_eq!(wanted.best(&gids).map(|it| (it.port, it.index)), expected, "case {at}");
        }
    }
}
