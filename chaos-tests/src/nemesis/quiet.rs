//! After a fault: everything must serve again within a bound, and then there is a quiet time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::evidence::DeviceSeen;
use super::stage::Stage;
use super::world::World;
use crate::lab::storage::VHBA;
use crate::lab::{Namespace, interrupt, shell};
use crate::measure::clock::{self, Nanos};

/// From the end of the healing on. Fences wait for a slow array, and a director that was away for long catches up.
pub const SERVES_WITHIN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);

/// What became of the wait.
pub enum Service {
    /// From then on.
    Again(Nanos),
    /// Not within the bound: this is missing.
    Missing(String),
    Interrupted,
}

/// Waits until everything serves again, in ways that a client sees.
pub fn serves_again(stage: &mut Stage, healed: Nanos) -> Result<Service> {
    let end = Instant::now() + SERVES_WITHIN;
    let progress = stage.blocks.progress()?;
    loop {
        let missing = match missing(stage, healed, progress) {
            Ok(None) => return Ok(Service::Again(clock::now())),
            Ok(Some(missing)) => missing,
            Err(error) => format!("{error:#}"),
        };
        if interrupt::was_told() {
            return Ok(Service::Interrupted);
        }
        if Instant::now() >= end {
            return Ok(Service::Missing(missing));
        }
        std::thread::sleep(LOOK);
    }
}

/// What does not serve yet.
fn missing(stage: &mut Stage, healed: Nanos, progress: u64) -> Result<Option<String>> {
    let cli = stage.world.cli()?;
    let cluster = cli.cluster()?;
    let names = stage.world.directors();
    if let Some(name) = names.iter().find(|name| !cluster.is_alive(name)) {
        return Ok(Some(format!("{name} does not vote and live")));
    }
    let homeless = cli.vnics()?.into_iter().find(|it| !cluster.is_alive(it.home()));
    if let Some(vnic) = homeless {
        return Ok(Some(format!("{} has the home '{}', which does not live", vnic.name, vnic.home())));
    }
    if !cli.vhba(VHBA)?.is_admitted() {
        return Ok(Some(format!("{VHBA} is not admitted at the array")));
    }
    let silent = stage.api.silent_since(healed);
    if !silent.is_empty() {
        return Ok(Some(format!("no change was acknowledged through {}", silent.join(", "))));
    }
    if stage.blocks.progress()? == progress {
        return Ok(Some("the disk does not answer".to_owned()));
    }
    for watched in &mut stage.watched {
        if watched.answered().is_none_or(|at| at < healed) {
            return Ok(Some(format!("{} does not answer", watched.card.short_name())));
        }
    }
    Ok(None)
}

/// The network devices of all servers that Twinrail may have made, with their MACs.
pub fn devices(world: &World) -> Result<Vec<DeviceSeen>> {
    let mut all = Vec::new();
    for server in &world.lab.layout.servers {
        all.extend(devices_of(server, world.lab.namespace(server)?)?);
    }
    Ok(all)
}

fn devices_of(server: &str, namespace: &Namespace) -> Result<Vec<DeviceSeen>> {
    let text =
        shell::run(&mut namespace.command("ip".as_ref(), &["-json", "-details", "link", "show", "type", "tun"]))?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let links: serde_json::Value =
        serde_json::from_str(&text).context("`ip -json` printed something else than JSON")?;
    let Some(links) = links.as_array() else { bail!("`ip -json` printed no list: {links}") };
    let word = |link: &serde_json::Value, field: &str| link[field].as_str().unwrap_or_default().to_owned();
    let device =
        |link| DeviceSeen { server: server.to_owned(), device: word(link, "ifname"), mac: word(link, "address") };
    Ok(links.iter().filter(|it| it["ifname"].is_string()).map(device).collect())
}
