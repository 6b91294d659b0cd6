//! `make bench-failover`: the longest gap that a 1 ms prober sees when the machine that carries its traffic loses its power:
//! a home director of ours (leader or follower, as it comes) beside the master of a keepalived pair.

use anyhow::{Context, Result};

use super::Sides;
use super::table::{median, ratio, table};
use crate::baseline::keepalived::{Interval, Pair};
use crate::lab::scenario::Scenario;
use crate::lab::{Lab, Layout};
use crate::measure::clock::{self, milliseconds};

/// Power cuts of each kind. keepalived's default takes seconds each time, and hardly varies.
const CUTS: usize = 20;
const CUTS_AT_DEFAULT: usize = 5;
/// A longer gap, in ms, is no ordinary one: the logs are kept for whoever wants to know why.
const OUTLIER: f64 = 1_000.0;

pub fn run(sides: Sides) -> Result<()> {
    println!("The longest gap that a 1 ms prober sees after a power cut");
    let others = |interval, cuts| if sides.others { keepalived(interval, cuts) } else { Ok(Vec::new()) };
    let smallest = others(Interval::Smallest, CUTS)?;
    let default = others(Interval::Default, CUTS_AT_DEFAULT)?;
    let twinrail = if sides.twinrail { twinrail()? } else { Vec::new() };
    let own = median(twinrail.iter().copied());
    let mut out = table(&["", "power cuts", "median ms", "longest ms", "twinrail's median / this"]);
    for (name, gaps) in
        [("twinrail", &twinrail), ("keepalived, smallest interval", &smallest), ("keepalived, default", &default)]
    {
        let middle = median(gaps.iter().copied());
        let longest = gaps.iter().copied().fold(0.0, f64::max);
        let share = if gaps.is_empty() { "-".to_owned() } else { ratio(own, middle) };
        out.add_row([name.to_owned(), gaps.len().to_string(), format!("{middle:.0}"), format!("{longest:.0}"), share]);
    }
    println!("{out}");
    Ok(())
}

fn keepalived(interval: Interval, cuts: usize) -> Result<Vec<f64>> {
    Lab::with(Layout::default(), |lab| {
        let mut pair = Pair::start(lab, interval)?;
        (0..cuts).map(|_| Ok(milliseconds(pair.kill_master()?))).collect()
    })
}

/// Cuts the power of the first vNIC's home, again and again; the director comes back each time before the next cut.
fn twinrail() -> Result<Vec<f64>> {
    Scenario::watched(Layout::default(), &["s1"])?
        .check(|scenario| (1..=CUTS).map(|number| cut(scenario, number)).collect())
}

fn cut(scenario: &mut Scenario, number: usize) -> Result<f64> {
    let homes = scenario.homes()?;
    let home = homes.first().context("nothing is watched")?.clone();
    let leader = scenario.cli()?.leader()?;
    let at = clock::now();
    let windows = scenario.lose_director(&home)?;
    scenario.return_director(&home)?;
    let gaps = windows.iter().zip(&homes).filter(|(_, it)| **it == home).map(|(window, _)| window.longest_gap);
    let gap = milliseconds(gaps.max().unwrap_or(0));
    if gap > OUTLIER {
        println!("  cut {number}: {gap:.0} ms; {home} was lost at {at} ns, {leader} led; the logs stay");
        scenario.lab.keep_logs();
    }
    Ok(gap)
}
