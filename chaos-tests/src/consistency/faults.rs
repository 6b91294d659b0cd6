//! What is done to the disk's home, drawn from a seed: each kind as often as the others, in a random order.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::lab::scenario::{RETURNS_WITHIN, eventually};
use crate::lab::storage::{VHBA, Vhba};
use crate::lab::{Cli, Lab, Segment};
use crate::measure::clock::{self, Nanos};
use twinrail_proto::domain::Rail;

/// A disk's home is another one, and commands pass, within this: fences wait for a slow array.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);
/// Between two takeovers, in ms.
const REST_MS: std::ops::Range<u64> = 100..400;
/// How long a director hangs or is cut off, in ms: from less than a takeover takes to longer than its lease.
const AWAY_MS: std::ops::Range<u64> = 300..4_000;

/// A director that has woken up is the home still, or another one is, after this.
const AWAKE_FOR: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Links cut, then SIGKILL.
    PowerCut,
    /// All its links are down for a while; it runs.
    CutOff(Duration),
    /// Only its rails are down for a while: it still reaches the array.
    RailsCut(Duration),
    /// SIGSTOP, and SIGCONT after a while: it wakes up with all that it was about to do.
    Zombie(Duration),
    /// An operator drains it.
    Drain,
    /// An operator moves the vHBA to another director.
    Move,
}

/// One takeover to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub rest: Duration,
    pub fault: Fault,
}

/// The series of a seed. It does not end.
pub fn series(seed: u64) -> impl Iterator<Item = Plan> {
    let mut random = SmallRng::seed_from_u64(seed);
    std::iter::repeat_with(move || {
        let mut away = || Duration::from_millis(random.random_range(AWAY_MS));
        let (cut, rails, zombie) = (Fault::CutOff(away()), Fault::RailsCut(away()), Fault::Zombie(away()));
        let mut round = [Fault::PowerCut, cut, rails, zombie, Fault::Drain, Fault::Move];
        round.shuffle(&mut random);
        let rest = |random: &mut SmallRng| Duration::from_millis(random.random_range(REST_MS));
        round.map(|fault| Plan { rest: rest(&mut random), fault })
    })
    .flatten()
}

/// A takeover that was done.
#[derive(Clone, Copy, Debug)]
pub struct Takeover {
    /// Just before the fault, and when the disk had answered again.
    pub from: Nanos,
    pub to: Nanos,
    pub epoch: u64,
}

/// Does what the plan says to the home that the disk has now, waits until another one answers, and heals the cluster. The
/// disk answers when `progress` changes. None: the home woke up before anybody had taken its place, and went on.
pub fn take_over(lab: &mut Lab, plan: Plan, mut progress: impl FnMut() -> Result<u64>) -> Result<Option<Takeover>> {
    std::thread::sleep(plan.rest);
    let before = lab.any_cli()?.vhba(VHBA)?;
    let home = before.home().to_owned();
    ensure!(!home.is_empty(), "{VHBA} has no home");
    let other = lab.layout.director_names().into_iter().find(|it| *it != home).context("one director only")?;
    let cli = lab.cli(&other)?;
    let from = clock::now();
    begin(lab, &cli, &home, &other, plan.fault)?;
    let after = wait_for_another(&cli, &before, plan.fault).with_context(|| format!("after {plan:?} of {home}"))?;
    let then = progress()?;
    eventually(
        TAKEN_OVER_WITHIN,
        "answers from the disk after a takeover",
        || Ok((progress()? != then).then_some(())),
    )?;
    let to = clock::now();
    end(lab, &cli, &home, plan.fault, from)?;
    let names = lab.layout.director_names();
    cli.wait_for_cluster(RETURNS_WITHIN, |cluster| names.iter().all(|name| cluster.is_alive(name)))?;
    Ok(after.map(|epoch| Takeover { from, to, epoch }))
}

fn begin(lab: &mut Lab, cli: &Cli, home: &str, other: &str, fault: Fault) -> Result<()> {
    match fault {
        Fault::PowerCut => lab.power_cut(home).map(drop),
        Fault::CutOff(_) => lab.cut_off(home).map(drop),
        Fault::RailsCut(_) => Rail::ALL.iter().try_for_each(|it| lab.cut_cable(home, Segment::Rail(*it)).map(drop)),
        Fault::Zombie(away) => {
            lab.pause(home)?;
            std::thread::sleep(away);
            lab.resume(home)
        }
        Fault::Drain => cli.run(&format!("director drain {home}")).map(drop),
        // Refused as long as the leader has not heard from that director again, which was lost a moment ago.
        Fault::Move => eventually(RETURNS_WITHIN, "a move to another director", || {
            Ok(cli.run(&format!("vhba move {VHBA} --to {other}")).ok().map(drop))
        }),
    }
}

fn end(lab: &mut Lab, cli: &Cli, home: &str, fault: Fault, from: Nanos) -> Result<()> {
    let rest_of = |away: Duration| away.saturating_sub(Duration::from_nanos(clock::now() - from));
    match fault {
        Fault::PowerCut => lab.power_on(home),
        Fault::CutOff(away) | Fault::RailsCut(away) => {
            std::thread::sleep(rest_of(away));
            lab.reconnect(home)
        }
        Fault::Zombie(_) | Fault::Move => Ok(()),
        Fault::Drain => cli.run(&format!("director resume {home}")).map(drop),
    }
}

/// The epoch of another home. None: one that has woken up is the home still.
fn wait_for_another(cli: &Cli, before: &Vhba, fault: Fault) -> Result<Option<u64>> {
    let old = before.epoch()?;
    let another = |vhba: &Vhba| vhba.epoch().is_ok_and(|it| it > old) && vhba.home() != before.home();
    if !matches!(fault, Fault::Zombie(_)) {
        return cli.wait_for_vhba(VHBA, TAKEN_OVER_WITHIN, another)?.epoch().map(Some);
    }
    // What was decided while it slept is known by now, or soon.
    std::thread::sleep(AWAKE_FOR);
    let now = cli.wait_for_vhba(VHBA, TAKEN_OVER_WITHIN, |vhba| !vhba.home().is_empty())?;
    Ok(Some(now.epoch()?).filter(|_| another(&now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_series_with_every_kind_in_it() {
        let first = |seed, count| series(seed).take(count).collect::<Vec<_>>();
        assert_eq!(first(1, 50), first(1, 50));
        assert_ne!(first(1, 50), first(2, 50));
        let kinds: Vec<_> = first(3, 6).iter().map(|it| std::mem::discriminant(&it.fault)).collect();
        assert!((1..6).all(|at| !kinds[..at].contains(&kinds[at])), "each kind once in six: {kinds:?}");
    }
}
