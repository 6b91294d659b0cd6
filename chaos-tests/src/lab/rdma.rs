//! Rails that are RDMA: what a machine has beside its ordinary card on such a rail.
//!
//! ```text
//!   initial namespace     rxe device ─ card ══╗ (a veth pair)
//!   the fabric                                ╚══ port ─┐
//!                                                       ├─ bridge of the rail
//!                                             ╔══ port ─┘
//!   the machine           ordinary card ══════╝           UDP and TCP: hellos, numbers of queue pairs
//! ```
//!
//! Linux 6.1 has Soft-RoCE devices in the initial namespace only; but a process in another one may use them, by their files in
//! /dev/infiniband (`rdma system` says `netns shared`, the default). Their addresses are link-local, made of the card's MAC, at
//! index 0: no routing is needed. Where a port is cut, the other end of its cable goes down with it, and RDMA's port too.
//!
//! The cards go with the fabric's namespace, which has their other ends, and the devices with the cards.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use twinrail_proto::domain::Rail;

use super::layout::{Layout, MachineKind, Segment};
use super::remnants::LabId;
use super::scenario::eventually;
use super::{Lab, Machine, Namespace, Process, shell};

/// Where the kernel shows RDMA devices.
pub const DEVICES: &str = "/sys/class/infiniband";
/// Of every device: its only port, and the index of its link-local address there.
pub const PORT: u8 = 1;
pub const GID_INDEX: u8 = 0;
/// Buffers of a machine for what comes in on a rail: all machines share one memory here.
pub const RECEIVES: u16 = 256;
/// Where programs that are not ours exchange the numbers of their queue pairs.
const PEERS_PORT: u16 = 18_600;
/// A device that was made shows its port as active within this.
const ACTIVE_WITHIN: Duration = Duration::from_secs(10);

/// The machine's device on a rail, and its card, which are in the initial namespace: their names are those of no other lab's.
pub fn device(id: &LabId, machine: &str, rail: Rail) -> String {
    format!("{id}-{machine}-{rail}")
}

/// The bridge's end of that card's cable; None where there is none.
pub fn port(machine: &str, segment: Segment, layout: &Layout) -> Option<String> {
    match segment {
        Segment::Rail(rail) if layout.verbs.contains(&rail) => Some(format!("{machine}-rdma{rail}")),
        _ => None,
    }
}

/// The card's MAC; None for machines that are on no rail.
pub fn mac(kind: MachineKind, rail: Rail) -> Option<String> {
    let [.., network, site, host] = kind.rail_address(rail)?.octets();
    Some(format!("02:52:44:{network:02x}:{site:02x}:{host:02x}"))
}

/// Connects a machine to the rails that are RDMA, and waits until its devices can be used.
pub fn connect(id: &LabId, fabric: &Namespace, machine: &Machine, layout: &Layout) -> Result<()> {
    for rail in &layout.verbs {
        let (segment, name) = (Segment::Rail(*rail), &machine.name);
        let (Some(port), Some(mac)) = (port(name, segment, layout), mac(machine.kind, *rail)) else { continue };
        let device = device(id, name, *rail);
        add(&device, &mac, &port, fabric, segment, layout).with_context(|| format!("could not give {name} RDMA"))?;
    }
    Ok(())
}

fn add(device: &str, mac: &str, port: &str, fabric: &Namespace, segment: Segment, layout: &Layout) -> Result<()> {
    let (mtu, bridge, fabric_name) = (layout.mtu(segment), segment.bridge(), fabric.name());
    let mut card = String::new();
    writeln!(
        card,
        "link add {device} address {mac} mtu {mtu} type veth peer name {port} mtu {mtu} netns {fabric_name}"
    )?;
    shell::run_with_input(Command::new("ip").args(["-batch", "-"]), &card)?;
    // Nobody else has this address on the rail: it is not asked for.
    write_setting(device, "accept_dad", "0")?;
    fabric.ip(&format!("link set {port} master {bridge} up\n"))?;
    shell::run_with_input(Command::new("ip").args(["-batch", "-"]), &format!("link set {device} up\n"))?;
    let link = ["link", "add", device, "type", "rxe", "netdev", device];
    shell::run(Command::new("rdma").args(link))?;
    let state = Path::new(DEVICES).join(device).join(format!("ports/{PORT}/state"));
    eventually(ACTIVE_WITHIN, "an RDMA port that is active", || {
        let text = std::fs::read_to_string(&state).unwrap_or_default();
        Ok(text.contains("ACTIVE").then_some(()))
    })
}

fn write_setting(device: &str, key: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{device}/{key}");
    std::fs::write(&path, value).with_context(|| format!("could not write {path}"))
}

/// Starts one end of Debian's `ibv_rc_pingpong` on a machine's device. It sleeps until something comes (`-e`): who polls on a small
/// machine keeps the kernel's own part from running.
pub fn ping_pong(lab: &Lab, machine: &str, rail: Rail, server: Option<&str>) -> Result<Process> {
    let device = device(&lab.id, machine, rail);
    let (index, port) = (GID_INDEX.to_string(), PEERS_PORT.to_string());
    let arguments = ["-e", "-d", &device, "-g", &index, "-p", &port, "-n", "100", "-s", "1024"].into_iter();
    let arguments: Vec<&str> = arguments.chain(server).collect();
    lab.spawn(machine, &format!("pingpong-{machine}"), Path::new("ibv_rc_pingpong"), &arguments)
}

/// Waits until the server's end of it listens.
pub fn wait_for_listener(lab: &Lab, machine: &str) -> Result<()> {
    let namespace = lab.namespace(machine)?;
    eventually(ACTIVE_WITHIN, "ibv_rc_pingpong that listens", || {
        Ok(namespace.script(&format!("ss -Hltn sport = :{PEERS_PORT} | grep -q .")).ok().map(drop))
    })
}

/// Fails where this kernel has no Soft-RoCE.
pub fn check() -> Result<()> {
    if !Path::new("/sys/module/rdma_rxe").exists() {
        bail!("this kernel has no Soft-RoCE (rdma_rxe): verbs rails run in the guest, `make test-guest`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rails_that_are_rdma_have_a_second_port() {
        let layout = Layout { verbs: vec![Rail::B], ..Layout::default() };
        let port = |segment| port("d1", segment, &layout);
        assert_eq!(port(Segment::Rail(Rail::B)).as_deref(), Some("d1-rdmaB"));
        assert_eq!((port(Segment::Rail(Rail::A)), port(Segment::Lan)), (None, None));
    }

    #[test]
    fn names_fit_into_what_the_kernel_allows() {
        let longest = device(&LabId::random(), "s100", Rail::A);
        assert!(longest.len() < 16, "{longest}");
    }

    #[test]
    fn each_card_has_its_own_mac() {
        let kinds: Vec<_> = Layout::default().machines().into_iter().map(|it| it.1).collect();
        let macs: Vec<_> = Rail::ALL.iter().flat_map(|rail| kinds.iter().filter_map(|it| mac(*it, *rail))).collect();
        assert_eq!((macs.len(), macs.iter().collect::<std::collections::BTreeSet<_>>().len()), (14, 14));
    }
}
