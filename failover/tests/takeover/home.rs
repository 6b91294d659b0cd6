//! A home: the machine under test, and what a director does with its effects.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use twinrail_failover::Moment;
use twinrail_failover::takeover::{
    Assignment, Effect, Event, FencedBy, Heard, Identity, LoginNumber, Lun, Registration, ResetAnswer, Takeover,
    Unanswered, plan_replay,
};
use twinrail_proto::domain::{Epoch, Wwn};

use crate::agent::Say;
use crate::array::{Answer, Array, Command, Request, lun};

/// What is left out of the machine's output, to see whether the model notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    None,
    NoReset,
    NoConfirmation,
    NoTest,
    ReplayEverything,
}

#[derive(Debug)]
pub struct Home {
    pub number: usize,
    sabotage: Sabotage,
    fenced_by: FencedBy,
    pub machine: Takeover,
    /// How much of the committed log is applied: the epoch of the last entry.
    pub applied: u64,
    /// The epoch in which it is home.
    epoch: u64,
    pub leased: bool,
    session: Option<u64>,
    attached: bool,
    /// Questions that wait for a quorum, and those that a quorum has answered, with what it had committed.
    pub questions: Vec<u64>,
    pub grants: VecDeque<(u64, u64)>,
    pub inbox: VecDeque<Say>,
    pub outbox: VecDeque<(u64, u64, bool)>,
    waiting: BTreeMap<u64, Command>,
    unanswered: BTreeMap<u64, Command>,
    in_flight: BTreeSet<u64>,
    said_drained: bool,
    admitted: BTreeSet<Lun>,
    replaying: Option<Replaying>,
    /// What is to be told to the machine before anything else.
    local: VecDeque<Event>,
}

#[derive(Debug)]
struct Replaying {
    luns: BTreeSet<Lun>,
    /// None: the agent has not said what is unanswered.
    pending: Option<BTreeSet<u64>>,
}

/// What a home reaches.
pub struct Reach<'a> {
    pub array: &'a mut Array,
    /// How often each command that is not idempotent was sent.
    pub once: &'a mut BTreeMap<u64, u64>,
    pub now: Moment,
}

impl Home {
    pub fn new(number: usize, fenced_by: FencedBy, sabotage: Sabotage) -> Self {
        let mut machine = Takeover::default();
        machine.on_event(Event::LeaseLive, Moment::default());
        Self {
            number,
            sabotage,
            fenced_by,
            machine,
            applied: 0,
            epoch: 0,
            leased: true,
            session: None,
            attached: false,
            questions: Vec::new(),
            grants: VecDeque::new(),
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            waiting: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            said_drained: false,
            admitted: BTreeSet::new(),
            replaying: None,
            local: VecDeque::new(),
        }
    }

    /// The next entry of the log: the epoch after the last one has this home.
    pub fn apply(&mut self, home: usize, reach: &mut Reach) {
        self.applied += 1;
        if home != self.number {
            return self.tell(Event::NewerEpoch(Epoch(self.applied)), reach);
        }
        self.epoch = self.applied;
        self.attached = false;
        self.waiting.clear();
        self.unanswered.clear();
        let identity = Identity { wwpn: Wwn::new(0x5001_4380_0000_0001).unwrap(), session: [1; 6] };
        let registrations = BTreeMap::from([(lun(1), Registration { key: 7, held: None })]);
        let (epoch, fenced_by) = (Epoch(self.epoch), self.fenced_by);
        self.tell(Event::Assigned(Assignment { epoch, identity, fenced_by, registrations }), reach);
    }

    pub fn let_go(&mut self, reach: &mut Reach) {
        self.tell(Event::LetGo(Epoch(self.epoch)), reach);
    }

    pub fn set_lease(&mut self, live: bool, reach: &mut Reach) {
        self.leased = live;
        self.tell(if live { Event::LeaseLive } else { Event::LeaseLapsed }, reach);
    }

    pub fn tick(&mut self, reach: &mut Reach) {
        if self.machine.next_deadline().is_some_and(|it| it <= reach.now) {
            self.tell(Event::Tick, reach);
        }
    }

    pub fn confirm(&mut self, number: u64, reach: &mut Reach) {
        self.tell(Event::Confirmed { number }, reach);
    }

    /// Of the session that it has.
    pub fn hear_now(&mut self, heard: Heard, reach: &mut Reach) {
        if let Some(login) = self.session {
            self.hear(login, heard, reach);
        }
    }

    fn hear(&mut self, login: u64, heard: Heard, reach: &mut Reach) {
        self.tell(Event::Session { login: LoginNumber(login), heard }, reach);
    }

    /// Something of the array comes in.
    pub fn on_answer(&mut self, login: u64, answer: Answer, reach: &mut Reach) {
        match answer {
            Answer::Heard(heard) => self.hear(login, heard, reach),
            Answer::Written(order) if self.session == Some(login) => self.end(order, true),
            Answer::NotThere(order) if self.session == Some(login) => match self.unanswered.get(&order).copied() {
                Some(command) if command.idempotent => {
                    self.forget(order);
                    self.waiting.insert(order, command);
                }
                _ => self.end(order, false),
            },
            Answer::Written(_) | Answer::NotThere(_) => {}
        }
        self.settle(reach);
    }

    /// The next word of the agent. It waits until this home knows its epoch.
    pub fn on_say(&mut self, reach: &mut Reach) {
        let Some(epoch) = self.inbox.front().map(Say::epoch) else { return };
        if epoch > self.applied {
            return self.tell(Event::NewerEpoch(Epoch(epoch)), reach);
        }
        let say = self.inbox.pop_front();
        if epoch != self.epoch {
            return;
        }
        match say {
            Some(Say::Attach { unanswered, .. }) => {
                self.attached = true;
                self.unanswered.extend(unanswered.into_iter().map(|it| (it.order, it)));
            }
            Some(Say::New { command, .. }) => {
                self.waiting.insert(command.order, command);
            }
            None => {}
        }
        self.settle(reach);
    }

    fn tell(&mut self, event: Event, reach: &mut Reach) {
        self.local.push_back(event);
        self.settle(reach);
    }

    /// Tells the machine what there is to tell, and does what it says, until nothing is left.
    fn settle(&mut self, reach: &mut Reach) {
        loop {
            while let Some(event) = self.local.pop_front() {
                for effect in self.machine.on_event(event, reach.now) {
                    self.run(effect, reach);
                }
            }
            self.replay(reach);
            self.send_waiting(reach);
            let Some(event) = self.own_word() else { return };
            self.local.push_back(event);
        }
    }

    /// What a home itself has to say of its session.
    fn own_word(&mut self) -> Option<Event> {
        let login = LoginNumber(self.session?);
        let replayed = self.replaying.take_if(|it| it.pending.as_ref().is_some_and(BTreeSet::is_empty));
        if replayed.is_some() {
            return Some(Event::Session { login, heard: Heard::Replayed });
        }
        let drained = self.machine.phase().is_none() && self.in_flight.is_empty() && !self.said_drained;
        self.said_drained |= drained;
        drained.then_some(Event::Session { login, heard: Heard::Drained })
    }

    fn run(&mut self, effect: Effect, reach: &mut Reach) {
        match effect {
            Effect::LogIn { login, .. } => {
                self.disconnect();
                self.session = Some(login.0);
                self.send(Request::LogIn, reach);
            }
            Effect::Confirm { number } if self.sabotage == Sabotage::NoConfirmation => {
                self.local.push_back(Event::Confirmed { number });
            }
            Effect::Confirm { number } => self.questions.push(number),
            Effect::ReportLuns => self.send(Request::ReportLuns, reach),
            Effect::TestUnitReady(lun) if self.sabotage == Sabotage::NoTest => self.pretend(Heard::Ready(lun)),
            Effect::TestUnitReady(lun) => self.send(Request::Test(lun), reach),
            Effect::ResetLun(lun) if self.sabotage == Sabotage::NoReset => {
                self.pretend(Heard::Reset { lun, answer: ResetAnswer::Complete });
            }
            Effect::ResetLun(lun) => self.send(Request::Reset(lun), reach),
            Effect::Register { lun, .. } => self.send(Request::Register(lun), reach),
            Effect::Replay(luns) => self.replaying = Some(Replaying { luns, pending: None }),
            Effect::Admit(luns) => self.admitted.extend(luns),
            Effect::Withdraw(luns) => self.admitted.retain(|it| !luns.contains(it)),
            Effect::Hold => self.hold(),
            Effect::Stop => self.disconnect(),
            Effect::LogOut => self.send(Request::LogOut, reach),
            Effect::GiveBack(_) | Effect::Released(_) | Effect::Report(_) => {}
        }
    }

    fn hold(&mut self) {
        self.admitted.clear();
        self.replaying = None;
    }

    fn disconnect(&mut self) {
        self.hold();
        self.session = None;
        self.in_flight.clear();
        self.said_drained = false;
    }

    fn pretend(&mut self, heard: Heard) {
        let login = LoginNumber(self.session.unwrap_or_default());
        self.local.push_back(Event::Session { login, heard });
    }

    fn send(&mut self, request: Request, reach: &mut Reach) {
        if let Some(login) = self.session {
            reach.array.requests.entry((self.number, login)).or_default().push_back(request);
        }
    }

    fn replay(&mut self, reach: &mut Reach) {
        let Some(Replaying { luns, pending: pending @ None }) = &mut self.replaying else { return };
        if !self.attached {
            return;
        }
        let everything = self.sabotage == Sabotage::ReplayEverything;
        let unanswered = self.unanswered.values().map(|it| {
            let idempotent = it.idempotent || everything;
            Unanswered { order: it.order, lun: it.lun, idempotent }
        });
        let plan = plan_replay(unanswered, luns);
        *pending = Some(plan.send.iter().copied().collect());
        plan.give_back.into_iter().for_each(|order| self.end(order, false));
        for order in plan.send {
            self.write(self.unanswered[&order], reach);
        }
    }

    fn send_waiting(&mut self, reach: &mut Reach) {
        let admitted = |it: &Command| self.admitted.contains(&it.lun);
        let ready: Vec<Command> = self.waiting.values().copied().filter(admitted).collect();
        for command in ready {
            self.waiting.remove(&command.order);
            self.unanswered.insert(command.order, command);
            self.write(command, reach);
        }
    }

    fn write(&mut self, command: Command, reach: &mut Reach) {
        if !command.idempotent {
            *reach.once.entry(command.order).or_default() += 1;
        }
        self.in_flight.insert(command.order);
        self.send(Request::Write(command, self.epoch), reach);
    }

    fn end(&mut self, order: u64, written: bool) {
        self.forget(order);
        self.outbox.push_back((self.epoch, order, written));
    }

    fn forget(&mut self, order: u64) {
        self.unanswered.remove(&order);
        self.in_flight.remove(&order);
        if let Some(Replaying { pending: Some(pending), .. }) = &mut self.replaying {
            pending.remove(&order);
        }
    }
}
