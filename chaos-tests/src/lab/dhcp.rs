//! DHCP in the lab: dnsmasq on the LAN host, udhcpc on servers. Neither touches the host: dnsmasq serves no names, reads
//! no file but its own and listens on the lab's LAN alone; udhcpc runs our script, which sets the address and nothing else.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::layout::LAN_HOST;
use super::{Lab, Namespace, shell};

/// Addresses for 150 vNICs: more than any test deploys.
const RANGE: &str = "10.70.0.50,10.70.0.199,255.255.255.0,1h";
const SCRIPT: &str = "udhcpc.script";
/// One try a second; a vNIC that is up gets its address at the first.
const TRIES: &str = "15";

/// Sets the address, and sends what comes from it out by its own card (two cards are in one network).
const SCRIPT_TEXT: &str = r#"#!/bin/sh
set -eu
case "$1" in bound | renew) ;; *) exit 0 ;; esac
table=$((1000 + $(cat "/sys/class/net/$interface/ifindex")))
ip addr replace "$ip/$mask" dev "$interface"
network=$(ip -4 route show dev "$interface" proto kernel scope link | cut -d ' ' -f 1)
ip route replace "$network" dev "$interface" src "$ip" table "$table"
while ip rule del from "$ip" 2>/dev/null; do :; done
ip rule add from "$ip" lookup "$table"
"#;

pub fn write_script(run_dir: &Path) -> Result<()> {
    let path = script(run_dir);
    std::fs::write(&path, SCRIPT_TEXT).with_context(|| format!("could not write {}", path.display()))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).with_context(|| format!("could not make {} executable", path.display()))
}

/// No DNS (port 0), no ping before an offer (it takes seconds), leases in the run folder; IPv6 by router advertisement.
pub fn server_arguments(run_dir: &Path) -> Vec<String> {
    let run_dir = run_dir.display();
    [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--port=0",
        "--user=root",
        "--interface=lan0",
        "--except-interface=lo",
        "--bind-interfaces",
        "--dhcp-authoritative",
        "--no-ping",
        "--enable-ra",
        "--dhcp-range=fd70::,ra-only,1h",
        "--log-facility=-",
        "--log-dhcp",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        format!("--dhcp-range={RANGE}"),
        format!("--dhcp-leasefile={run_dir}/dnsmasq.leases"),
        format!("--pid-file={run_dir}/dnsmasq.pid"),
        format!("--dhcp-option=option:router,{LAN_HOST}"),
    ])
    .collect()
}

impl Lab {
    /// Gets an address for a vNIC on a server from the LAN host's DHCP server, as an operating system would.
    pub fn dhcp(&self, server: &str, device: &str) -> Result<Ipv4Addr> {
        let namespace = self.namespace(server)?;
        let script = script(self.run_dir());
        let script = script.to_str().context("the run folder's path is not UTF-8")?;
        let arguments = ["-i", device, "-f", "-q", "-n", "-t", TRIES, "-T", "1", "-s", script];
        shell::run(&mut namespace.command(Path::new("udhcpc"), &arguments))
            .with_context(|| format!("{device} on {server} got no address by DHCP"))?;
        address_of(namespace, device)?.with_context(|| format!("{device} on {server} has no address after DHCP"))
    }

    /// The MAC that the kernel shows for a device.
    pub fn mac_of(&self, server: &str, device: &str) -> Result<String> {
        Ok(link_of(self.namespace(server)?, device)?.address)
    }
}

#[derive(Deserialize)]
struct Link {
    address: String,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    family: String,
    local: String,
}

fn link_of(namespace: &Namespace, device: &str) -> Result<Link> {
    let text = shell::run(&mut namespace.command(Path::new("ip"), &["-json", "address", "show", "dev", device]))?;
    let links: Vec<Link> = serde_json::from_str(&text).context("`ip -json` printed something else than JSON")?;
    links.into_iter().next().with_context(|| format!("there is no device {device} in {}", namespace.name()))
}

fn address_of(namespace: &Namespace, device: &str) -> Result<Option<Ipv4Addr>> {
    let link = link_of(namespace, device)?;
    let first = link.addr_info.iter().find(|address| address.family == "inet");
    first.map(|address| address.local.parse().context("`ip` printed an address that is none")).transpose()
}

fn script(run_dir: &Path) -> PathBuf {
    run_dir.join(SCRIPT)
}
