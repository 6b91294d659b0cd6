//! The demo: the whole story, on one machine, with real programs. Every step says what it means; every promise is checked;
//! it ends with a table, and with status 0 only if all promises held.
//!
//! ```text
//!   story     what happens, step by step          narrator   how it is told
//!   disk      its part about a disk
//!   table     the end                             stay       the lab left up, and what to type
//! ```

mod disk;
mod narrator;
mod stay;
mod story;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result};

use self::narrator::Narrator;
use self::story::Story;
use crate::lab::{Lab, Layout, up};

/// Tells the story; `stay` leaves the lab up at its end until Ctrl-C.
pub fn run(stay: bool) -> ExitCode {
    let mut narrator = Narrator::start();
    let outcome = tell(&mut narrator, stay);
    match outcome {
        Ok(()) if narrator.all_held() => {
            println!("\nEvery promise held. {:.0} s in all.", narrator.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Ok(()) => {
            narrator.print_broken();
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("\nThe demo could not go on: {error:#}");
            narrator.print_broken();
            ExitCode::FAILURE
        }
    }
}

fn layout() -> Result<Layout> {
    let nodes = format!("[vhba]\ndevice_nodes = {}", disk::has_device_nodes());
    let server_extra = nodes.parse().context("what the demo adds to servers is no TOML")?;
    Ok(Layout { san: true, server_extra, ..Layout::default() })
}

fn tell(narrator: &mut Narrator, stay: bool) -> Result<()> {
    let lab = narrator.step(
        "A data centre of network namespaces",
        "A LAN, a SAN, two rails, three directors, three servers and a spare, and on the LAN a host with DHCP, iperf3, an echo.",
        |_| Lab::build(layout()?),
    )?;
    let mut story = Story::new(lab);
    let told = story.tell(narrator);
    if told.is_err() || !narrator.all_held() {
        story.scenario.lab.keep_logs();
    }
    told?;
    if stay {
        story.scenario.lab.stay();
        stay::print(&story.scenario.lab)?;
        up::wait_for_signal();
    }
    Ok(())
}
