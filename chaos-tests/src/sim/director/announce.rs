//! Announcements: the datapath's own [`Pace`], on the director's clock.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_datapath::{Nanos, Pace};
use twinrail_proto::domain::{AdapterId, Epoch};

use super::Director;
use super::carriage::Row;
use crate::sim::bugs::Bug;
use crate::sim::context::Context;
use crate::sim::observation::Observation;

#[derive(Debug, Default)]
pub(super) struct Announcer {
    pending: BTreeMap<AdapterId, (Epoch, Pace)>,
    taken_up: BTreeMap<AdapterId, Epoch>,
    ever: BTreeSet<AdapterId>,
}

impl Announcer {
    pub fn adopt(&mut self, rows: &BTreeMap<AdapterId, Row>, only_once: bool) {
        let before = std::mem::take(&mut self.taken_up);
        for (&adapter, row) in rows.iter().filter(|(_, it)| it.carry) {
            self.taken_up.insert(adapter, row.epoch);
            let skipped = !self.ever.insert(adapter) && only_once;
            if before.get(&adapter) != Some(&row.epoch) && !skipped {
                self.pending.insert(adapter, (row.epoch, Pace::default()));
            }
        }
        let taken_up = &self.taken_up;
        self.pending.retain(|adapter, (epoch, _)| taken_up.get(adapter) == Some(epoch));
    }

    fn due(&mut self, rows: &BTreeMap<AdapterId, Row>, unheard: bool, now: Nanos) -> Vec<AdapterId> {
        let mut due = Vec::new();
        self.pending.retain(|adapter, (epoch, pace)| {
            let Some(row) = rows.get(adapter) else { return false };
            let heard =
                row.ready.filter(|it| it.epoch == *epoch).map(|it| if unheard { now } else { it.heard.as_nanos() });
            if pace.is_due(heard, now) {
                due.push(*adapter);
            }
            !pace.is_over()
        });
        due
    }
}

impl Director {
    pub(super) fn announce(&mut self, ctx: &mut Context) {
        if !self.may_carry(ctx) {
            return;
        }
        let now = self.now(ctx).as_nanos();
        let unheard = ctx.has(Bug::AnnounceUnheard);
        for adapter in self.carriage.announcer.due(&self.carriage.rows, unheard, now) {
            let row = &self.carriage.rows[&adapter];
            ctx.observe(&Observation::Acted { director: self.me });
            let (director, epoch, mac, sent) = (self.me, row.epoch, row.mac, ctx.now);
            ctx.observe(&Observation::ToLan { director, adapter, epoch, mac, server: None, sent });
            ctx.enter_switch(self.me, adapter, mac, None);
        }
    }
}
