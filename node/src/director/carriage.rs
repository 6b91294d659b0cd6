//! What this director carries: the replicated state, put into force in the datapath and with the vHBAs.
//!
//! ```text
//!   applied events ──▶ does one concern us? ─┬▶ table ──▶ datapath.publish ──▶ agents are told, who then
//!                                            │                │               switch to this director
//!                                            │                └──▶ the receipt of the failover: "carrying"
//!                                            └▶ vhbas.publish ──▶ … its fence … ──▶ admitted: the same two
//! ```
//!
//! A revision is in force when both carry nothing any more that it takes away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use twinrail_datapath::{Carry, DirectorTable, Problem};
use twinrail_proto::domain::{AdapterId, Epoch, FailoverReceipt, Name, Resource, ResourceKind, Revision};
use twinrail_proto::grpc::internal::v1::CarriageReport;
use twinrail_raft_store::state::{Change, Event};
use twinrail_raft_store::store::Notice;

use super::core::{Core, SharedCore, unix_millis};
use super::reports::Reports;
use super::table::director_table;
use super::vhba::{Admission, Admitted, Renew, phase_times};
use crate::problems::Problems;
use crate::telemetry;

/// What goes to another home is told to its server first, and put into force here so much later: its frames wait in the
/// server's device by then, instead of coming here to be refused. Until then this director carries in the old epoch what comes
/// from the LAN, which learns of the new home only when that is ready. Less than what a server waits for a new home's word: after
/// that it refuses the old epoch.
const HAND_OVER: Duration = Duration::from_millis(30);

pub struct Carriage {
    carried: RwLock<Carried>,
    enforced: watch::Sender<Revision>,
    published: watch::Sender<()>,
    renew: Notify,
    problems: Mutex<Problems>,
}

#[derive(Default)]
struct Carried {
    vnics: BTreeMap<AdapterId, Epoch>,
    vhbas: BTreeMap<AdapterId, Epoch>,
    reports: Reports,
}

impl Default for Carriage {
    fn default() -> Self {
        Self {
            carried: RwLock::default(),
            enforced: watch::Sender::new(Revision(0)),
            published: watch::Sender::new(()),
            renew: Notify::new(),
            problems: Mutex::default(),
        }
    }
}

impl Carriage {
    pub fn carries(&self, adapter: AdapterId, epoch: Epoch) -> bool {
        let carried = self.carried.read();
        carried.vnics.get(&adapter).or(carried.vhbas.get(&adapter)) == Some(&epoch)
    }

    pub fn count(&self) -> usize {
        let carried = self.carried.read();
        carried.vnics.len() + carried.vhbas.len()
    }

    /// The revision that the datapath has put into force.
    pub fn enforced(&self) -> watch::Receiver<Revision> {
        self.enforced.subscribe()
    }

    /// Changes whenever the datapath got a new table.
    pub fn published(&self) -> watch::Receiver<()> {
        self.published.subscribe()
    }

    /// Whether a vNIC that is carried here has another home now.
    fn loses(&self, core: &Core) -> bool {
        let state = core.state.read();
        let elsewhere = |id: &AdapterId| {
            state.adapter(*id).is_some_and(|(_, it)| it.home.director.as_ref().is_some_and(|home| *home != core.own))
        };
        self.carried.read().vnics.keys().any(elsewhere)
    }

    /// Makes the table be published again.
    pub fn renew(&self) {
        self.renew.notify_one();
    }

    /// The datapath announced an adapter on its LAN for the first time in this epoch.
    pub fn announced(&self, adapter: AdapterId, epoch: Epoch) {
        self.carried.write().reports.announced(adapter, epoch, unix_millis());
    }

    /// This director decided a failover, and knows now that it is committed.
    pub fn committed(&self, failover: &Name) {
        self.carried.write().reports.committed(failover, unix_millis());
    }

    /// What the leader has not heard yet of failovers.
    pub fn reports(&self) -> Vec<CarriageReport> {
        self.carried.read().reports.news()
    }

    /// The leader has taken these reports.
    pub fn reported(&self, reports: &[CarriageReport]) {
        self.carried.write().reports.told(reports);
    }

    /// These vHBAs are admitted now: their fences are over.
    fn admitted(&self, vhbas: &BTreeMap<AdapterId, Admitted>, own: &Name) {
        let mut carried = self.carried.write();
        for (&adapter, it) in vhbas {
            let Admitted { admission: Admission { epoch, phases }, since } = it;
            for trace_id in carried.reports.admitted(adapter, *epoch, *since, &phase_times(phases)) {
                trace_admission(&trace_id, own, adapter, *epoch);
            }
        }
        carried.vhbas = vhbas.iter().map(|(&adapter, it)| (adapter, it.admission.epoch)).collect();
    }

    /// The datapath carries these now.
    fn carrying(&self, adapters: BTreeMap<AdapterId, Epoch>) {
        let mut carried = self.carried.write();
        carried.reports.carrying(&adapters, unix_millis());
        carried.vnics = adapters;
    }
}

/// Which servers' assignments a batch of events touches.
#[derive(Default)]
struct Touched {
    datapath: bool,
    everybody: bool,
    servers: BTreeSet<Name>,
    receipts: Vec<FailoverReceipt>,
}

/// Puts every applied revision into force, until the state machine ends. The vHBAs' thread takes a table when it has its turn;
/// nothing else waits for that.
pub async fn enforce(core: SharedCore) {
    let mut applied = core.state.applied();
    let mut adopted = core.vhbas.adopted();
    let mut notices = core.state.subscribe();
    // Profile → the server it was last seen bound to: an event says only what is, not what was.
    let mut bound = bindings(&core);
    let renew = renewer(&core);
    let mut latest = publish(&core, &Touched::everything(), &renew);
    let mut pending = Pending::default();
    loop {
        let revision = *applied.borrow_and_update();
        // The notices of a revision are there before it counts as applied.
        let touched = drain(&mut notices, &mut bound).unwrap_or_else(|| {
            bound = bindings(&core);
            Touched::everything()
        });
        if touched.datapath {
            if core.carriage.loses(&core) {
                core.agents.notify((!touched.everybody).then_some(&touched.servers));
                tokio::time::sleep(HAND_OVER).await;
            }
            let started = tokio::time::Instant::now();
            latest = publish(&core, &touched, &renew);
            tracing::debug!(revision = revision.0, took = ?started.elapsed(), "in force");
        }
        pending.add(latest, revision);
        let taken = *adopted.borrow_and_update();
        if let Some(revision) = pending.take(taken) {
            core.carriage.enforced.send_if_modified(|it| std::mem::replace(it, revision.max(*it)) < revision);
            core.wake_reconciler();
        }
        if taken == latest {
            core.vhbas.close_given_up();
        }
        tokio::select! {
            changed = applied.changed() => if changed.is_err() { return },
            Ok(()) = adopted.changed() => {}
            () = core.carriage.renew.notified() => latest = publish(&core, &Touched::everything(), &renew),
        }
    }
}

/// Revisions that the datapath has put into force, and the vHBAs' thread not yet: by the numbers of its tables.
#[derive(Default)]
struct Pending(BTreeMap<u64, Revision>);

impl Pending {
    /// The revision is in force when this table is.
    fn add(&mut self, table: u64, revision: Revision) {
        self.0.insert(table, revision);
    }

    /// The newest revision that is in force with this table.
    fn take(&mut self, table: u64) -> Option<Revision> {
        let later = self.0.split_off(&(table + 1));
        std::mem::replace(&mut self.0, later).pop_last().map(|(_, revision)| revision)
    }
}

/// The vHBAs ask for a new table when a SAN can be used that could not be before.
fn renewer(core: &SharedCore) -> Renew {
    let core = Arc::downgrade(core);
    Arc::new(move || {
        if let Some(core) = core.upgrade() {
            core.carriage.renew();
        }
    })
}

/// Takes over what the vHBAs' thread admits, for receipts and agents.
pub async fn follow_vhbas(core: SharedCore) {
    let mut changed = core.vhbas.changed();
    while changed.changed().await.is_ok() {
        core.carriage.admitted(&core.vhbas.admitted(), &core.own);
        core.carriage.published.send_replace(());
        core.agents.notify(None);
    }
}

fn bindings(core: &Core) -> BTreeMap<Name, Name> {
    let state = core.state.read();
    let profiles = state.profiles().values().map(|it| &it.value);
    profiles.filter_map(|it| Some((it.name.clone(), it.binding.as_ref()?.server.clone()))).collect()
}

/// What waits in the queue; `None` when something was missed and all must be looked at anew.
fn drain(notices: &mut broadcast::Receiver<Notice>, bound: &mut BTreeMap<Name, Name>) -> Option<Touched> {
    let mut touched = Touched::default();
    let mut missed = false;
    loop {
        match notices.try_recv() {
            Ok(Notice::Changed(changed)) => changed.events.iter().for_each(|event| touch(&mut touched, bound, event)),
            Ok(Notice::Restored(_)) | Err(TryRecvError::Lagged(_)) => missed = true,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return (!missed).then_some(touched),
        }
    }
}

impl Touched {
    fn everything() -> Self {
        Self { datapath: true, everybody: true, ..Self::default() }
    }
}

fn touch(touched: &mut Touched, bound: &mut BTreeMap<Name, Name>, event: &Event) {
    match event.key.kind {
        ResourceKind::Director => {
            touched.datapath = true;
            touched.everybody = true;
        }
        ResourceKind::Server | ResourceKind::Lan | ResourceKind::San => touched.datapath = true,
        ResourceKind::Profile => touch_profile(touched, bound, event),
        ResourceKind::Failover => {
            if let (Change::Created, Some(Resource::Failover(receipt))) = (event.change, &event.resource) {
                touched.datapath = true;
                touched.receipts.push((**receipt).clone());
            }
        }
        ResourceKind::Pool | ResourceKind::QosPolicy | ResourceKind::Template => {}
    }
}

fn touch_profile(touched: &mut Touched, bound: &mut BTreeMap<Name, Name>, event: &Event) {
    let now = match &event.resource {
        Some(Resource::Profile(profile)) => profile.binding.as_ref().map(|binding| binding.server.clone()),
        _ => None,
    };
    let before = match &now {
        Some(server) => bound.insert(event.key.name.clone(), server.clone()),
        None => bound.remove(&event.key.name),
    };
    touched.datapath |= now.is_some() || before.is_some();
    touched.servers.extend(now.into_iter().chain(before));
}

/// New tables, and everybody whom they concern is told; what is admitted of vHBAs is told when it is. Returns the number of the
/// vHBAs' table.
fn publish(core: &Core, touched: &Touched, renew: &Renew) -> u64 {
    for receipt in &touched.receipts {
        core.carriage.carried.write().reports.expect(receipt, &core.own);
    }
    publish_vnics(core, touched);
    core.carriage.published.send_replace(());
    core.agents.notify((!touched.everybody).then_some(&touched.servers));
    // Last: on a busy machine the thread that is rung for takes this one's place for a while.
    core.vhbas.publish(&core.state, renew)
}

fn publish_vnics(core: &Core, touched: &Touched) {
    let table = {
        let state = core.state.read();
        // While the cluster is being founded the list is not whole yet: the configuration knows better.
        if state.cluster().is_some() {
            core.members.update(state.directors().values().map(|it| &it.value));
        }
        director_table(&state, &core.members, &core.own)
    };
    let members = core.members.all();
    core.links.set_peers(members.iter().map(|(name, it)| (name.clone(), it.rails)));
    let carried = carried(&table);
    let table_lans: BTreeMap<AdapterId, Name> = table.adapters.iter().map(|it| (it.id, it.lan.clone())).collect();
    let report = core.datapath.publish(table);
    core.carriage.problems.lock().tell(&report.problems, "the table");
    let carried = without_port(carried, &table_lans, &report.problems);
    for receipt in &touched.receipts {
        trace_carriage(receipt, &carried);
    }
    core.carriage.carrying(carried);
}

fn carried(table: &DirectorTable) -> BTreeMap<AdapterId, Epoch> {
    let carried = table.adapters.iter().filter(|it| it.state == Carry::Carry);
    carried.map(|it| (it.id, it.epoch)).collect()
}

/// What the table asks for, less what its LAN's port cannot carry.
fn without_port(
    mut carried: BTreeMap<AdapterId, Epoch>,
    lans: &BTreeMap<AdapterId, Name>,
    problems: &[Problem],
) -> BTreeMap<AdapterId, Epoch> {
    for problem in problems {
        if let Problem::Port { lan, .. } | Problem::UnknownLan { lan, .. } = problem {
            carried.retain(|adapter, _| lans.get(adapter) != Some(lan));
        }
    }
    carried
}

/// This director's part of the failover, in the trace that the leader started. vHBAs follow when their fences are over.
fn trace_carriage(receipt: &FailoverReceipt, carried: &BTreeMap<AdapterId, Epoch>) {
    let Some(traceparent) = receipt.trace_id.as_deref().and_then(telemetry::traceparent_of) else { return };
    for it in receipt.moves.iter().filter(|it| carried.get(&it.adapter) == Some(&it.epoch)) {
        let director = it.to.as_ref().map(Name::as_str);
        let span =
            tracing::info_span!("carry", director, adapter = it.adapter.0, epoch = it.epoch.0, resource = %it.resource);
        telemetry::continue_trace(&span, &traceparent);
        span.in_scope(|| tracing::info!(failover = %receipt.name, "carrying"));
    }
}

fn trace_admission(trace_id: &str, own: &Name, adapter: AdapterId, epoch: Epoch) {
    let Some(traceparent) = telemetry::traceparent_of(trace_id) else { return };
    let span = tracing::info_span!("carry", director = %own, adapter = adapter.0, epoch = epoch.0);
    telemetry::continue_trace(&span, &traceparent);
    span.in_scope(|| tracing::info!("the vHBA's fence is over"));
}

/// What the datapath's threads say, turned into news for the rest of the process. The callback must be cheap and never
/// block: a full queue drops the news, and the next one brings the whole picture of the paths.
pub fn datapath_events(
    queue: mpsc::Sender<twinrail_datapath::Event>,
) -> Box<dyn Fn(twinrail_datapath::Event) + Send + Sync> {
    Box::new(move |event| {
        let _ = queue.try_send(event);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_in_force_with_the_table_that_was_made_for_it() {
        let mut pending = Pending::default();
        pending.add(1, Revision(10));
        assert_eq!(pending.take(0), None);
        pending.add(1, Revision(11));
        pending.add(2, Revision(12));
        pending.add(3, Revision(13));
        assert_eq!(pending.take(2), Some(Revision(12)), "with what came before it");
        assert_eq!(pending.take(2), None);
        assert_eq!(pending.take(9), Some(Revision(13)));
    }
}
