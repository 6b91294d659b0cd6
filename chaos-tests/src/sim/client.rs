//! A client of the API: one call at a time, tried again with the same request id at another director when no answer comes, and
//! given up at last. One client watches what changes instead.

use std::rc::Rc;

use twinrail_proto::domain::{MacSource, Mtu, Name, QosPolicy, Revision, VlanMode};
use twinrail_raft_store::state::{Operation, ProfileSpec, VnicSpec};

use super::bugs::Bug;
use super::context::{Context, Event};
use super::message::{Answer, Call, Intent, Message};
use super::network::Node;
use super::observation::{CallEnd, CallKind, Observation};
use super::queue::{MILLI, Nanos};
use super::rng::{Rng, Stream};

pub const REGISTERS: usize = 2;
const TICK: Nanos = 20 * MILLI;
/// No answer for so long: the call is tried again elsewhere.
const RETRY: Nanos = 400 * MILLI;
const TRIES: u32 = 5;

pub fn register_name(register: usize) -> Name {
    Name::new(format!("r{register}")).expect("a letter and digits are a name")
}

/// As the world makes them.
pub fn register(register: usize, value: u32) -> QosPolicy {
    QosPolicy { name: register_name(register), min_mbps: 0, max_mbps: value, burst_kib: 64, priority: 0 }
}

pub fn vnic_spec() -> VnicSpec {
    let name = |text: &str| text.parse().expect("a name");
    let (lan, mac) = (name("prod"), MacSource::Pool(name("macs")));
    VnicSpec { lan, vlan: VlanMode::Native, mtu: Mtu::DEFAULT, qos: None, mac }
}

#[derive(Debug)]
pub struct Client {
    me: u8,
    watches: bool,
    rng: Rng,
    numbers: u64,
    under_way: Option<UnderWay>,
    rest_until: Nanos,
    watched: Revision,
    /// Changes homes and bindings, too. Not while the world is to come to rest.
    pub meddles: bool,
    /// Begins nothing any more.
    pub rests: bool,
    /// To be called next, until it was answered.
    pub orders: Vec<Intent>,
    /// When a write of a register was acknowledged last.
    pub wrote: Nanos,
}

#[derive(Debug)]
struct UnderWay {
    call: Rc<Call>,
    tries: u32,
    retry_at: Nanos,
}

impl Client {
    pub fn new(me: u8, watches: bool, ctx: &Context) -> Self {
        let rng = ctx.rng_of(Stream::Clients, Node::Client(me), 0);
        let watched = Revision(ctx.judge.committed);
        Self {
            me,
            watches,
            rng,
            numbers: 0,
            under_way: None,
            rest_until: 0,
            watched,
            meddles: true,
            rests: false,
            orders: Vec::new(),
            wrote: 0,
        }
    }

    pub fn node(&self) -> Node {
        Node::Client(self.me)
    }

    pub fn tick(&mut self, ctx: &mut Context) {
        ctx.queue.push(ctx.now + TICK, Event::Tick { node: self.node(), life: 0 });
        match &self.under_way {
            Some(it) if ctx.now >= it.retry_at => self.retry(ctx),
            Some(_) => {}
            None if ctx.now >= self.rest_until && !self.rests => self.begin(ctx),
            None => {}
        }
    }

    pub fn on_answer(&mut self, number: u64, answer: Answer, ctx: &mut Context) {
        let Some(UnderWay { call, .. }) = self.under_way.take_if(|it| it.call.number == number) else { return };
        self.rest_until = ctx.now + self.rng.between(5, 120) * MILLI;
        let end = match answer {
            Answer::Done { revision } => CallEnd::Done { revision },
            Answer::Rejected => CallEnd::Rejected,
            Answer::Value(value) => CallEnd::Value(value),
            Answer::Revisions { after, revisions, upto } => {
                if after == self.watched {
                    ctx.observe(&Observation::Watched { client: self.me, after, revisions: &revisions, upto });
                    self.watched = upto;
                }
                return;
            }
            Answer::Compacted { upto } => return self.watched = self.watched.max(upto),
        };
        if let (CallEnd::Done { .. }, Some(CallKind::Write { .. })) = (&end, kind(&call)) {
            self.wrote = ctx.now;
        }
        ctx.observe(&Observation::CallEnded { client: self.me, number, end });
    }

    fn begin(&mut self, ctx: &mut Context) {
        self.numbers += 1;
        let (client, number) = (self.me, self.numbers);
        let intent = if self.watches { Intent::Watch { after: self.watched } } else { self.draw(ctx) };
        let call = Rc::new(Call { client, number, request: format!("c{client}-{number}"), intent });
        if let Some(what) = kind(&call) {
            ctx.observe(&Observation::CallBegan { client, number, what });
        }
        self.under_way = Some(UnderWay { call: call.clone(), tries: 1, retry_at: ctx.now + RETRY });
        self.send(call, ctx);
    }

    fn retry(&mut self, ctx: &mut Context) {
        let Some(mut it) = self.under_way.take() else { return };
        if it.tries >= TRIES {
            let number = it.call.number;
            if let Intent::SetDrained { .. } = it.call.intent
                && !self.meddles
            {
                self.orders.push(it.call.intent.clone());
            }
            if kind(&it.call).is_some() {
                ctx.observe(&Observation::CallEnded { client: self.me, number, end: CallEnd::Unknown });
            }
            return;
        }
        (it.tries, it.retry_at) = (it.tries + 1, ctx.now + RETRY);
        if ctx.has(Bug::NewIdEachTry) {
            let request = format!("c{}-{}-{}", self.me, it.call.number, it.tries);
            it.call = Rc::new(Call { request, ..(*it.call).clone() });
        }
        self.send(it.call.clone(), ctx);
        self.under_way = Some(it);
    }

    fn send(&mut self, call: Rc<Call>, ctx: &mut Context) {
        let director = self.rng.below(ctx.names.directors.len() as u64) as u8;
        ctx.send(self.node(), Node::Director(director), Message::Call(call));
    }

    fn draw(&mut self, ctx: &Context) -> Intent {
        if let Some(order) = self.orders.pop() {
            return order;
        }
        let chosen = self.rng.below(1000);
        match chosen {
            0..350 => {
                let value = (self.numbers as u32) << 4 | u32::from(self.me);
                let policy = register(self.rng.below(REGISTERS as u64) as usize, value);
                Intent::Apply(Operation::UpdateQosPolicy { policy, if_match: None })
            }
            _ if chosen < 700 || !self.meddles => {
                Intent::Read { register: register_name(self.rng.below(REGISTERS as u64) as usize) }
            }
            _ => self.draw_change(ctx),
        }
    }

    fn draw_change(&mut self, ctx: &Context) -> Intent {
        let profiles = u64::from(ctx.params.profiles) + 2;
        let number = self.rng.below(profiles);
        let profile = Name::new(format!("p{number}")).expect("a letter and digits are a name");
        let server = self.rng.pick(&ctx.names.servers).clone();
        let director = self.rng.pick(&ctx.names.directors).clone();
        let if_match = None;
        match self.rng.below(100) {
            0..40 => Intent::Apply(Operation::ReleaseProfile { profile, to: Some(server), if_match }),
            40..46 => Intent::Apply(Operation::ReleaseProfile { profile, to: None, if_match }),
            46..60 => Intent::Apply(Operation::BindProfile { profile, server, homes: Vec::new(), if_match }),
            60..68 => {
                let spec = ProfileSpec { vnics: [(vnic_name(number), vnic_spec())].into(), ..ProfileSpec::default() };
                Intent::Apply(Operation::CreateProfile { name: profile, spec })
            }
            68..74 => Intent::Apply(Operation::DeleteProfile { name: profile, if_match }),
            74..82 => Intent::Rebalance,
            82..90 => Intent::MoveHome { profile, to: director },
            90..94 => Intent::SetDrained { director, drained: true },
            _ => Intent::SetDrained { director, drained: false },
        }
    }
}

/// Of a profile's only vNIC: a server has no two devices of one name.
pub fn vnic_name(profile: u64) -> Name {
    Name::new(format!("e{profile}")).expect("a letter and digits are a name")
}

/// None: a watch, which is judged by what it sees.
fn kind(call: &Call) -> Option<CallKind> {
    let of = |name: &Name| (0..REGISTERS).find(|it| register_name(*it) == *name).expect("one of the registers");
    match &call.intent {
        Intent::Apply(Operation::UpdateQosPolicy { policy, .. }) => {
            Some(CallKind::Write { register: of(&policy.name), value: policy.max_mbps })
        }
        Intent::Read { register } => Some(CallKind::Read { register: of(register) }),
        Intent::Watch { .. } => None,
        _ => Some(CallKind::Change { request: call.request.clone() }),
    }
}
