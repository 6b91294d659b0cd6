//! An agent and a home, joined without a wire.

use std::collections::BTreeSet;

use twinrail_datapath::Nanos;
use twinrail_datapath::commands::initiator::{self, Home, InitiatorConfig};
use twinrail_datapath::commands::target::{self, News, TargetConfig};
use twinrail_datapath::commands::{Initiator, LinkId, Parcel, Target};
use twinrail_datapath::san::Session;
use twinrail_datapath::scsi::{Cdb, Command, Lun, Response};
use twinrail_proto::domain::{AdapterId, DirectorId, Epoch, Name};
use twinrail_proto::rail::command::{Body, CommandNumber, Refused};
use twinrail_proto::rail::{ClusterTag, Incarnation};

use crate::array::Array;

pub const MS: Nanos = 1_000_000;
pub const SECOND: Nanos = 1000 * MS;

pub struct Pair {
    pub now: Nanos,
    pub array: Array,
    pub agent: Initiator,
    pub target: Target,
    /// The wire takes what it is given, and delivers nothing.
    pub silent: bool,
    pub link: Option<LinkId>,
    pub completed: Vec<(CommandNumber, Response)>,
    pub refusals: Vec<Refused>,
    pub others: Vec<initiator::Effect>,
    pub at_agent: Vec<Body>,
    pub at_home: Vec<Body>,
    pub ended: usize,
    pub news: Vec<News>,
}

pub fn server(name: &str) -> Name {
    Name::new(name).expect("a name")
}

pub fn agent_config(incarnation: u64) -> InitiatorConfig {
    InitiatorConfig {
        cluster: ClusterTag::of("lab"),
        server: server("s1"),
        adapter: AdapterId(5),
        incarnation: Incarnation::from_random(incarnation),
        io_timeout: InitiatorConfig::DEFAULT_IO_TIMEOUT,
    }
}

pub fn target_config(epoch: u64) -> TargetConfig {
    target_of_login(epoch, epoch)
}

/// Of a home that has logged in so often.
pub fn target_of_login(epoch: u64, login: u64) -> TargetConfig {
    TargetConfig {
        cluster: ClusterTag::of("lab"),
        adapter: AdapterId(5),
        epoch: Epoch(epoch),
        server: server("s1"),
        instance: login,
        credits: TargetConfig::DEFAULT_CREDITS,
    }
}

/// A target whose fence is over.
pub fn serving(config: TargetConfig, session: Box<dyn Session>) -> Target {
    let mut target = Target::new(config, session);
    target.admit(&luns(), 0);
    target
}

fn luns() -> BTreeSet<Lun> {
    (0..3).map(|it| Lun::new(it).expect("a LUN")).collect()
}

pub fn write(lba: u64) -> Command {
    Command::sending(Lun::ZERO, Cdb::write_16(lba, 1, false), vec![lba as u8; 512])
}

pub fn compare_and_write(lba: u64) -> Command {
    Command::sending(Lun::ZERO, Cdb::compare_and_write(lba, 1), vec![lba as u8; 1024])
}

impl Pair {
    /// Of epoch 1, attached.
    pub fn new() -> Self {
        Self::with(target_config(1))
    }

    pub fn with(config: TargetConfig) -> Self {
        Self::joined(|session| serving(config, session))
    }

    /// The home has a session, and its fence is to come.
    pub fn fencing(config: TargetConfig) -> Self {
        Self::joined(|session| Target::new(config, session))
    }

    fn joined(target: impl FnOnce(Box<dyn Session>) -> Target) -> Self {
        let array = Array::new(1);
        let target = target(array.log_in(1));
        let agent = Initiator::new(agent_config(1));
        let (completed, refusals, others) = (Vec::new(), Vec::new(), Vec::new());
        let (at_agent, at_home) = (Vec::new(), Vec::new());
        let mut pair = Self {
            now: SECOND,
            array,
            agent,
            target,
            silent: false,
            link: None,
            completed,
            refusals,
            others,
            at_agent,
            at_home,
            ended: 0,
            news: Vec::new(),
        };
        pair.set_home(1);
        pair
    }

    pub fn set_home(&mut self, epoch: u64) {
        self.agent.set_home(Some(Home { director: DirectorId(epoch), epoch: Epoch(epoch) }), self.now);
        self.turn();
    }

    /// The next epoch has a home after its fence.
    pub fn take_over(&mut self, epoch: u64) {
        self.target = serving(target_config(epoch), self.array.log_in(epoch));
        self.set_home(epoch);
    }

    /// The home of epoch 1 has another session at the SAN, after another fence.
    pub fn log_in_again(&mut self, login: u64) {
        self.target = serving(target_of_login(1, login), self.array.log_in(login));
        self.turn();
    }

    pub fn submit(&mut self, command: Command) -> CommandNumber {
        let number = self.agent.submit(command, self.now).expect("taken");
        self.turn();
        number
    }

    pub fn pass(&mut self, time: Nanos) {
        self.now += time;
        self.turn();
    }

    /// Cuts the connection; both ends notice.
    pub fn cut(&mut self) {
        let link = self.link.take().expect("a link");
        self.target.closed(link);
        self.agent.closed(link, self.now);
        self.turn();
    }

    /// Until nothing is left to do at this time.
    pub fn turn(&mut self) {
        self.agent.tick(self.now);
        self.target.poll(self.now);
        loop {
            let (agent, target) = (self.agent.effects(), self.target.effects());
            if agent.is_empty() && target.is_empty() {
                return;
            }
            agent.into_iter().for_each(|it| self.of_agent(it));
            target.into_iter().for_each(|it| self.of_target(it));
        }
    }

    fn of_agent(&mut self, effect: initiator::Effect) {
        match effect {
            initiator::Effect::Connect { link, .. } => {
                self.link = Some(link);
                self.agent.connected(link, self.now);
            }
            initiator::Effect::Send { parcel, .. } if self.silent => self.at_home.push(parcel.head.body),
            initiator::Effect::Send { link, parcel } => self.deliver(link, parcel),
            initiator::Effect::Completed { number, response } => self.completed.push((number, response)),
            initiator::Effect::Refused(refused) => self.refusals.push(refused),
            initiator::Effect::Close { link } => self.target.closed(link),
            other => self.others.push(other),
        }
    }

    fn deliver(&mut self, link: LinkId, parcel: Parcel) {
        self.at_home.push(parcel.head.body.clone());
        match &parcel.head.body {
            Body::Attach(attach) => {
                self.target.attach(link, parcel.head.epoch, attach, &server("s1"), self.now);
            }
            _ => self.target.received(link, parcel, self.now),
        }
    }

    fn of_target(&mut self, effect: target::Effect) {
        match effect {
            target::Effect::Send { parcel, .. } if self.silent => self.at_agent.push(parcel.head.body),
            target::Effect::Send { link, parcel } => {
                self.at_agent.push(parcel.head.body.clone());
                self.agent.received(link, parcel, self.now);
            }
            target::Effect::Close { link } => self.agent.closed(link, self.now),
            target::Effect::News(News::Ended(_)) => self.ended += 1,
            target::Effect::News(news) => self.news.push(news),
        }
    }

    pub fn answers(&self) -> Vec<u64> {
        self.completed.iter().map(|it| it.0.0).collect()
    }

    /// How often the array was given this command, by all homes together.
    pub fn given(&self, lba: u64) -> usize {
        self.array.lock().logins.values().flat_map(|it| &it.given).filter(|it| it.1 == lba).count()
    }
}
