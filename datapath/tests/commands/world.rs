//! Seeds, faults, and what must hold whatever they do.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use twinrail_datapath::Nanos;
use twinrail_datapath::commands::initiator::{self, Home, InitiatorConfig, outcome_unknown};
use twinrail_datapath::commands::target::{self, TargetConfig};
use twinrail_datapath::commands::{Initiator, LinkId, Parcel, Target};
use twinrail_datapath::scsi::replay::{Replay, replay};
use twinrail_datapath::scsi::{Cdb, Command, Lun, Response, Status, TaskFunction, TaskManagement};
use twinrail_proto::domain::{AdapterId, DirectorId, Epoch, Name, Rail};
use twinrail_proto::rail::command::{Body, CommandNumber, Credits, Head, RefusalCause, Refused};
use twinrail_proto::rail::{ClusterTag, Incarnation};

use crate::array::{Array, id};
use crate::pair::serving;
use crate::wire::Connection;

const MS: Nanos = 1_000_000;
const CREDITS: Credits = Credits { commands: 6, octets: Credits::LEAST.octets };

/// How the commands of a run ended.
#[derive(Debug, Default)]
struct Tally {
    good: usize,
    unknown: usize,
    aborted: usize,
    ended: usize,
    switches: usize,
    cuts: usize,
    homes: usize,
    sessions: usize,
}

struct World {
    now: Nanos,
    random: SmallRng,
    faults: bool,
    array: Array,
    agent: Initiator,
    epoch: u64,
    director: u64,
    /// Of the homes at the array: several in one epoch are several sessions of one home.
    logins: u64,
    targets: BTreeMap<u64, Target>,
    connections: Vec<Connection>,
    refused: BTreeSet<LinkId>,
    /// Commands without an answer; numbers are LBAs.
    open: BTreeMap<u64, Command>,
    submitted: u64,
    /// Those that must not be given to the array twice.
    conditional: BTreeSet<u64>,
    tally: Tally,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = InitiatorConfig {
            cluster: ClusterTag::of("lab"),
            server: server(),
            adapter: AdapterId(5),
            incarnation: Incarnation::from_random(seed),
            io_timeout: InitiatorConfig::DEFAULT_IO_TIMEOUT,
        };
        let mut world = Self {
            now: MS,
            random: SmallRng::seed_from_u64(seed),
            faults: true,
            array: Array::new(seed),
            agent: Initiator::new(config),
            epoch: 0,
            director: 0,
            logins: 0,
            targets: BTreeMap::new(),
            connections: Vec::new(),
            refused: BTreeSet::new(),
            open: BTreeMap::new(),
            submitted: 0,
            conditional: BTreeSet::new(),
            tally: Tally::default(),
        };
        world.move_home();
        world
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.faults && self.random.random_bool(probability)
    }

    fn step(&mut self) {
        self.now += self.random.random_range(MS / 10..2 * MS);
        self.submit();
        self.fail();
        self.carry();
        for target in self.targets.values_mut() {
            target.poll(self.now);
        }
        self.do_targets();
        self.agent.tick(self.now);
        self.do_agent();
        self.check();
    }

    fn submit(&mut self) {
        for _ in 0..self.random.random_range(0..3) {
            if !self.faults || self.open.len() >= 20 {
                return;
            }
            let command = self.command(self.submitted + 1);
            let number = self.agent.submit(command.clone(), self.now).expect("taken");
            assert_eq!(number.0, self.submitted + 1);
            self.submitted += 1;
            if replay(&command.cdb) != Replay::Safe {
                self.conditional.insert(self.submitted);
            }
            self.open.insert(self.submitted, command);
        }
        if self.chance(0.01) {
            self.manage();
        }
        self.do_agent();
    }

    fn command(&mut self, lba: u64) -> Command {
        let lun = Lun::new(self.random.random_range(0..3)).expect("a LUN");
        let data = vec![lba as u8; self.random.random_range(1..5) * 512];
        match self.random.random_range(0..10) {
            0..4 => Command::reading(lun, Cdb::read_16(lba, 1), 512),
            4..8 => Command::sending(lun, Cdb::write_16(lba, 1, false), data),
            _ => Command::sending(lun, Cdb::compare_and_write(lba, 1), data),
        }
    }

    fn manage(&mut self) {
        let some = self.random.random_range(1..=self.submitted + 1);
        let open = self.open.range(..some).next_back().map(|(number, it)| (*number, it.lun));
        let (tag, lun) = open.unwrap_or((some, Lun::ZERO));
        let function = match self.random.random_range(0..3) {
            0 => TaskFunction::AbortTask { tag },
            1 => TaskFunction::AbortTaskSet,
            _ => TaskFunction::LunReset,
        };
        self.agent.manage(TaskManagement { lun, function }, self.now).expect("taken");
    }

    fn fail(&mut self) {
        if self.chance(0.01) {
            self.move_home();
        }
        if self.chance(0.01) {
            self.log_in_again();
        }
        for index in 0..self.connections.len() {
            if self.chance(0.01) && !self.connections[index].cut {
                self.connections[index].cut = true;
                self.tally.cuts += 1;
            }
            let connection = &mut self.connections[index];
            let notices = connection.cut && self.random.random_bool(0.3);
            if notices && connection.agent.open && self.random.random_bool(0.5) {
                connection.agent.open = false;
                self.agent.closed(connection.link, self.now);
            } else if notices && connection.home.open {
                connection.home.open = false;
                let target = self.targets.get_mut(&connection.director).expect("a target");
                target.closed(connection.link);
            }
        }
        self.do_agent();
        if self.chance(0.01) {
            let (rail, up) = (Rail::ALL[self.random.random_range(0..2)], self.random.random());
            self.agent.set_path(rail, up, self.now);
        }
        if self.chance(0.01) {
            let more = Credits { commands: self.random.random_range(1..10), ..CREDITS };
            self.targets.values_mut().for_each(|it| it.set_credits(more));
        }
    }

    /// The next epoch: the agent hears of it before or after the target is there; the former home may hear of nothing.
    fn move_home(&mut self) {
        self.epoch += 1;
        self.tally.homes += 1;
        let director = self.random.random_range(1..=2);
        self.director = director;
        let home = Home { director: DirectorId(director), epoch: Epoch(self.epoch) };
        let early = self.random.random();
        if early {
            self.agent.set_home(Some(home), self.now);
            self.do_agent();
        }
        if self.random.random_bool(0.3) {
            self.targets.values_mut().for_each(|it| it.stop(RefusalCause::NewerEpoch));
            self.do_targets();
        }
        self.log_in();
        if !early {
            self.agent.set_home(Some(home), self.now);
        }
        self.agent.set_home(Some(Home { director: DirectorId(3), epoch: Epoch(self.epoch - 1) }), self.now);
        self.do_agent();
    }

    /// The home gets another session in the same epoch: the former one was lost, or its process was started again.
    fn log_in_again(&mut self) {
        self.tally.sessions += 1;
        if self.random.random()
            && let Some(target) = self.targets.get_mut(&self.director)
        {
            target.stop(RefusalCause::Fencing);
            self.do_targets();
        }
        self.log_in();
    }

    fn log_in(&mut self) {
        self.logins += 1;
        let config = TargetConfig {
            cluster: ClusterTag::of("lab"),
            adapter: AdapterId(5),
            epoch: Epoch(self.epoch),
            server: server(),
            instance: self.logins,
            credits: CREDITS,
        };
        let session = self.array.log_in(self.logins);
        for connection in self.connections.iter_mut().filter(|it| it.director == self.director) {
            connection.cut = true;
        }
        self.targets.insert(self.director, serving(config, session));
    }

    /// Delivers some of what is under way.
    fn carry(&mut self) {
        for index in 0..self.connections.len() {
            let faulty = self.faults;
            let connection = &mut self.connections[index];
            if connection.cut {
                continue;
            }
            for pipe in [&mut connection.up, &mut connection.down] {
                let waiting = pipe.waiting();
                pipe.allowed = if faulty { self.random.random_range(0..=2 * waiting).min(waiting) } else { waiting };
            }
            connection.agent.outbox.flush(&mut connection.up).expect("written");
            connection.home.outbox.flush(&mut connection.down).expect("written");
            let (link, director) = (connection.link, connection.director);
            let (at_home, at_agent) = (
                if connection.home.open { connection.home.receive(&mut connection.up) } else { Vec::new() },
                if connection.agent.open { connection.agent.receive(&mut connection.down) } else { Vec::new() },
            );
            at_home.into_iter().for_each(|it| self.at_home(link, director, it));
            self.do_targets();
            at_agent.into_iter().for_each(|it| self.agent.received(link, it, self.now));
            self.do_agent();
        }
        self.connections.retain(|it| it.agent.open || it.home.open);
    }

    fn at_home(&mut self, link: LinkId, director: u64, parcel: Parcel) {
        let Body::Attach(attach) = &parcel.head.body else {
            if let Some(target) = self.targets.get_mut(&director) {
                target.received(link, parcel, self.now);
            }
            return;
        };
        if let Some(target) = self.targets.get_mut(&director) {
            return target.attach(link, parcel.head.epoch, attach, &server(), self.now);
        }
        let refused = Refused { cause: RefusalCause::NotHome, known: Epoch(0) };
        let head = Head { body: Body::Refused(refused), ..parcel.head };
        self.send_down(link, Parcel { head, data: Default::default() });
        self.close_home(link);
    }

    fn send_down(&mut self, link: LinkId, parcel: Parcel) {
        if matches!(parcel.head.body, Body::Refused(_)) {
            self.refused.insert(link);
        }
        if let Some(it) = self.connections.iter_mut().find(|it| it.link == link && it.home.open) {
            it.home.send(parcel, &mut it.down);
        }
    }

    fn close_home(&mut self, link: LinkId) {
        assert!(self.refused.contains(&link), "the home says that the agent breaks order or credit");
        if let Some(it) = self.connections.iter_mut().find(|it| it.link == link) {
            it.home.open = false;
        }
    }

    fn do_targets(&mut self) {
        let effects: Vec<_> = self.targets.values_mut().flat_map(|it| it.effects()).collect();
        for effect in effects {
            match effect {
                target::Effect::Send { link, parcel } => self.send_down(link, parcel),
                target::Effect::Close { link } => self.close_home(link),
                target::Effect::News(news) => panic!("nobody asked for {news:?}"),
            }
        }
    }

    fn do_agent(&mut self) {
        for effect in self.agent.effects() {
            match effect {
                initiator::Effect::Connect { link, director, .. } => self.connect(link, director.0),
                initiator::Effect::Send { link, parcel } => {
                    let found = self.connections.iter_mut().find(|it| it.link == link && it.agent.open);
                    let connection = found.expect("sent by an open link");
                    connection.agent.send(parcel, &mut connection.up);
                }
                initiator::Effect::Close { link } => {
                    if let Some(it) = self.connections.iter_mut().find(|it| it.link == link) {
                        it.agent.open = false;
                        it.cut |= self.faults;
                    }
                }
                initiator::Effect::Completed { number, response } => self.completed(number, &response),
                initiator::Effect::Managed { ended, .. } => {
                    for number in ended {
                        assert!(self.open.remove(&number.0).is_some(), "{number:?} had ended before");
                        self.tally.ended += 1;
                    }
                }
                initiator::Effect::Notice(_) | initiator::Effect::Refused(_) => {}
            }
        }
    }

    fn connect(&mut self, link: LinkId, director: u64) {
        if self.chance(0.1) || director > 2 {
            return self.agent.closed(link, self.now);
        }
        self.tally.switches += 1;
        self.connections.push(Connection::new(link, director));
        self.agent.connected(link, self.now);
        self.do_agent();
    }

    /// Exactly once, to its owner, by the present home.
    fn completed(&mut self, number: CommandNumber, response: &Response) {
        let command = self.open.remove(&number.0).unwrap_or_else(|| panic!("{number:?} was answered twice"));
        if *response == outcome_unknown() {
            assert_ne!(replay(&command.cdb), Replay::Safe, "what may be replayed is replayed");
            self.tally.unknown += 1;
        } else if response.status == Status::TaskAborted {
            self.tally.aborted += 1;
        } else {
            let sense = response.sense.expect("stamped");
            assert_eq!(sense.information, Some(id(&command)).filter(|&it| it == number.0), "another's answer");
            assert_eq!(sense.command_specific, Some(self.logins), "an answer of an old session");
            assert!(response.is_good() && response.data_in.len() == command.data_in_length as usize);
            self.tally.good += 1;
        }
    }

    fn check(&self) {
        for target in self.targets.values() {
            let (commands, octets) = target.held();
            assert!(commands <= 10 && octets <= CREDITS.octets, "{commands} commands of {octets} octets are held");
        }
    }

    /// What the array saw: order, and nothing twice that must not be.
    fn audit(&self) {
        let state = self.array.lock();
        let mut given = BTreeMap::new();
        for (number, login) in &state.logins {
            let mut last = BTreeMap::new();
            for &(lun, lba) in &login.given {
                let former = last.insert(lun, lba);
                assert!(former < Some(lba), "login {number}, LUN {lun}: {lba} after {former:?}");
                *given.entry(lba).or_insert(0) += 1;
            }
        }
        for (lba, times) in given {
            assert!(times <= 1 || !self.conditional.contains(&lba), "{lba} was given to the array {times} times");
        }
    }
}

fn server() -> Name {
    Name::new("s1").expect("a name")
}

/// A safety phase with all faults, then a liveness phase without any: everything has to end.
fn run(seed: u64, steps: usize) -> Tally {
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.step();
    }
    world.faults = false;
    for rail in Rail::ALL {
        world.agent.set_path(rail, true, world.now);
    }
    for _ in 0..4000 {
        if world.open.is_empty() {
            break;
        }
        world.step();
    }
    assert!(world.open.is_empty(), "seed {seed}: {:?} never ended", world.open.keys());
    world.audit();
    world.tally
}

#[test]
fn whatever_wires_and_homes_do_each_command_is_answered_once_and_nothing_is_executed_twice_that_must_not_be() {
    let mut all = Tally::default();
    let (first, count) = match std::env::var("SEED") {
        Ok(seed) => (seed.parse().expect("a number"), 1),
        Err(_) => (1, 300),
    };
    for seed in first..first + count {
        let Ok(tally) = std::panic::catch_unwind(|| run(seed, 600)) else { panic!("again with SEED={seed}") };
        all.good += tally.good;
        all.unknown += tally.unknown;
        all.aborted += tally.aborted;
        all.ended += tally.ended;
        all.switches += tally.switches;
        all.cuts += tally.cuts;
        all.homes += tally.homes;
        all.sessions += tally.sessions;
    }
    println!("{all:?}");
    let seen = [all.good, all.unknown, all.ended, all.switches, all.cuts, all.homes, all.sessions];
    assert!(count == 1 || seen.into_iter().all(|it| it > 100), "the world is too kind: {all:?}");
}
