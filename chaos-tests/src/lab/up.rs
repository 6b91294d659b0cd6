//! `lab up`: a lab for people, until Ctrl-C.

use anyhow::Result;
use clap::Args;

use super::{Lab, Layout};

#[derive(Debug, Args)]
pub struct UpOptions {
    /// Start twinrail on every director and server; without it, only namespaces, cables and the LAN host's services.
    #[arg(long)]
    cluster: bool,
    /// The rails' MTU.
    #[arg(long, default_value_t = super::layout::LARGEST_RAIL_MTU)]
    rail_mtu: u32,
}

pub fn run(options: &UpOptions) -> Result<()> {
    let mut lab = Lab::build(Layout { rail_mtu: options.rail_mtu, ..Layout::default() })?;
    if options.cluster {
        lab.start_all()?;
    }
    lab.stay();
    println!("lab {} is up; logs and configuration: {}", lab.id(), lab.run_dir().display());
    for (name, _) in lab.layout.machines() {
        println!("  {name:<10} ip netns exec {} bash", lab.namespace(&name)?.name());
    }
    println!("Ctrl-C removes it");
    wait_for_signal()
}

/// The signal handler removes the labs and ends the process.
pub fn wait_for_signal() -> ! {
    loop {
        std::thread::park();
    }
}
