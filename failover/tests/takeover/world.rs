//! All of it together. Each step is chosen by one number among what can happen; now and then something goes wrong.

use std::collections::BTreeMap;

use twinrail_failover::Moment;
use twinrail_failover::takeover::{FencedBy, Heard};

use crate::agent::Agent;
use crate::array::{Array, Connection, Login, lun};
use crate::home::{Home, Reach, Sabotage};

const HOMES: usize = 2;
/// Of so many steps, one is a disturbance: a fence takes some tens of them.
const DISTURB_EVERY: u32 = 30;
/// So many requests or answers arrive at a time.
const BURST: usize = 3;
/// The array executes something in at most one of so many steps: its writes are slow.
const EXECUTE_EVERY: u64 = 4;
const STEP_MILLIS: u64 = 20;

#[derive(Clone, Copy, Debug)]
enum Action {
    Arrive(Connection),
    Deliver(Connection),
    Execute(usize),
    Apply(usize),
    AskQuorum(usize),
    Grant(usize),
    Renew(usize),
    ToHome(usize),
    ToAgent(usize),
    Follow,
    Issue(usize),
}

pub struct World {
    now: u64,
    /// The committed homes: entry n is that of epoch n + 1.
    committed: Vec<usize>,
    pub array: Array,
    pub homes: [Home; HOMES],
    pub agent: Agent,
    once: BTreeMap<u64, u64>,
    /// Until when nothing of this home happens: it is paused.
    frozen: [u64; HOMES],
    /// Until when this home reaches the array, and neither the other directors nor the agent.
    cut_off: [u64; HOMES],
    pub violations: Vec<String>,
}

impl World {
    pub fn new(login: Login, fenced_by: FencedBy, sabotage: Sabotage) -> Self {
        Self {
            now: 0,
            committed: vec![0],
            array: Array::new(login),
            homes: [0, 1].map(|it| Home::new(it, fenced_by, sabotage)),
            agent: Agent::default(),
            once: BTreeMap::new(),
            frozen: [0; HOMES],
            cut_off: [0; HOMES],
            violations: Vec::new(),
        }
    }

    pub fn run(&mut self, choices: &[u32]) {
        for &choice in choices {
            let rest = choice / DISTURB_EVERY;
            if choice.is_multiple_of(DISTURB_EVERY) {
                self.disturb(rest);
            } else {
                self.proceed(rest);
            }
        }
        self.judge();
    }

    /// Nothing goes wrong any more: what was let go gets a home again, and everything that can happen does, in turn.
    pub fn settle(&mut self) {
        self.committed.push(1);
        self.frozen = [0; HOMES];
        self.cut_off = [0; HOMES];
        for number in [1, 2] {
            if !self.array.shows(lun(number)) {
                self.array.toggle(lun(number));
            }
        }
        (0..3000u32).for_each(|turn| self.proceed(turn.wrapping_mul(2_654_435_761) >> 8));
        self.judge();
    }

    fn judge(&mut self) {
        self.violations.append(&mut self.array.violations);
        let twice = self.once.iter().filter(|(_, times)| **times > 1);
        self.violations.extend(twice.map(|(order, times)| format!("replay: {order} was sent {times} times")));
    }

    fn proceed(&mut self, choice: u32) {
        self.now += STEP_MILLIS;
        for home in 0..HOMES {
            if self.now >= self.frozen[home] {
                self.at(home, Home::tick);
            }
        }
        let actions = self.actions();
        if let Some(action) = actions.get(choice as usize % actions.len().max(1)) {
            self.act(*action);
        }
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let awake = |home: usize| self.now >= self.frozen[home];
        let requests = self.array.requests.iter().filter(|(it, queue)| awake(it.0) && !queue.is_empty());
        actions.extend(requests.map(|(&it, _)| Action::Arrive(it)));
        let answers = self.array.answers.iter().filter(|(it, queue)| awake(it.0) && !queue.is_empty());
        actions.extend(answers.map(|(&it, _)| Action::Deliver(it)));
        let turn = self.now / STEP_MILLIS;
        if self.array.taken() > 0 && turn.is_multiple_of(EXECUTE_EVERY) {
            actions.push(Action::Execute(turn as usize / 7 % self.array.taken()));
        }
        for home in (0..HOMES).filter(|&it| awake(it) && self.now >= self.cut_off[it]) {
            let it = &self.homes[home];
            let possible = [
                (it.applied < self.committed.len() as u64, Action::Apply(home)),
                (!it.questions.is_empty(), Action::AskQuorum(home)),
                (!it.grants.is_empty(), Action::Grant(home)),
                (!it.leased, Action::Renew(home)),
                (!it.inbox.is_empty(), Action::ToHome(home)),
                (!it.outbox.is_empty(), Action::ToAgent(home)),
            ];
            actions.extend(possible.into_iter().filter(|it| it.0).map(|it| it.1));
        }
        let newest = (self.committed[self.committed.len() - 1], self.committed.len() as u64);
        if self.agent.follows != Some(newest) {
            actions.push(Action::Follow);
        } else {
            actions.push(Action::Issue(turn as usize));
        }
        actions
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Arrive(connection) => (0..BURST).for_each(|_| self.array.arrive(connection)),
            Action::Deliver(connection) => (0..BURST).for_each(|_| self.deliver(connection)),
            Action::Execute(which) => {
                let command = self.array.execute(which);
                if self.agent.is_stale(&command) {
                    self.violations.push(format!("stale: {command:?} was executed after a later one was acknowledged"));
                }
            }
            Action::Apply(home) => self.apply(home),
            Action::AskQuorum(home) => {
                let committed = self.committed.len() as u64;
                let it = &mut self.homes[home];
                it.grants.extend(it.questions.drain(..).map(|number| (number, committed)));
            }
            Action::Grant(home) => self.grant(home),
            Action::Renew(home) => {
                self.apply_up_to(home, self.committed.len() as u64);
                self.at(home, |home, reach| home.set_lease(true, reach));
            }
            Action::ToHome(home) => self.at(home, Home::on_say),
            Action::ToAgent(home) => {
                if let Some((epoch, order, written)) = self.homes[home].outbox.pop_front() {
                    self.agent.on_answer(home, epoch, order, written);
                }
            }
            Action::Follow => {
                let (home, epoch) = (self.committed[self.committed.len() - 1], self.committed.len() as u64);
                let say = self.agent.follow(home, epoch);
                self.homes[home].inbox.push_back(say);
            }
            Action::Issue(which) => {
                if let Some((home, say)) = self.agent.issue(which, which % 5 != 0) {
                    self.homes[home].inbox.push_back(say);
                }
            }
        }
    }

    fn disturb(&mut self, choice: u32) {
        let home = choice as usize / 8 % HOMES;
        let other = choice as usize / 16;
        match choice % 8 {
            0 => self.committed.push(home),
            1 => self.committed.push(1 - self.committed[self.committed.len() - 1]),
            2 => self.array.cut(),
            3 => self.at(home, |home, reach| home.set_lease(false, reach)),
            4 => self.array.toggle(lun(2)),
            5 if other.is_multiple_of(2) => self.frozen[home] = self.now + other as u64 % 100 * STEP_MILLIS,
            5 => self.cut_off[home] = self.now + other as u64 % 300 * STEP_MILLIS,
            6 => self.array.rejects = true,
            _ => self.at(home, |home, reach| {
                let timeout = Heard::ResetUnanswered(lun(1 + other as u8 % 2));
                if other.is_multiple_of(3) { home.let_go(reach) } else { home.hear_now(timeout, reach) }
            }),
        }
    }

    fn deliver(&mut self, connection: Connection) {
        let answer = self.array.answers.get_mut(&connection).and_then(|queue| queue.pop_front());
        if let Some(answer) = answer {
            self.at(connection.0, |home, reach| home.on_answer(connection.1, answer, reach));
        }
    }

    /// What the quorum had committed is applied first.
    fn grant(&mut self, home: usize) {
        if let Some((number, committed)) = self.homes[home].grants.pop_front() {
            self.apply_up_to(home, committed);
            self.at(home, |home, reach| home.confirm(number, reach));
        }
    }

    fn apply_up_to(&mut self, home: usize, committed: u64) {
        while self.homes[home].applied < committed {
            self.apply(home);
        }
    }

    fn apply(&mut self, home: usize) {
        let assigned = self.committed[self.homes[home].applied as usize];
        self.at(home, |home, reach| home.apply(assigned, reach));
    }

    fn at(&mut self, home: usize, does: impl FnOnce(&mut Home, &mut Reach)) {
        let now = Moment::from_millis(self.now);
        does(&mut self.homes[home], &mut Reach { array: &mut self.array, once: &mut self.once, now });
    }
}
