//! What the thread of the vHBAs and the rest of the director leave for each other. Nobody waits here: a lock is held for as
//! long as it takes to put something down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use twinrail_datapath::{Bell, Grant};
use twinrail_proto::domain::{AdapterId, UnixMillis};

use super::home::{Admission, Facts};
use super::table::VhbaTable;
use crate::director::core::unix_millis;

/// For the thread. A newer table or grant takes the place of an older one.
#[derive(Default)]
pub struct Orders {
    pub table: Option<(u64, VhbaTable)>,
    pub grant: Option<Grant>,
    pub rescans: BTreeSet<AdapterId>,
}

/// Since when commands pass, and what the fence took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    pub admission: Admission,
    pub since: UnixMillis,
}

pub struct Board {
    orders: Mutex<Orders>,
    stop: AtomicBool,
    bell: Bell,
    adopted: watch::Sender<u64>,
    admitted: Mutex<BTreeMap<AdapterId, Admitted>>,
    /// The set of those that are admitted has changed.
    changed: watch::Sender<()>,
    facts: Mutex<BTreeMap<AdapterId, Facts>>,
    hurry: Notify,
    ended: Notify,
}

impl Board {
    pub fn new(bell: Bell) -> Self {
        Self {
            orders: Mutex::default(),
            stop: AtomicBool::new(false),
            bell,
            adopted: watch::Sender::new(0),
            admitted: Mutex::default(),
            changed: watch::Sender::new(()),
            facts: Mutex::default(),
            hurry: Notify::new(),
            ended: Notify::new(),
        }
    }
}

/// The thread's side.
impl Board {
    pub fn take_orders(&self) -> Orders {
        std::mem::take(&mut *self.orders.lock())
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub fn adopt(&self, number: u64) {
        self.adopted.send_replace(number);
    }

    pub fn show_admitted<'a>(&self, now: impl Iterator<Item = (AdapterId, &'a Admission)>) {
        let mut admitted = self.admitted.lock();
        let now: BTreeMap<AdapterId, &Admission> = now.collect();
        let before = admitted.len();
        admitted.retain(|adapter, it| now.get(adapter) == Some(&&it.admission));
        let mut changed = admitted.len() != before;
        for (adapter, admission) in now {
            admitted.entry(adapter).or_insert_with(|| {
                changed = true;
                Admitted { admission: admission.clone(), since: unix_millis() }
            });
        }
        drop(admitted);
        if changed {
            self.changed.send_replace(());
        }
    }

    pub fn show_facts(&self, facts: BTreeMap<AdapterId, Facts>) {
        *self.facts.lock() = facts;
    }

    /// The thread is over.
    pub fn end(&self) {
        self.ended.notify_one();
    }

    /// A round that is asked for from now on is waited for.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }
}

/// Everybody else's side.
impl Board {
    /// `number` grows. It is adopted when the thread carries nothing that the table takes away.
    pub fn publish(&self, number: u64, table: VhbaTable) {
        self.orders.lock().table = Some((number, table));
        self.bell.ring();
    }

    pub fn grant(&self, grant: Grant) {
        let mut orders = self.orders.lock();
        let Grant { asked_at, until } = orders.grant.unwrap_or(grant);
        let (asked_at, until) = (asked_at.max(grant.asked_at), until.max(grant.until));
        orders.grant = Some(Grant { asked_at, until });
        drop(orders);
        self.bell.ring();
    }

    pub fn rescan(&self, adapter: AdapterId) {
        self.orders.lock().rescans.insert(adapter);
        self.bell.ring();
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
    }

    pub fn adopted(&self) -> watch::Receiver<u64> {
        self.adopted.subscribe()
    }

    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub fn admitted(&self) -> BTreeMap<AdapterId, Admitted> {
        self.admitted.lock().clone()
    }

    pub fn facts(&self) -> BTreeMap<AdapterId, Facts> {
        self.facts.lock().clone()
    }

    /// Returns when a lease should be asked for at once.
    pub async fn hurried(&self) {
        self.hurry.notified().await;
    }

    pub async fn ended(&self) {
        self.ended.notified().await;
    }
}
