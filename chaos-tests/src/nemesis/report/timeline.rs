//! The run from left to right, strip by strip: faults above, below them who led, who was the home of each adapter, and in red when
//! clients got no answer. Pure.

use super::lanes::{Lane, Stretch, lanes};
use super::svg::{GAP, NOBODY, colour, line, picture, rect, text};
use crate::measure::clock::{Nanos, SECOND};
use crate::nemesis::evidence::{Evidence, Round};

const WIDTH: f64 = 1_240.0;
const LEFT: f64 = 110.0;
const RIGHT: f64 = 10.0;
const LANE: f64 = 24.0;
/// The part of a lane that is coloured, and below it the part for gaps.
const OWNER: f64 = 11.0;
const GAPS: f64 = 7.0;
/// Above the lanes: labels of faults in two rows, and their bars.
const LABEL: f64 = 13.0;
const LABEL_ROWS: usize = 3;
const BAR: f64 = 12.0;
/// Letters of the labels are about so wide.
const LETTER: f64 = 5.9;
/// A gap is seen, however short it is.
const NARROWEST: f64 = 1.5;
/// A strip is so long, or longer where there would be too many.
const STRIP: Nanos = 60 * SECOND;
const MOST_STRIPS: Nanos = 40;

/// All strips.
pub fn timeline(seen: &Evidence) -> String {
    let lanes = lanes(seen);
    let total = seen.to.saturating_sub(seen.from).max(SECOND);
    let strip = STRIP.max(total.div_ceil(MOST_STRIPS)).min(total);
    let starts = (0..total.div_ceil(strip)).map(|it| seen.from + it * strip);
    starts.map(|from| Strip { seen, lanes: &lanes, from, to: from + strip }.draw()).collect()
}

struct Strip<'a> {
    seen: &'a Evidence,
    lanes: &'a [Lane],
    from: Nanos,
    to: Nanos,
}

impl Strip<'_> {
    fn draw(&self) -> String {
        let top = LABEL * LABEL_ROWS as f64 + BAR + 6.0;
        let height = top + LANE * self.lanes.len() as f64 + 18.0;
        let mut content = self.seconds(top, height);
        content += &self.faults(top - BAR - 3.0);
        for (number, lane) in self.lanes.iter().enumerate() {
            content += &self.lane(lane, top + LANE * number as f64);
        }
        let label = format!("from {:.0} s to {:.0} s", self.seen.seconds(self.from), self.seen.seconds(self.to));
        picture(WIDTH, height, &label, &content)
    }

    fn x(&self, at: Nanos) -> f64 {
        let share = at.clamp(self.from, self.to).saturating_sub(self.from) as f64 / (self.to - self.from) as f64;
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn shows(&self, from: Nanos, to: Nanos) -> bool {
        from < self.to && to > self.from
    }

    fn seconds(&self, top: f64, height: f64) -> String {
        let length = self.to - self.from;
        let step = [1, 2, 5, 10, 20, 60, 120, 300, 600].into_iter().map(|it| it * SECOND);
        let step = step.into_iter().find(|it| length / it <= 15).unwrap_or(3_600 * SECOND);
        let first = (self.from - self.seen.from).div_ceil(step);
        let marks = (first..).map(|it| self.seen.from + it * step).take_while(|it| *it <= self.to);
        marks
            .map(|at| {
                let label = format!("{:.0} s", self.seen.seconds(at));
                line(self.x(at), top, self.x(at), height - 14.0, "grid")
                    + &text(self.x(at), height - 3.0, "middle", "small", &label)
            })
            .collect()
    }

    fn faults(&self, y: f64) -> String {
        let mut drawn = text(LEFT - 8.0, y + BAR - 2.0, "end", "lane", "fault");
        // Each label goes into the first row where there is room for it.
        let mut ends = [0.0; LABEL_ROWS];
        for round in self.seen.rounds.iter().filter(|it| self.shows(it.from, it.to())) {
            let (x, healed) = (self.x(round.from), self.x(round.healed));
            drawn += &rect(x, y, (healed - x).max(NARROWEST), BAR, "#555555", &title(round, self.seen));
            drawn += &rect(
                healed,
                y,
                (self.x(round.to()) - healed).max(0.0),
                BAR,
                "#bbbbbb",
                "healed, and not yet all there",
            );
            if round.from < self.from {
                continue;
            }
            let label = format!("{} {}", round.number, round.step.fault.name());
            let row = ends.iter().position(|end| *end <= x).unwrap_or(LABEL_ROWS - 1);
            ends[row] = x + LETTER * label.len() as f64 + 6.0;
            let label_y = y - 4.0 - LABEL * row as f64;
            drawn += &line(x, label_y - 8.0, x, y, "pin");
            drawn += &text(x + 3.0, label_y, "start", "small", &label);
        }
        drawn
    }

    fn lane(&self, lane: &Lane, y: f64) -> String {
        let mut drawn = text(LEFT - 8.0, y + OWNER - 1.0, "end", "lane", &lane.name);
        if !lane.owners.is_empty() {
            drawn +=
                &rect(self.x(self.from), y, self.x(self.seen.to) - self.x(self.from), OWNER, NOBODY, "nobody knows");
        }
        for owner in lane.owners.iter().filter(|it| self.shows(it.from, it.to) && it.from < self.seen.to) {
            let (x, to) = (self.x(owner.from), self.x(owner.to.min(self.seen.to)));
            let name = if owner.what.is_empty() { "nobody" } else { &owner.what };
            drawn += &rect(x, y, to - x, OWNER, colour(&self.seen.directors, &owner.what), name);
            if to - x > 40.0 {
                drawn += &text(x + 4.0, y + OWNER - 2.0, "start", "owner", name);
            }
        }
        let gaps = lane.gaps.iter().filter(|it| self.shows(it.from, it.to));
        let gap_y = if lane.owners.is_empty() { y + 2.0 } else { y + OWNER + 1.0 };
        drawn + &gaps.map(|it| self.gap(it, gap_y)).collect::<String>()
    }

    fn gap(&self, gap: &Stretch, y: f64) -> String {
        let (x, to) = (self.x(gap.from), self.x(gap.to));
        rect(x, y, (to - x).max(NARROWEST), GAPS, GAP, &gap.what)
    }
}

fn title(round: &Round, seen: &Evidence) -> String {
    let (name, whom) = (round.step.fault.name(), &round.struck.whom);
    let (from, lasted) = (seen.seconds(round.from), (round.healed - round.from) / 1_000_000);
    format!("{}: {name} ({whom}) at {from:.1} s for {lasted} ms", round.number)
}
