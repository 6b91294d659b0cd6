//! How long network cards were away, by kind of fault: one row a kind, on a logarithmic scale. Pure.

use super::same_kind;
use super::svg::{GAP, line, picture, rect, text};
use crate::measure::clock::{MILLISECOND, Nanos, nanos};
use crate::nemesis::evidence::Evidence;
use crate::nemesis::faults::{FaultRef, Interruption};
use crate::nemesis::gaps::{self, Gap};
use crate::nemesis::invariants;
use crate::nemesis::schedule::Step;

const WIDTH: f64 = 1_240.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 330.0;
const ROW: f64 = 34.0;
const BARS: f64 = 24.0;
/// The scale: three milliseconds, below which nothing is told, to a minute; so many bars for each factor of ten.
const SHORTEST: f64 = 3.0;
const LONGEST: f64 = 60_000.0;
const PER_DECADE: f64 = 10.0;

/// Everything about one kind of fault.
struct Kind {
    fault: FaultRef,
    interruption: Interruption,
    /// For each fault and card the longest gap, shortest first; 0: none was long enough to be told.
    gaps: Vec<Nanos>,
}

pub fn histograms(seen: &Evidence) -> String {
    let kinds = kinds(seen);
    let height = 24.0 + ROW * kinds.len() as f64;
    let mut content = scale(height);
    for (number, kind) in kinds.iter().enumerate() {
        content += &row(kind, 20.0 + ROW * number as f64);
    }
    picture(WIDTH, height, "longest gaps by kind of fault", &content)
}

fn kinds(seen: &Evidence) -> Vec<Kind> {
    let cards: Vec<Vec<Gap>> = seen.cards.iter().map(|it| gaps::of_prober(&it.events)).collect();
    let mut kinds: Vec<(Step, Kind)> = Vec::new();
    for round in &seen.rounds {
        let longest = cards.iter().map(|it| gaps::longest(it, round.from, round.to()));
        let at = kinds.iter().position(|it| same_kind(&it.0, &round.step)).unwrap_or_else(|| {
            let (fault, interruption) = (round.step.fault, round.struck.interruption);
            kinds.push((round.step, Kind { fault, interruption, gaps: Vec::new() }));
            kinds.len() - 1
        });
        kinds[at].1.gaps.extend(longest);
    }
    let mut kinds: Vec<Kind> = kinds.into_iter().map(|it| it.1).collect();
    kinds.iter_mut().for_each(|it| it.gaps.sort_unstable());
    kinds.sort_by_key(|it| std::cmp::Reverse(it.gaps.last().copied()));
    kinds
}

fn x(ms: f64) -> f64 {
    let share = (ms.clamp(SHORTEST, LONGEST) / SHORTEST).log10() / (LONGEST / SHORTEST).log10();
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn scale(height: f64) -> String {
    let marks = [(10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s"), (10_000.0, "10 s"), (60_000.0, "1 min")];
    let mark = |(ms, label): (f64, &str)| {
        line(x(ms), 16.0, x(ms), height - 4.0, "grid") + &text(x(ms), 11.0, "middle", "small", label)
    };
    marks.into_iter().map(mark).collect()
}

fn row(kind: &Kind, y: f64) -> String {
    let mut drawn = text(LEFT - 10.0, y + BARS - 6.0, "end", "lane", kind.fault.name());
    drawn += &line(LEFT, y + BARS, WIDTH - RIGHT, y + BARS, "axis");
    let bins = bins(&kind.gaps);
    let most = bins.iter().copied().max().unwrap_or(1).max(1);
    for (bin, count) in bins.iter().enumerate().filter(|it| *it.1 > 0) {
        let (from, to) = (edge(bin), edge(bin + 1));
        let high = (BARS - 2.0) * *count as f64 / most as f64;
        let title = format!("{count} times {from:.0} to {to:.0} ms");
        drawn += &rect(x(from), y + BARS - high, x(to) - x(from) - 1.0, high, GAP, &title);
    }
    if let Some(bound) = bound(kind.interruption) {
        let at = x((bound / MILLISECOND) as f64);
        drawn += &line(at, y + 2.0, at, y + BARS, "bound");
    }
    drawn + &text(WIDTH - RIGHT + 12.0, y + BARS - 6.0, "start", "small", &summary(kind))
}

fn bins(gaps: &[Nanos]) -> Vec<usize> {
    let mut bins = vec![0; bin_of(LONGEST) + 1];
    for gap in gaps.iter().filter(|it| **it > 0) {
        bins[bin_of((*gap as f64 / MILLISECOND as f64).clamp(SHORTEST, LONGEST))] += 1;
    }
    bins
}

fn bin_of(ms: f64) -> usize {
    ((ms / SHORTEST).log10() * PER_DECADE) as usize
}

fn edge(bin: usize) -> f64 {
    SHORTEST * 10_f64.powf(bin as f64 / PER_DECADE)
}

fn summary(kind: &Kind) -> String {
    let told = kind.gaps.iter().filter(|it| **it > 0).count();
    let at = |share: f64| kind.gaps[((kind.gaps.len() - 1) as f64 * share) as usize] / MILLISECOND;
    match kind.gaps.len() {
        0 => "no card was watched".to_owned(),
        count => format!("{told} of {count} saw one; median {} ms, longest {} ms", at(0.5), at(1.0)),
    }
}

/// What may be seen; an outage lasts as long as its fault does.
fn bound(interruption: Interruption) -> Option<Nanos> {
    match interruption {
        Interruption::Planned => Some(nanos(invariants::PLANNED_WITHIN)),
        Interruption::Failover => Some(nanos(invariants::FAILOVER_WITHIN)),
        Interruption::Outage => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_falls_into_the_bar_that_is_drawn_around_it() {
        for ms in [3.0, 4.0, 49.0, 50.0, 999.0, 12_345.0, 60_000.0] {
            let bin = bin_of(ms);
            assert!(edge(bin) <= ms + 1e-6 && ms < edge(bin + 1), "{ms}: {bin}");
        }
        assert_eq!(bins(&[0, 5 * MILLISECOND, 600_000 * MILLISECOND]).iter().sum::<usize>(), 2);
    }
}
