//! Builds a lab: namespaces, bridges, cables, addresses, and the LAN host's services.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use twinrail_proto::domain::Rail;

use super::janitor::Registration;
use super::launch::Launch;
use super::layout::{ECHO_PORT, IPERF_PORT, LAN_HOST, LAN_HOST_NAME, LAN_HOST_V6, Layout, MachineKind, Segment};
use super::programs::Programs;
use super::remnants::{self, LabId};
use super::{Lab, Machine, Namespace, dhcp, rdma, shell};

/// No IPv6 where machines only forward: nobody but the lab's machines speaks on its segments.
const FORWARDS_ONLY: &str = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6\n\
                             echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6\n";
/// Two network cards of one server in one network, as a careful operator sets them: each answers ARP only for its own
/// addresses, so that the LAN learns which card is which.
const CARDS_OF_ONE_NETWORK: &str = "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore\n\
                                    echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce\n";

pub fn build(layout: Layout) -> Result<Lab> {
    let programs = Programs::find()?;
    let id = LabId::random();
    let run_dir = remnants::claim(&id)?;
    let registration = Registration::start(&id, programs.lab(), &run_dir)?;
    let fabric = Namespace::create(id.namespace("fabric"))?;
    let machines = create_machines(&id, &layout)?;
    mount_small_disk(&layout, &run_dir)?;
    build_fabric(&fabric, &layout)?;
    for machine in machines.values() {
        connect(&fabric, machine, &layout)?;
        rdma::connect(&id, &fabric, machine, &layout)?;
        configure(machine, &layout)?;
    }
    dhcp::write_script(&run_dir)?;
    let services = Vec::new();
    let mut lab = Lab { layout, programs, id, run_dir, fabric, machines, services, keep_logs: false, registration };
    lab.services = start_services(&lab)?;
    Ok(lab)
}

fn create_machines(id: &LabId, layout: &Layout) -> Result<BTreeMap<String, Machine>> {
    let create = |(name, kind): (String, MachineKind)| {
        let namespace = Namespace::create(id.namespace(&name))?;
        Ok((name.clone(), Machine { name, kind, namespace, process: None, launch: Launch::default() }))
    };
    layout.machines().into_iter().map(create).collect()
}

/// The data folder of the machine that has a small disk. It goes with the lab ([`remnants::remove`]).
fn mount_small_disk(layout: &Layout, run_dir: &Path) -> Result<()> {
    let Some((machine, octets)) = &layout.small_disk else { return Ok(()) };
    let folder = run_dir.join(machine);
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let size = format!("size={octets}");
    shell::run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "twinrail-lab"]).arg(&folder)).map(drop)
}

/// The bridges learn and forward like switches, at once: no spanning tree, no multicast snooping (nobody is a querier).
fn build_fabric(fabric: &Namespace, layout: &Layout) -> Result<()> {
    let mut script = FORWARDS_ONLY.to_owned();
    for segment in layout.segments() {
        let (bridge, mtu) = (segment.bridge(), layout.mtu(segment));
        writeln!(script, "ip link add {bridge} mtu {mtu} type bridge stp_state 0 forward_delay 0 mcast_snooping 0")?;
        writeln!(script, "ip link set {bridge} up")?;
    }
    fabric.script(&script).context("could not build the lab's bridges").map(drop)
}

/// The bridge's end of a machine's cable.
pub fn port(machine: &str, segment: Segment) -> String {
    format!("{machine}-{}", segment.bridge())
}

/// Both ends are made inside the lab's namespaces: the host never sees them.
fn connect(fabric: &Namespace, machine: &Machine, layout: &Layout) -> Result<()> {
    let mut lines = String::new();
    for segment in layout.segments_of(machine.kind) {
        let (port, bridge) = (port(&machine.name, segment), segment.bridge());
        let (device, mtu, peer) = (segment.device(), layout.mtu(segment), machine.namespace.name());
        writeln!(lines, "link add {port} mtu {mtu} type veth peer name {device} mtu {mtu} netns {peer}")?;
        writeln!(lines, "link set {port} master {bridge} up")?;
    }
    fabric.ip(&lines).with_context(|| format!("could not connect {}", machine.name))
}

fn configure(machine: &Machine, layout: &Layout) -> Result<()> {
    let script = match machine.kind {
        MachineKind::LanHost => lan_host_script(),
        MachineKind::Director { .. } => {
            let san = if layout.san { san_script(machine)? } else { String::new() };
            format!("{FORWARDS_ONLY}{}ip link set lan0 up\n{san}", rails_script(machine, layout)?)
        }
        MachineKind::Array => format!("{FORWARDS_ONLY}ip link set lo up\n{}", san_script(machine)?),
        MachineKind::Server { .. } => format!("{CARDS_OF_ONE_NETWORK}{}", rails_script(machine, layout)?),
    };
    machine.namespace.script(&script).with_context(|| format!("could not configure {}", machine.name)).map(drop)
}

fn lan_host_script() -> String {
    format!(
        "ip link set lo up\n\
         echo 0 > /proc/sys/net/ipv6/conf/lan0/accept_dad\n\
         ip addr add {LAN_HOST}/24 dev lan0\n\
         ip addr add {LAN_HOST_V6}/64 dev lan0\n\
         ip link set lan0 up\n"
    )
}

fn rails_script(machine: &Machine, layout: &Layout) -> Result<String> {
    let mut script = "ip link set lo up\n".to_owned();
    for rail in Rail::ALL {
        let device = Segment::Rail(rail).device();
        let address = layout.rail_address(machine.kind, rail).context("this machine is on no rail")?;
        let (no_ipv6, network) = if address.is_ipv4() { (1, "24") } else { (0, "64 nodad") };
        writeln!(script, "echo {no_ipv6} > /proc/sys/net/ipv6/conf/{device}/disable_ipv6")?;
        writeln!(script, "ip addr add {address}/{network} dev {device}")?;
        writeln!(script, "ip link set {device} up")?;
    }
    Ok(script)
}

fn san_script(machine: &Machine) -> Result<String> {
    let address = machine.kind.san_address().context("this machine is not on the SAN")?;
    Ok(format!("ip addr add {address}/24 dev san0\nip link set san0 up\n"))
}

fn start_services(lab: &Lab) -> Result<Vec<super::Process>> {
    let iperf_port = IPERF_PORT.to_string();
    let echo = format!("0.0.0.0:{ECHO_PORT}");
    let dnsmasq = dhcp::server_arguments(&lab.run_dir);
    let dnsmasq: Vec<&str> = dnsmasq.iter().map(String::as_str).collect();
    Ok(vec![
        lab.spawn(LAN_HOST_NAME, "dnsmasq", Path::new("dnsmasq"), &dnsmasq)?,
        lab.spawn(LAN_HOST_NAME, "iperf3", Path::new("iperf3"), &["--server", "--port", &iperf_port])?,
        lab.spawn(LAN_HOST_NAME, "responder", lab.programs.lab(), &["responder", "--listen", &echo])?,
    ])
}
