//! Faults, and the schedule in which they come. One line is one fault; a schedule file holds such lines:
//!
//! ```text
//!   3200 kill d1 for 500             the process of d1 dies and is started again half a second later
//!   4000 cut d1 d2 A for 900         rail A between them, both ways;   cut-one-way: from the first to the second
//!   6000 storm 80 20 60 for 2000     of a thousand datagrams 80 are lost, 20 doubled, and all are up to 60 ms late
//! ```

mod draw;

use std::fmt;
use std::str::FromStr;

use twinrail_proto::domain::Rail;

pub use draw::draw;

use super::network::Node;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at_ms: u64,
    pub for_ms: u64,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The process dies; its machine goes on.
    Kill(Node),
    /// The machine loses its power.
    Power(Node),
    /// All directors do.
    PowerAll,
    /// The process does not run.
    Pause(Node),
    /// One rail between two machines.
    Cut(Node, Node, Rail),
    CutOneWay(Node, Node, Rail),
    /// Both rails to everybody.
    Isolate(Node),
    /// Both rails to all directors, and not to the servers.
    Part(Node),
    /// A director and a server keep each other, and lose all others.
    Split(Node, Node),
    /// A whole rail.
    RailOut(Rail),
    Storm {
        lost: u64,
        doubled: u64,
        delay_ms: u64,
    },
    StallDisk(Node),
    /// The next flush fails: the process stops, and is started again.
    FailFlush(Node),
    /// The wall clock jumps, and jumps back at the end.
    Jump(Node, i64),
    SlowArray(u64),
    NoArray(Node),
}

/// Names of all kinds, as schedules have them.
pub const KINDS: [&str; 16] = [
    "kill",
    "power",
    "power-all",
    "pause",
    "cut",
    "cut-one-way",
    "isolate",
    "part",
    "split",
    "rail-out",
    "storm",
    "stall-disk",
    "fail-flush",
    "jump",
    "slow-array",
    "no-array",
];

impl Kind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Power(_) => "power",
            Self::PowerAll => "power-all",
            Self::Pause(_) => "pause",
            Self::Cut(..) => "cut",
            Self::CutOneWay(..) => "cut-one-way",
            Self::Isolate(_) => "isolate",
            Self::Part(_) => "part",
            Self::Split(..) => "split",
            Self::RailOut(_) => "rail-out",
            Self::Storm { .. } => "storm",
            Self::StallDisk(_) => "stall-disk",
            Self::FailFlush(_) => "fail-flush",
            Self::Jump(..) => "jump",
            Self::SlowArray(_) => "slow-array",
            Self::NoArray(_) => "no-array",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("line {line}: there is no fault '{name}'; there are: {}", KINDS.join(", "))]
    UnknownFault { line: usize, name: String },
    #[error("line {line}: '{text}': {problem}; a line is '<ms> <fault> <what> for <ms>'")]
    Malformed { line: usize, text: String, problem: String },
}

pub fn parse_schedule(text: &str) -> Result<Vec<Fault>, ScheduleError> {
    let lines = text.split(['\n', ';']).map(str::trim).zip(1..);
    let lines = lines.filter(|(text, _)| !text.is_empty() && !text.starts_with('#'));
    lines.map(|(text, line)| parse_line(text, line)).collect()
}

pub fn write_schedule(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    lines.join("; ")
}

/// The name of a kind, if there is such a fault.
pub fn check_kind(name: &str) -> Result<String, String> {
    match KINDS.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(format!("there is no fault '{name}'; there are: {}", KINDS.join(", "))),
    }
}

fn parse_line(text: &str, line: usize) -> Result<Fault, ScheduleError> {
    let malformed = |problem: String| ScheduleError::Malformed { line, text: text.to_owned(), problem };
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let for_ms = match words.iter().position(|it| *it == "for") {
        Some(at) => {
            let tail = words.split_off(at);
            if tail.len() != 2 {
                return Err(malformed("after 'for' there is one number".to_owned()));
            }
            number(tail[1]).map_err(malformed)?
        }
        None => 0,
    };
    let [at, name, rest @ ..] = words.as_slice() else { return Err(malformed("too few words".to_owned())) };
    let at_ms = number(at).map_err(malformed)?;
    if !KINDS.contains(name) {
        return Err(ScheduleError::UnknownFault { line, name: (*name).to_owned() });
    }
    Ok(Fault { at_ms, for_ms, kind: kind(name, rest).map_err(malformed)? })
}

fn kind(name: &str, words: &[&str]) -> Result<Kind, String> {
    Ok(match (name, words) {
        ("kill", [who]) => Kind::Kill(node(who)?),
        ("power", [who]) => Kind::Power(node(who)?),
        ("power-all", []) => Kind::PowerAll,
        ("pause", [who]) => Kind::Pause(director(who)?),
        ("cut", [one, other, on]) => Kind::Cut(node(one)?, node(other)?, rail(on)?),
        ("cut-one-way", [from, to, on]) => Kind::CutOneWay(node(from)?, node(to)?, rail(on)?),
        ("isolate", [who]) => Kind::Isolate(node(who)?),
        ("part", [who]) => Kind::Part(director(who)?),
        ("split", [one, other]) => Kind::Split(director(one)?, server(other)?),
        ("rail-out", [on]) => Kind::RailOut(rail(on)?),
        ("storm", [lost, doubled, delay]) => {
            Kind::Storm { lost: number(lost)?, doubled: number(doubled)?, delay_ms: number(delay)? }
        }
        ("stall-disk", [who]) => Kind::StallDisk(director(who)?),
        ("fail-flush", [who]) => Kind::FailFlush(director(who)?),
        ("jump", [who, by]) => {
            Kind::Jump(director(who)?, by.parse().map_err(|_| format!("'{by}' is no number of ms"))?)
        }
        ("slow-array", [permille]) => Kind::SlowArray(number(permille)?),
        ("no-array", [who]) => Kind::NoArray(director(who)?),
        _ => return Err(format!("{} words after '{name}' are not what it takes", words.len())),
    })
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is no number"))
}

fn node(text: &str) -> Result<Node, String> {
    let wrong = || format!("'{text}' is neither a director (d1 to d5) nor a server (s1 to s5)");
    let (letter, number) = text.split_at_checked(1).ok_or_else(wrong)?;
    let number: u8 = number.parse().ok().filter(|it| (1..=5).contains(it)).ok_or_else(wrong)?;
    match letter {
        "d" => Ok(Node::Director(number - 1)),
        "s" => Ok(Node::Server(number - 1)),
        _ => Err(wrong()),
    }
}

fn director(text: &str) -> Result<Node, String> {
    match node(text)? {
        it @ Node::Director(_) => Ok(it),
        _ => Err(format!("'{text}' is no director")),
    }
}

fn server(text: &str) -> Result<Node, String> {
    match node(text)? {
        it @ Node::Server(_) => Ok(it),
        _ => Err(format!("'{text}' is no server")),
    }
}

fn rail(text: &str) -> Result<Rail, String> {
    match text {
        "A" => Ok(Rail::A),
        "B" => Ok(Rail::B),
        _ => Err(format!("'{text}' is no rail: A or B")),
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Director(it) => write!(f, "d{}", it + 1),
            Self::Server(it) => write!(f, "s{}", it + 1),
            Self::Client(it) => write!(f, "c{}", it + 1),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at_ms, self.kind.name())?;
        let letter = |rail: &Rail| if *rail == Rail::A { "A" } else { "B" };
        match &self.kind {
            Kind::Kill(it)
            | Kind::Power(it)
            | Kind::Pause(it)
            | Kind::Isolate(it)
            | Kind::Part(it)
            | Kind::StallDisk(it)
            | Kind::FailFlush(it)
            | Kind::NoArray(it) => write!(f, " {it}")?,
            Kind::PowerAll => {}
            Kind::Cut(one, other, rail) | Kind::CutOneWay(one, other, rail) => {
                write!(f, " {one} {other} {}", letter(rail))?;
            }
            Kind::Split(one, other) => write!(f, " {one} {other}")?,
            Kind::RailOut(rail) => write!(f, " {}", letter(rail))?,
            Kind::Storm { lost, doubled, delay_ms } => write!(f, " {lost} {doubled} {delay_ms}")?,
            Kind::Jump(it, by) => write!(f, " {it} {by}")?,
            Kind::SlowArray(permille) => write!(f, " {permille}")?,
        }
        write!(f, " for {}", self.for_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::params::Params;
    use crate::sim::rng::{Rng, Stream};

    #[test]
    fn what_is_drawn_is_written_and_read_again() {
        for seed in 0..200 {
            let params = Params::draw(&mut Rng::new(seed, Stream::World), true);
            let faults = draw(&mut Rng::new(seed, Stream::Faults), &params, &[]);
            assert_eq!(parse_schedule(&write_schedule(&faults)), Ok(faults));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |text: &str| parse_schedule(text).unwrap_err().to_string();
        assert!(said("10 kil d1 for 5").starts_with("line 1: there is no fault 'kil'; there are: kill, power"));
        assert!(
            said("# first\n10 kill d1 for 5\nten kill d1 for 5")
                .starts_with("line 3: 'ten kill d1 for 5': 'ten' is no number")
        );
        assert!(said("10 kill x1 for 5").contains("'x1' is neither a director"));
        assert!(said("10 pause s1 for 5").contains("'s1' is no director"));
        assert!(said("10 cut d1 d2 C for 5").contains("'C' is no rail"));
        assert!(said("10 kill d1 for").contains("after 'for' there is one number"));
        assert!(said("10 kill d1 d2 for 9").contains("2 words after 'kill'"));
    }
}
