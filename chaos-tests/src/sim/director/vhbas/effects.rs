//! What the takeover of a vHBA says, done.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use twinrail_failover::takeover::{Effect, Event, Heard, LoginNumber, ResetAnswer};
use twinrail_proto::domain::AdapterId;

use super::Session;
use crate::sim::bugs::Bug;
use crate::sim::context::Context;
use crate::sim::director::Director;
use crate::sim::observation::Observation;
use crate::sim::san::{self, Connection, Request};

/// How long a login may take before it is given up.
const LOGIN_WITHIN: Duration = Duration::from_secs(3);

impl Director {
    /// Tells the takeover, and does what it says, until nothing is left.
    pub(super) fn tell_vhba(&mut self, adapter: AdapterId, event: Event, ctx: &mut Context) {
        let now = self.now(ctx);
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(home) = self.vhbas.homes.get_mut(&adapter) else { return };
            for effect in home.takeover.on_event(event, now) {
                events.extend(self.run_effect(adapter, effect, ctx));
            }
        }
        self.tell_drained(adapter, ctx);
    }

    fn run_effect(&mut self, adapter: AdapterId, effect: Effect, ctx: &mut Context) -> Option<Event> {
        let now = self.now(ctx);
        let home = self.vhbas.homes.get_mut(&adapter)?;
        let login = home.session.as_ref().map(|it| it.login);
        let said = |heard| login.map(|login| Event::Session { login, heard });
        match effect {
            Effect::LogIn { login, .. } => self.log_in(adapter, login, ctx),
            Effect::Confirm { number } if ctx.has(Bug::NoConfirmation) => return Some(Event::Confirmed { number }),
            Effect::Confirm { number } => {
                home.question = Some((number, now));
                self.lease.renew_soon(now);
            }
            Effect::ResetLun(lun) if ctx.has(Bug::NoFence) => {
                return said(Heard::Reset { lun, answer: ResetAnswer::Complete });
            }
            Effect::ReportLuns => self.send_to_array(adapter, Request::ReportLuns, ctx),
            Effect::TestUnitReady(lun) => self.send_to_array(adapter, Request::Test(lun), ctx),
            Effect::ResetLun(lun) => self.send_to_array(adapter, Request::Reset(lun), ctx),
            Effect::LogOut => self.send_to_array(adapter, Request::LogOut, ctx),
            Effect::Replay(_) => return said(Heard::Replayed),
            Effect::Admit(_) => {
                home.admitted = true;
                let (director, epoch) = (self.me, home.wanted.epoch);
                let session = home.session.as_ref().map_or(0, |it| it.number);
                ctx.observe(&Observation::Admitted { director, adapter, epoch, session });
                self.notify_agents(ctx);
            }
            Effect::Withdraw(_) => home.admitted = false,
            Effect::Hold => {
                home.admitted = false;
                if let Some(session) = &mut home.session {
                    session.holding = true;
                }
            }
            Effect::Stop | Effect::Released(_) => self.drop_session(adapter, ctx),
            Effect::Report(_) => {}
            Effect::Register { .. } | Effect::GiveBack(_) => unreachable!("nothing is registered"),
        }
        None
    }

    fn log_in(&mut self, adapter: AdapterId, login: LoginNumber, ctx: &mut Context) {
        self.drop_session(adapter, ctx);
        self.vhbas.sessions += 1;
        let number = self.vhbas.sessions | u64::from(self.life) << 32;
        let give_up = Some(self.now(ctx) + LOGIN_WITHIN);
        if let Some(home) = self.vhbas.homes.get_mut(&adapter) {
            let executions = BTreeMap::new();
            home.session = Some(Session {
                number,
                login,
                give_up,
                holding: false,
                told_drained: false,
                executions,
                incarnation: None,
            });
        }
        self.send_to_array(adapter, Request::LogIn, ctx);
    }

    pub(super) fn drop_session(&mut self, adapter: AdapterId, ctx: &mut Context) {
        self.send_to_array(adapter, Request::Cut, ctx);
        if let Some(home) = self.vhbas.homes.get_mut(&adapter) {
            home.session = None;
            home.admitted = false;
        }
    }

    fn send_to_array(&self, adapter: AdapterId, request: Request, ctx: &mut Context) {
        let number = self.vhbas.homes.get(&adapter).and_then(|it| it.session.as_ref()).map(|it| it.number);
        if let Some(number) = number {
            san::send(Connection { director: self.me, life: self.life, adapter, number }, request, ctx);
        }
    }

    /// After a hold, when nothing is under way any more.
    pub(super) fn tell_drained(&mut self, adapter: AdapterId, ctx: &mut Context) {
        let Some(session) = self.vhbas.homes.get_mut(&adapter).and_then(|it| it.session.as_mut()) else { return };
        let busy = session.executions.values().any(Option::is_none);
        if session.holding && !busy && !std::mem::replace(&mut session.told_drained, true) {
            let login = session.login;
            self.tell_vhba(adapter, Event::Session { login, heard: Heard::Drained }, ctx);
        }
    }
}
