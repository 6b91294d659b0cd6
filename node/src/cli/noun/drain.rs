//! `director drain`: the API answers when the wish is recorded, people want to know when the director is empty.
//!
//! ```text
//!   what it carries ──▶ drain ──▶ look until it carries nothing and does not lead ──▶ what went where
//!                                     │ the time is over
//!                                     └──▶ what is still there, and whether somebody could take it
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use twinrail_proto::grpc::v1;

use crate::cli::failure::Failure;
use crate::cli::session::{PAGE_SIZE, Session, list_all};
use crate::cli::text::short;

/// Between two looks: a drain takes some tens of milliseconds, and who looks often slows it down.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const ALL_PROFILES: &str = "profiles/-";

/// The home of every adapter that has one; both by resource name.
pub type Homes = BTreeMap<String, String>;

/// How it was before the drain.
pub struct Before {
    pub homes: Homes,
    led: bool,
}

pub async fn before(session: &Session, director: &str) -> Result<Before, Failure> {
    let (_, leader) = look(session, director).await?;
    Ok(Before { homes: homes(session).await?, led: leader == director })
}

async fn homes(session: &Session) -> Result<Homes, Failure> {
    let request = v1::ListVnicsRequest { parent: ALL_PROFILES.into(), page_size: PAGE_SIZE, ..Default::default() };
    let vnics = list_all!(session, vnics.list_vnics(request), vnics).into_iter().map(|it| (it.name, it.home));
    let request = v1::ListVhbasRequest { parent: ALL_PROFILES.into(), page_size: PAGE_SIZE, ..Default::default() };
    let vhbas = list_all!(session, vhbas.list_vhbas(request), vhbas).into_iter().map(|it| (it.name, it.home));
    let homes = vnics.chain(vhbas).filter_map(|(name, home)| Some((name, home?.director)));
    Ok(homes.filter(|(_, home)| !home.is_empty()).collect())
}

/// Waits until the drained director is empty, no longer than a call may take, and tells each step as it is seen.
pub async fn until_empty(session: &Session, director: &str, before: Before) -> Result<(), Failure> {
    let end = Instant::now() + session.timeout();
    let Before { homes: had, mut led } = before;
    loop {
        let (count, leader) = look(session, director).await?;
        // While nobody leads it may be elected again.
        let leads = leader.is_empty() || leader == director;
        if led && !leads {
            eprintln!("{} leads", short(&leader));
            led = false;
        }
        let over = Instant::now() >= end;
        if over || (count == 0 && !leads) {
            let now = homes(session).await?;
            moved(director, &had, &now).iter().for_each(|line| eprintln!("{line}"));
            let left: BTreeSet<String> = now.into_iter().filter(|(_, home)| home == director).map(|it| it.0).collect();
            if left.is_empty() && !leads {
                return Ok(());
            }
            let could_go = could_go(session, director, &left).await?;
            return Err(Failure::NotInForce(not_empty(session.timeout(), director, &left, &could_go, leads)));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// How many adapters it has, and who leads.
async fn look(session: &Session, director: &str) -> Result<(u32, String), Failure> {
    let request = session.ask(v1::GetClusterRequest { with_state_hash: false });
    let cluster = session.cluster().get_cluster(request).await?.into_inner();
    let count = cluster.directors.iter().find(|it| it.director == director).map_or(0, |it| it.adapters);
    Ok((count, cluster.leader))
}

/// `web-1/eth0: d1 > d3`
fn moved(director: &str, before: &Homes, now: &Homes) -> Vec<String> {
    let had = before.iter().filter(|(_, home)| *home == director);
    let gone = had.filter_map(|(name, _)| Some((name, now.get(name).filter(|home| *home != director)?)));
    gone.map(|(name, home)| format!("{}: {} > {}", short(name), short(director), short(home))).collect()
}

/// Which of these another director could take now, by the leader's own plan.
async fn could_go(session: &Session, director: &str, left: &BTreeSet<String>) -> Result<BTreeSet<String>, Failure> {
    if left.is_empty() {
        return Ok(BTreeSet::new());
    }
    let request = v1::DrainDirectorRequest { name: director.to_owned(), validate_only: true, ..Default::default() };
    let response = session.directors().drain_director(session.ask(request)).await?.into_inner();
    let effects = response.outcome.unwrap_or_default().effects;
    Ok(would_move(&effects).filter(|name| left.contains(*name)).map(ToOwned::to_owned).collect())
}

fn would_move(effects: &[v1::Effect]) -> impl Iterator<Item = &str> {
    effects.iter().filter(|it| it.field == "home").map(|it| it.resource.as_str())
}

/// What a dry run does not tell by its effects: what would stay.
pub fn would_stay(director: &str, homes: &Homes, effects: &[v1::Effect]) -> Option<String> {
    let moves: BTreeSet<&str> = would_move(effects).collect();
    let stays = homes.iter().filter(|(name, home)| *home == director && !moves.contains(name.as_str()));
    let stays: Vec<String> = stays.map(|(name, _)| short(name)).collect();
    (!stays.is_empty())
        .then(|| format!("would stay on {}: {}: no other director can carry it now", short(director), stays.join(", ")))
}

fn not_empty(
    time: Duration,
    director: &str,
    left: &BTreeSet<String>,
    could_go: &BTreeSet<String>,
    leads: bool,
) -> String {
    let names = |of: &mut dyn Iterator<Item = &String>| of.map(|it| short(it)).collect::<Vec<_>>().join(", ");
    let stuck = names(&mut left.difference(could_go));
    let late = names(&mut left.intersection(could_go));
    let mut lines = vec![format!(
        "the change is committed, but after {} {} is not empty",
        humantime::format_duration(time),
        short(director)
    )];
    if !stuck.is_empty() {
        lines.push(format!("  no other director can carry {stuck}"));
    }
    if !late.is_empty() {
        lines.push(format!("  not moved yet: {late}"));
    }
    if leads {
        lines.push("  it still leads: no other director has taken the leadership".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const D1: &str = "directors/d1";

    fn vnic(name: &str) -> String {
        format!("profiles/web-1/vnics/{name}")
    }

    fn homes(of: &[(&str, &str)]) -> Homes {
        of.iter().map(|(name, home)| (vnic(name), format!("directors/{home}"))).collect()
    }

    #[test]
    fn a_drain_tells_what_went_where() {
        let before = homes(&[("eth0", "d1"), ("eth1", "d2"), ("eth2", "d1"), ("eth3", "d1")]);
        let now = homes(&[("eth0", "d3"), ("eth1", "d3"), ("eth2", "d1")]);
        assert_eq!(
            moved(D1, &before, &now),
            ["web-1/eth0: d1 > d3"],
            "eth1 was elsewhere, eth2 stays, eth3 was deleted"
        );
    }

    #[test]
    fn a_dry_run_tells_what_would_stay() {
        let homes = homes(&[("eth0", "d1"), ("eth1", "d1"), ("eth2", "d2")]);
        let effect =
            |name: &str, field: &str| v1::Effect { resource: vnic(name), field: field.into(), ..Default::default() };
        let effects = [effect("eth0", "home"), effect("eth1", "successors")];
        let said = would_stay(D1, &homes, &effects).unwrap();
        assert_eq!(said, "would stay on d1: web-1/eth1: no other director can carry it now");
        assert_eq!(would_stay(D1, &homes, &[effect("eth0", "home"), effect("eth1", "home")]), None);
    }

    #[test]
    fn what_is_left_is_named_with_why() {
        let set = |names: &[&str]| names.iter().map(|name| vnic(name)).collect::<BTreeSet<String>>();
        let said = not_empty(Duration::from_secs(10), D1, &set(&["eth0", "eth1"]), &set(&["eth1"]), true);
        insta::assert_snapshot!(said);
    }
}
