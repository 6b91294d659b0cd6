//! The ports on LANs: each director watches its own, tells the leader with every renewal of its lease which cannot be relied
//! upon, and hears from it how those of the others are.
//!
//! ```text
//!   kernel ──every LOOK_EVERY──▶ failover::uplinks ──▶ own trouble ──RenewLease──▶ leader ──▶ placement
//!                                                                                    │
//!                        every director, for `cluster show` and as the next leader ◀─┘ answer
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use twinrail_failover::uplinks::Uplinks;
use twinrail_proto::domain::{Name, UnixMillis, UplinkState};
use twinrail_proto::grpc::internal::v1::{DirectorUplinks, UplinkTrouble};

use super::core::{Core, SharedCore, unix_millis};
use crate::clock;

/// How often a director looks at its ports: one system call each. It is the greater part of the gap that a dead port makes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is wrong with a port, and since when by its director's wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub state: UplinkState,
    pub since: UnixMillis,
}

/// The ports without which the director has to do, by LAN. One that is not named works, as far as is known.
pub type Troubles = BTreeMap<Name, Trouble>;

/// What this director knows of everybody's ports: of its own by itself, of the others' what they told the leader.
pub struct UplinkBook {
    troubles: RwLock<BTreeMap<Name, Troubles>>,
    /// Changes with this director's own ports.
    own: watch::Sender<()>,
}

impl Default for UplinkBook {
    fn default() -> Self {
        Self { troubles: RwLock::default(), own: watch::Sender::new(()) }
    }
}

impl UplinkBook {
    pub fn all(&self) -> BTreeMap<Name, Troubles> {
        self.troubles.read().clone()
    }

    /// Changes with this director's own ports.
    pub fn own_changed(&self) -> watch::Receiver<()> {
        self.own.subscribe()
    }

    /// What a director tells the leader of its own ports.
    pub fn report(&self, own: &Name) -> Vec<UplinkTrouble> {
        self.troubles.read().get(own).map(write).unwrap_or_default()
    }

    /// The leader heard this from a director. True: it is news.
    pub fn heard(&self, director: &Name, report: &[UplinkTrouble]) -> bool {
        self.set(director, read(report))
    }

    /// What the leader tells every director.
    pub fn spread(&self) -> Vec<DirectorUplinks> {
        let troubles = self.troubles.read();
        let of =
            |(director, it): (&Name, &Troubles)| DirectorUplinks { director: director.to_string(), uplinks: write(it) };
        troubles.iter().map(of).collect()
    }

    /// The leader's word replaces what was known of the others.
    pub fn adopt(&self, own: &Name, spread: &[DirectorUplinks]) {
        let others = spread.iter().filter_map(|it| Some((Name::new(&it.director).ok()?, read(&it.uplinks))));
        let others: BTreeMap<Name, Troubles> = others.filter(|(director, _)| director != own).collect();
        let mut troubles = self.troubles.write();
        troubles.retain(|director, _| director == own);
        troubles.extend(others);
    }

    fn set(&self, director: &Name, ports: Troubles) -> bool {
        let mut troubles = self.troubles.write();
        let before = match ports.is_empty() {
            true => troubles.remove(director),
            false => troubles.insert(director.clone(), ports.clone()),
        };
        before.unwrap_or_default() != ports
    }
}

fn write(troubles: &Troubles) -> Vec<UplinkTrouble> {
    let trouble = |(lan, it): (&Name, &Trouble)| UplinkTrouble {
        lan: lan.to_string(),
        state: it.state.as_str().to_owned(),
        since: it.since,
    };
    troubles.iter().map(trouble).collect()
}

/// A state that this build has no word for is trouble all the same.
fn read(troubles: &[UplinkTrouble]) -> Troubles {
    let trouble = |it: &UplinkTrouble| {
        let state = UplinkState::parse(&it.state).unwrap_or(UplinkState::Down);
        Some((Name::new(&it.lan).ok()?, Trouble { state, since: it.since }))
    };
    troubles.iter().filter_map(trouble).collect()
}

/// Ports that cannot be relied upon though their directors live: (director, LAN, trouble). One that settles is not told
/// again: whatever it had has gone.
pub fn lost_uplinks(core: &Core) -> Vec<(Name, Name, Trouble)> {
    let all = core.uplinks.all().into_iter();
    all.flat_map(|(director, ports)| ports.into_iter().map(move |(lan, it)| (director.clone(), lan, it))).collect()
}

/// Looks at this director's ports for as long as the task runs.
pub async fn watch_uplinks(core: SharedCore) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut uplinks = Uplinks::default();
    let mut troubles = Troubles::new();
    loop {
        every.tick().await;
        let ports = own_ports(&core);
        let seen = ports.iter().map(|(lan, port)| (lan.clone(), twinrail_datapath::port_state(port))).collect();
        let changed = uplinks.observe(&seen, clock::now());
        let known: BTreeSet<Name> = troubles.keys().cloned().collect();
        troubles.retain(|lan, _| ports.contains_key(lan));
        for (lan, state) in changed {
            tell(&lan, &ports[&lan], state, known.contains(&lan));
            if state != UplinkState::Up || known.contains(&lan) {
                // A device that has come is opened, and nobody is told that one is carried whose device has gone.
                core.carriage.renew();
            }
            match state {
                UplinkState::Up => troubles.remove(&lan),
                state => troubles.insert(lan, Trouble { state, since: unix_millis() }),
            };
        }
        if core.uplinks.set(&core.own, troubles.clone()) {
            core.uplinks.own.send_replace(());
            core.wake_reconciler();
        }
    }
}

fn own_ports(core: &Core) -> BTreeMap<Name, String> {
    let state = core.state.read();
    let lans = state.lans().values();
    lans.filter_map(|it| Some((it.value.name.clone(), it.value.uplinks.get(&core.own)?.clone()))).collect()
}

fn tell(lan: &Name, port: &str, state: UplinkState, troubled: bool) {
    match state {
        UplinkState::Up if troubled => tracing::info!(%lan, port, "the uplink works again, and is relied upon"),
        UplinkState::Up => tracing::debug!(%lan, port, "the uplink works"),
        UplinkState::Settling => tracing::info!(%lan, port, "the uplink is up again: it counts when that has lasted"),
        state => tracing::warn!(%lan, port, %state, "uplink lost: its adapters go to other directors"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn down(lan: &str) -> UplinkTrouble {
        UplinkTrouble { lan: lan.to_owned(), state: "no carrier".to_owned(), since: 7 }
    }

    #[test]
    fn news_is_told_once_and_ends_with_the_trouble() {
        let book = UplinkBook::default();
        assert!(!book.heard(&name("d1"), &[]), "it always worked");
        assert!(book.heard(&name("d1"), &[down("prod")]));
        assert!(!book.heard(&name("d1"), &[down("prod")]));
        assert_eq!(book.report(&name("d1")), [down("prod")]);
        assert!(book.heard(&name("d1"), &[]));
        assert!(book.all().is_empty());
    }

    #[test]
    fn the_leader_s_word_counts_for_all_but_oneself() {
        let (leader, book) = (UplinkBook::default(), UplinkBook::default());
        leader.heard(&name("d1"), &[down("prod")]);
        leader.heard(&name("d2"), &[down("stale")]);
        book.heard(&name("d2"), &[down("own")]);
        book.heard(&name("d3"), &[down("gone")]);
        book.adopt(&name("d2"), &leader.spread());
        assert_eq!(book.report(&name("d1")), [down("prod")]);
        assert_eq!(book.report(&name("d2")), [down("own")]);
        assert_eq!(book.report(&name("d3")), []);
    }

    #[test]
    fn an_unknown_state_is_trouble() {
        let book = UplinkBook::default();
        book.heard(&name("d1"), &[UplinkTrouble { state: "melted".to_owned(), ..down("prod") }]);
        assert_eq!(book.all()[&name("d1")][&name("prod")].state, UplinkState::Down);
    }
}
