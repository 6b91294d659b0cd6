//! What a lab needs of the machine, checked before anything is made: everything that is missing is named at once.

use std::path::Path;

use anyhow::{Result, bail};

/// Programs, with the Debian package that has each (the list that `make deps` installs is `debian-packages.txt`).
const PROGRAMS: [(&str, &str); 6] = [
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("dnsmasq", "dnsmasq-base"),
    ("iperf3", "iperf3"),
    ("udhcpc", "udhcpc"),
    ("nft", "nftables"),
];

/// Kernel features by the file that shows them.
const KERNEL: [(&str, &str); 3] = [
    ("/proc/self/ns/net", "network namespaces (CONFIG_NET_NS)"),
    ("/dev/net/tun", "TAP devices (CONFIG_TUN; in a container, pass /dev/net/tun in)"),
    ("/proc/net/packet", "packet sockets (CONFIG_PACKET)"),
];

/// Fails with everything that is missing.
pub fn check() -> Result<()> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push("root rights (network namespaces are made): run it with sudo".to_owned());
    }
    missing.extend(
        PROGRAMS
            .iter()
            .filter(|(program, _)| !on_path(program))
            .map(|(program, package)| format!("the program '{program}' (Debian package {package}): run `make deps`")),
    );
    missing
        .extend(KERNEL.iter().filter(|(file, _)| !Path::new(file).exists()).map(|(_, what)| format!("kernel: {what}")));
    if missing.is_empty() {
        return Ok(());
    }
    bail!("the lab cannot run here; missing:\n  {}", missing.join("\n  "))
}

/// Whether a program is installed; root's PATH may lack the sbin folders.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(more).any(|folder| folder.join(program).is_file())
}
