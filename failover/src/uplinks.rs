//! Which of a director's ports on LANs can be relied upon. What is bad counts at once; what is good again counts only when it
//! has lasted, so that a port that comes and goes does not make adapters hop.
//!
//! ```text
//!              seen bad                       seen up                UP_AFTER later
//!   Up ────────────────────▶ Down, NoCarrier, ───────▶ Settling ─────────────────────▶ Up
//!    ▲ first seen up          Missing         ◀───────     │
//!                                              seen bad ◀──┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use twinrail_proto::domain::{Name, UplinkState};

use crate::Moment;

/// A port that was bad counts as up when it has been up for so long. Longer than a switch takes to negotiate a link or to
/// let a port forward (rapid spanning tree: below a second on an edge port), and than the bounces of a bad plug.
pub const UP_AFTER: Duration = Duration::from_secs(3);

/// A director's port on a LAN, as it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Port<'a> {
    pub director: &'a Name,
    pub lan: &'a Name,
    /// Whether its director may carry anything now.
    pub fit: bool,
    pub state: UplinkState,
}

/// The ports (director, LAN) that adapters are not given to: those that do not work, and those that settle, unless no fit
/// director has one that is relied upon. A port that only just came back is better than none.
pub fn avoided<'a>(ports: &[Port<'a>]) -> BTreeSet<(&'a Name, &'a Name)> {
    let reliable = |it: &&Port<'a>| it.fit && it.state == UplinkState::Up;
    let served: BTreeSet<&Name> = ports.iter().filter(reliable).map(|it| it.lan).collect();
    let is_avoided = |it: &&Port<'a>| match it.state {
        UplinkState::Up => false,
        UplinkState::Settling => served.contains(it.lan),
        UplinkState::NoCarrier | UplinkState::Down | UplinkState::Missing => true,
    };
    ports.iter().filter(is_avoided).map(|it| (it.director, it.lan)).collect()
}

#[derive(Debug, Default)]
pub struct Uplinks(BTreeMap<Name, Uplink>);

#[derive(Clone, Copy, Debug)]
struct Uplink {
    state: UplinkState,
    since: Moment,
}

impl Uplinks {
    /// What the ports are like now, by LAN. Says which are judged otherwise than before. A LAN that is not named has no port
    /// here any more.
    pub fn observe(&mut self, seen: &BTreeMap<Name, UplinkState>, now: Moment) -> Vec<(Name, UplinkState)> {
        self.0.retain(|lan, _| seen.contains_key(lan));
        let mut changed = Vec::new();
        for (lan, &seen) in seen {
            let known = self.0.get(lan).copied();
            let state = judge(known, seen, now);
            if known.is_none_or(|it| it.state != state) {
                self.0.insert(lan.clone(), Uplink { state, since: now });
                changed.push((lan.clone(), state));
            }
        }
        changed
    }
}

fn judge(known: Option<Uplink>, seen: UplinkState, now: Moment) -> UplinkState {
    use UplinkState::{Settling, Up};
    match (known, seen) {
        // The first sight of a port is all that is known of it: a director that starts does not wait.
        (None, seen) => seen,
        (Some(Uplink { state: Up, .. }), Up) => Up,
        (Some(Uplink { state: Settling, since }), Up) if now >= since + UP_AFTER => Up,
        (Some(_), Up) => Settling,
        (Some(_), bad) => bad,
    }
}

#[cfg(test)]
mod tests {
    use UplinkState::{Down, Missing, NoCarrier, Settling, Up};

    use super::*;

    fn lan() -> Name {
        Name::new("prod").unwrap()
    }

    /// What is said when the port looks like this at these times, in ms.
    fn said(seen: &[(u64, UplinkState)]) -> Vec<(u64, UplinkState)> {
        let mut uplinks = Uplinks::default();
        let look = |&(at, state): &(u64, UplinkState)| {
            let changed = uplinks.observe(&BTreeMap::from([(lan(), state)]), Moment::from_millis(at));
            changed.into_iter().map(move |(_, state)| (at, state)).collect::<Vec<_>>()
        };
        seen.iter().flat_map(look).collect()
    }

    #[test]
    fn the_first_sight_counts_and_what_is_bad_counts_at_once() {
        assert_eq!(
            said(&[(0, Up), (1, Up), (2, NoCarrier), (3, Down), (4, Missing)]),
            [(0, Up), (2, NoCarrier), (3, Down), (4, Missing)]
        );
        assert_eq!(said(&[(0, Missing)]), [(0, Missing)]);
    }

    #[test]
    fn good_counts_when_it_has_lasted() {
        let seen = [(0, Up), (10, Down), (20, Up), (3019, Up), (3020, Up), (9000, Up)];
        assert_eq!(said(&seen), [(0, Up), (10, Down), (20, Settling), (3020, Up)]);
    }

    #[test]
    fn one_that_comes_and_goes_is_never_relied_upon() {
        let flaps: Vec<_> = (1..40).map(|it| (it * 1000, if it % 2 == 0 { Up } else { NoCarrier })).collect();
        assert!(said(&flaps).iter().all(|(_, state)| *state != Up));
    }

    #[test]
    fn a_lan_without_a_port_is_forgotten() {
        let mut uplinks = Uplinks::default();
        let down = BTreeMap::from([(lan(), Down)]);
        let up = BTreeMap::from([(lan(), Up)]);
        uplinks.observe(&down, Moment::from_millis(0));
        assert_eq!(uplinks.observe(&BTreeMap::new(), Moment::from_millis(1)), []);
        assert_eq!(uplinks.observe(&up, Moment::from_millis(2)), [(lan(), Up)]);
    }

    #[test]
    fn a_port_that_settles_is_better_than_none() {
        let [d1, d2, d3, lan, other] = ["d1", "d2", "d3", "prod", "test"].map(|it| Name::new(it).unwrap());
        let port = |director, lan, fit, state| Port { director, lan, fit, state };
        let settling = port(&d3, &lan, true, Settling);
        let of_d3 = |others: &[Port]| avoided(&[&[settling], others].concat()).contains(&(&d3, &lan));
        assert!(of_d3(&[port(&d1, &lan, true, Up)]), "d1's is relied upon");
        assert!(!of_d3(&[port(&d1, &lan, false, Up)]), "d1 is drained or lost");
        assert!(!of_d3(&[port(&d1, &other, true, Up)]), "d1's is on another LAN");
        assert!(!of_d3(&[port(&d1, &lan, true, Settling)]), "d1's is no better");
        assert!(!of_d3(&[]));
        for bad in [NoCarrier, Down, Missing] {
            assert_eq!(avoided(&[settling, port(&d2, &lan, true, bad)]), BTreeSet::from([(&d2, &lan)]), "{bad}");
        }
    }
}
