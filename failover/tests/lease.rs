//! Three directors with clocks that drift against each other by up to the margin, messages that take as long as
//! they like, leaders that come and go and do not know yet that they went. Never may one director say that a lease has
//! certainly ended while its holder may still carry.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use twinrail_failover::Moment;
use twinrail_failover::lease::{Grantor, Holder};
use twinrail_proto::domain::{Name, Revision};

const LEASE: Duration = Duration::from_millis(150);
const DIRECTORS: usize = 3;
/// Real time passes in steps of a tenth of a millisecond: the drift makes up to a tenth of a step.
const STEP_NANOS: u64 = 100_000;

#[derive(Clone, Debug)]
enum Event {
    /// Time passes.
    Pass {
        steps: u64,
    },
    Ask {
        holder: usize,
    },
    /// Some leader that thinks it leads runs the quorum round for its oldest waiting request.
    Confirm {
        leader: usize,
    },
    /// A confirmed grant is sent at last (the leader may have slept in between).
    Send {
        leader: usize,
    },
    /// A grant in flight arrives.
    Arrive {
        which: usize,
    },
    Elect {
        leader: usize,
    },
}

struct Message {
    holder: usize,
    sequence: u64,
}

#[derive(Default)]
struct Leader {
    grantor: Option<Grantor>,
    waiting: Vec<Message>,
    confirmed: Vec<Message>,
}

struct World {
    real: u64,
    /// Parts of a thousand by which each clock is faster than the slowest that the margin allows.
    rates: [u64; DIRECTORS],
    holders: [Holder; DIRECTORS],
    leaders: [Leader; DIRECTORS],
    /// Who holds the newest term: only its quorum rounds succeed.
    newest: usize,
    in_flight: Vec<Message>,
}

impl World {
    fn new(rates: [u64; DIRECTORS]) -> Self {
        let mut world = Self {
            real: 0,
            rates,
            holders: std::array::from_fn(|_| Holder::new(LEASE)),
            leaders: Default::default(),
            newest: 0,
            in_flight: Vec::new(),
        };
        world.elect(0);
        world
    }

    fn clock(&self, director: usize) -> Moment {
        Moment::from_nanos(self.real * STEP_NANOS / 1000 * self.rates[director])
    }

    fn elect(&mut self, leader: usize) {
        let grantor = Grantor::became_leader(LEASE, self.clock(leader));
        self.leaders[leader] = Leader { grantor: Some(grantor), ..Leader::default() };
        self.newest = leader;
    }

    fn step(&mut self, event: &Event) {
        match *event {
            Event::Pass { steps } => self.real += steps,
            Event::Ask { holder } => self.ask(holder),
            Event::Confirm { leader } => self.confirm(leader),
            Event::Send { leader } => self.send(leader),
            Event::Arrive { which } => self.arrive(which),
            Event::Elect { leader } => self.elect(leader),
        }
    }

    fn ask(&mut self, holder: usize) {
        let now = self.clock(holder);
        let sequence = self.holders[holder].on_request(now).sequence;
        for leader in self.leaders.iter_mut().filter(|it| it.grantor.is_some()) {
            leader.waiting.push(Message { holder, sequence });
        }
    }

    fn confirm(&mut self, leader: usize) {
        let newest = self.newest;
        let it = &mut self.leaders[leader];
        if leader == newest && !it.waiting.is_empty() {
            let message = it.waiting.remove(0);
            it.confirmed.push(message);
        }
    }

    fn send(&mut self, leader: usize) {
        let now = self.clock(leader);
        let it = &mut self.leaders[leader];
        if let Some(message) = it.confirmed.pop() {
            it.grantor.as_mut().unwrap().on_granted(&name(message.holder), now);
            self.in_flight.push(message);
        }
    }

    fn arrive(&mut self, which: usize) {
        if self.in_flight.is_empty() {
            return;
        }
        let message = self.in_flight.swap_remove(which % self.in_flight.len());
        let now = self.clock(message.holder);
        // Late and repeated grants are refused; that is the holder's business.
        let _ = self.holders[message.holder].on_grant(message.sequence, Revision(0), now);
    }

    /// The holders that may carry although the newest leader says that their lease has certainly ended. Only the newest
    /// leader is asked: what an older one believes cannot be committed.
    fn contradictions(&self) -> Vec<usize> {
        let grantor = self.leaders[self.newest].grantor.as_ref().unwrap();
        let now = self.clock(self.newest);
        (0..DIRECTORS)
            .filter(|&holder| self.holders[holder].may_carry(self.clock(holder)))
            .filter(|&holder| grantor.certainly_ended(&name(holder), now).is_ok())
            .collect()
    }
}

fn name(director: usize) -> Name {
    Name::new(format!("d{director}")).unwrap()
}

/// A long wait, looked into every millisecond: the margin is 15 ms wide, so no contradiction slips through between.
fn strides(event: &Event) -> Vec<Event> {
    match *event {
        Event::Pass { steps } => (0..steps.div_ceil(10)).map(|_| Event::Pass { steps: 10 }).collect(),
        ref other => vec![other.clone()],
    }
}

fn event() -> impl Strategy<Value = Event> {
    let director = || 0..DIRECTORS;
    prop_oneof![
        6 => (1u64..400).prop_map(|steps| Event::Pass { steps }),
        4 => director().prop_map(|holder| Event::Ask { holder }),
        4 => director().prop_map(|leader| Event::Confirm { leader }),
        4 => director().prop_map(|leader| Event::Send { leader }),
        6 => any::<usize>().prop_map(|which| Event::Arrive { which }),
        1 => director().prop_map(|leader| Event::Elect { leader }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nobody_carries_after_its_lease_has_certainly_ended(
        rates in proptest::array::uniform3(1000u64..=1100),
        events in proptest::collection::vec(event(), 1..200),
    ) {
        let mut world = World::new(rates);
        for event in &events {
            for event in strides(event) {
                world.step(&event);
                prop_assert_eq!(world.contradictions(), Vec::<usize>::new(), "after {:?}", event);
            }
        }
    }
}

/// The same world must also show a contradiction once the margin is not kept: or the property above could not fail.
#[test]
fn clocks_beyond_the_margin_are_caught() {
    let mut world = World::new([1000, 1000, 1250]);
    world.elect(2);
    for event in [Event::Ask { holder: 0 }, Event::Confirm { leader: 2 }, Event::Send { leader: 2 }] {
        world.step(&event);
    }
    world.step(&Event::Arrive { which: 0 });
    let caught = (0..2000).any(|_| {
        world.step(&Event::Pass { steps: 1 });
        !world.contradictions().is_empty()
    });
    assert!(caught);
}

/// Liveness: with a quiet cluster every lease does end, within the margin and one step.
#[test]
fn a_silent_director_is_given_up_in_time() {
    let mut world = World::new([1000, 1100, 1050]);
    let mut ended = BTreeMap::new();
    while ended.len() < DIRECTORS {
        world.step(&Event::Pass { steps: 1 });
        let grantor = world.leaders[0].grantor.as_ref().unwrap();
        let now = world.clock(0);
        for holder in 0..DIRECTORS {
            if grantor.certainly_ended(&name(holder), now).is_ok() {
                ended.entry(holder).or_insert(world.real);
            }
        }
    }
    let latest = ended.values().max().unwrap() * STEP_NANOS;
    assert!(Duration::from_nanos(latest) <= LEASE * 111 / 100);
}
