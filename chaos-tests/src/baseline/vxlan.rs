//! What one would build without us: a kernel VXLAN tunnel from the server to a gateway that bridges it to the LAN. Same
//! rails, same LAN, same machines as a director would have. And one veth pair, as the ceiling.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use twinrail_proto::domain::Rail;

use crate::lab::Lab;
use crate::lab::layout::{LAN_HOST, LAN_HOST_NAME};

/// How the tunnel is called in tables.
pub const NAME: &str = "kernel VXLAN + bridge";
/// Outside of the range that the lab's DHCP server gives out.
const SERVER_ON_LAN: Ipv4Addr = Ipv4Addr::new(10, 70, 0, 201);
const PAIR_NEAR: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 2);
const PAIR_FAR: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 1);

/// One way from a server to the LAN host.
#[derive(Clone, Debug)]
pub struct Way {
    pub name: &'static str,
    pub source: Ipv4Addr,
    pub target: Ipv4Addr,
    /// The LAN host's device on this way: its counters tell what arrived.
    pub far_device: &'static str,
}

/// Server s1 to gateway d1 by VXLAN over rail A, bridged to the LAN there.
pub fn tunnel(lab: &Lab) -> Result<Way> {
    let (server, gateway) = (rail_a(lab, "s1")?, rail_a(lab, "d1")?);
    let mtu = lab.layout.lan_mtu;
    lab.namespace("s1")?.script(&format!(
        "ip link add vx0 mtu {mtu} type vxlan id 7 dstport 4789 dev railA local {server} remote {gateway}\n\
         ip addr add {SERVER_ON_LAN}/24 dev vx0\n\
         ip link set vx0 up\n"
    ))?;
    lab.namespace("d1")?.script(&format!(
        "ip link add vx0 mtu {mtu} type vxlan id 7 dstport 4789 dev railA local {gateway} remote {server}\n\
         ip link add br0 mtu {mtu} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
         ip link set vx0 master br0 up\n\
         ip link set lan0 master br0 up\n\
         ip link set br0 up\n"
    ))?;
    Ok(Way { name: NAME, source: SERVER_ON_LAN, target: LAN_HOST, far_device: "lan0" })
}

/// Server s1 straight to the LAN host by one cable.
pub fn pair(lab: &Lab) -> Result<Way> {
    let (server, host) = (lab.namespace("s1")?, lab.namespace(LAN_HOST_NAME)?);
    let mtu = lab.layout.lan_mtu;
    server.script(&format!(
        "ip link add pair0 mtu {mtu} type veth peer name pair0 mtu {mtu} netns {}\n\
         ip addr add {PAIR_NEAR}/24 dev pair0\n\
         ip link set pair0 up\n",
        host.name()
    ))?;
    host.script(&format!("ip addr add {PAIR_FAR}/24 dev pair0\nip link set pair0 up\n"))?;
    Ok(Way { name: "one veth pair", source: PAIR_NEAR, target: PAIR_FAR, far_device: "pair0" })
}

fn rail_a(lab: &Lab, name: &str) -> Result<Ipv4Addr> {
    lab.machine(name)?.kind.rail_address(Rail::A).with_context(|| format!("{name} is not on rail A"))
}
