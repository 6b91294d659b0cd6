//! Announcements, as `datapath::director::announce` makes them: the first waits for the server, for a while; they are repeated,
//! and end early when the LAN has sent something for the adapter since the last one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use twinrail_failover::Moment;
use twinrail_proto::domain::{AdapterId, Epoch};

use super::Director;
use super::carriage::Row;
use crate::sim::context::Context;
use crate::sim::observation::Observation;

const SCHEDULE_MS: [u64; 9] = [0, 5, 20, 50, 100, 250, 500, 1000, 2000];
/// The first step that may be left out.
const SETTLED: usize = 5;
const PATIENCE: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Announcer {
    pending: BTreeMap<AdapterId, Pending>,
    taken_up: BTreeMap<AdapterId, Epoch>,
    ever: BTreeSet<AdapterId>,
}

#[derive(Debug)]
struct Pending {
    epoch: Epoch,
    started: Option<Moment>,
    since: Option<Moment>,
    step: usize,
    unicast: u64,
}

impl Announcer {
    pub fn adopt(&mut self, rows: &BTreeMap<AdapterId, Row>, only_once: bool) {
        let before = std::mem::take(&mut self.taken_up);
        for (&adapter, row) in rows.iter().filter(|(_, it)| it.carry) {
            self.taken_up.insert(adapter, row.epoch);
            let skipped = !self.ever.insert(adapter) && only_once;
            if before.get(&adapter) != Some(&row.epoch) && !skipped {
                let epoch = row.epoch;
                self.pending.insert(adapter, Pending { epoch, started: None, since: None, step: 0, unicast: 0 });
            }
        }
        let taken_up = &self.taken_up;
        self.pending.retain(|adapter, it| taken_up.get(adapter) == Some(&it.epoch));
    }

    fn due(&mut self, rows: &BTreeMap<AdapterId, Row>, now: Moment) -> Vec<AdapterId> {
        let mut due = Vec::new();
        self.pending.retain(|adapter, it| {
            let Some(row) = rows.get(adapter) else { return false };
            let since = *it.since.get_or_insert(now);
            let ready = row.ready == Some(it.epoch) || now >= since + PATIENCE;
            if it.started.is_none() && !ready {
                return true;
            }
            let started = *it.started.get_or_insert(now);
            if now < started + Duration::from_millis(SCHEDULE_MS[it.step]) {
                return true;
            }
            if it.step >= SETTLED && row.unicast > it.unicast {
                return false;
            }
            it.unicast = row.unicast;
            due.push(*adapter);
            it.step += 1;
            it.step < SCHEDULE_MS.len()
        });
        due
    }
}

impl Director {
    pub(super) fn announce(&mut self, ctx: &mut Context) {
        let now = self.now(ctx);
        if !self.may_carry(ctx) {
            return;
        }
        for adapter in self.carriage.announcer.due(&self.carriage.rows, now) {
            let row = &self.carriage.rows[&adapter];
            ctx.observe(&Observation::Acted { director: self.me });
            let (director, epoch, mac, sent) = (self.me, row.epoch, row.mac, ctx.now);
            ctx.observe(&Observation::ToLan { director, adapter, epoch, mac, server: None, sent });
            ctx.enter_switch(self.me, adapter, mac, None);
        }
    }
}
