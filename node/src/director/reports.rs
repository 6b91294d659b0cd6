//! What this director knows of failovers and the leader does not yet: when it carried and announced what it was given, and
//! when it knew that what it decided was committed.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch, FailoverReceipt, Name, UnixMillis};
use twinrail_proto::grpc::internal::v1::{AdapterPhases, AdapterTime, CarriageReport, PhaseTime};

/// Receipts whose times wait to reach the leader; beyond it the oldest are forgotten, and stay incomplete.
const MAX_REPORTS: usize = 64;

#[derive(Default)]
pub struct Reports(BTreeMap<Name, Report>);

#[derive(Default)]
struct Report {
    /// What the failover gave to this director.
    epochs: BTreeMap<AdapterId, Epoch>,
    carrying: BTreeMap<AdapterId, UnixMillis>,
    announced: BTreeMap<AdapterId, UnixMillis>,
    /// Of vHBAs: what their fences took.
    phases: BTreeMap<AdapterId, Vec<PhaseTime>>,
    trace_id: Option<String>,
    /// Only of what this director decided.
    committed: Option<UnixMillis>,
    told: Extent,
}

/// How much there is to tell: how many adapters are carried and announced, and whether the commit is known.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Extent {
    carrying: usize,
    announced: usize,
    committed: bool,
}

impl Reports {
    /// What this failover gives to this director is reported from now on: the first announcement may come at once.
    pub fn expect(&mut self, receipt: &FailoverReceipt, own: &Name) {
        let mine = receipt.moves.iter().filter(|it| it.to.as_ref() == Some(own));
        let epochs: BTreeMap<AdapterId, Epoch> = mine.map(|it| (it.adapter, it.epoch)).collect();
        if !epochs.is_empty() {
            let report = self.of(&receipt.name);
            (report.epochs, report.trace_id) = (epochs, receipt.trace_id.clone());
        }
    }

    /// This director decided the failover, and knows that it is committed.
    pub fn committed(&mut self, failover: &Name, now: UnixMillis) {
        self.of(failover).committed = Some(now);
    }

    /// The datapath carries these now.
    pub fn carrying(&mut self, adapters: &BTreeMap<AdapterId, Epoch>, now: UnixMillis) {
        for report in self.0.values_mut() {
            for (adapter, epoch) in &report.epochs {
                if adapters.get(adapter) == Some(epoch) {
                    report.carrying.entry(*adapter).or_insert(now);
                }
            }
        }
    }

    /// The fence of a vHBA is over since then; its login is all the announcement that it needs. Gives the traces in which that
    /// is news.
    pub fn admitted(
        &mut self,
        adapter: AdapterId,
        epoch: Epoch,
        since: UnixMillis,
        phases: &[PhaseTime],
    ) -> Vec<String> {
        let given = self.0.values_mut().filter(|it| it.epochs.get(&adapter) == Some(&epoch));
        let news = given.filter_map(|report| {
            report.announced.entry(adapter).or_insert(since);
            report.phases.entry(adapter).or_insert_with(|| phases.to_vec());
            let first = !report.carrying.contains_key(&adapter);
            report.carrying.entry(adapter).or_insert(since);
            report.trace_id.clone().filter(|_| first)
        });
        news.collect()
    }

    /// The datapath announced an adapter on its LAN for the first time in this epoch.
    pub fn announced(&mut self, adapter: AdapterId, epoch: Epoch, now: UnixMillis) {
        for report in self.0.values_mut() {
            if report.epochs.get(&adapter) == Some(&epoch) {
                report.announced.entry(adapter).or_insert(now);
            }
        }
    }

    /// What the leader has not heard yet.
    pub fn news(&self) -> Vec<CarriageReport> {
        let news = self.0.iter().filter(|(_, it)| it.told != it.extent());
        news.map(|(failover, it)| CarriageReport {
            failover: failover.to_string(),
            carrying: times(&it.carrying),
            announced: times(&it.announced),
            phases: it.phases.iter().map(adapter_phases).collect(),
            committed: it.committed,
        })
        .collect()
    }

    /// The leader has taken these reports; what is complete is forgotten.
    pub fn told(&mut self, reports: &[CarriageReport]) {
        for it in reports {
            let Ok(name) = Name::new(&it.failover) else { continue };
            if let Some(report) = self.0.get_mut(&name) {
                let (carrying, announced) = (it.carrying.len(), it.announced.len());
                report.told = Extent { carrying, announced, committed: it.committed.is_some() };
            }
        }
        self.0.retain(|_, it| !it.is_over());
    }

    fn of(&mut self, failover: &Name) -> &mut Report {
        if !self.0.contains_key(failover) && self.0.len() >= MAX_REPORTS {
            self.0.pop_first();
        }
        self.0.entry(failover.clone()).or_default()
    }
}

impl Report {
    fn extent(&self) -> Extent {
        Extent { carrying: self.carrying.len(), announced: self.announced.len(), committed: self.committed.is_some() }
    }

    fn is_over(&self) -> bool {
        let all = self.epochs.len();
        self.told == self.extent() && (self.told.carrying, self.told.announced) == (all, all)
    }
}

fn adapter_phases((adapter, phases): (&AdapterId, &Vec<PhaseTime>)) -> AdapterPhases {
    AdapterPhases { adapter: adapter.0, phases: phases.clone() }
}

fn times(times: &BTreeMap<AdapterId, UnixMillis>) -> Vec<AdapterTime> {
    times.iter().map(|(adapter, &at)| AdapterTime { adapter: adapter.0, at }).collect()
}

#[cfg(test)]
mod tests {
    use twinrail_proto::domain::{FailoverCause, ReceiptMove};

    use super::*;

    const ADAPTER: AdapterId = AdapterId(7);
    const EPOCH: Epoch = Epoch(4);

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn receipt() -> FailoverReceipt {
        let step = ReceiptMove {
            adapter: ADAPTER,
            resource: "profiles/web-1/vnics/eth0".to_owned(),
            from: Some(name("d1")),
            to: Some(name("d2")),
            epoch: EPOCH,
            carrying: None,
            announced: None,
            phases: Vec::new(),
        };
        FailoverReceipt {
            name: name("f-42"),
            cause: FailoverCause::Operator,
            decided_by: name("d2"),
            last_seen: 1,
            detected: 2,
            decided: 3,
            committed: None,
            moves: vec![step],
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        }
    }

    fn tell(reports: &mut Reports) -> Vec<CarriageReport> {
        let news = reports.news();
        reports.told(&news);
        news
    }

    #[test]
    fn who_decides_tells_the_commit_and_nothing_twice() {
        let mut reports = Reports::default();
        reports.expect(&receipt(), &name("d3"));
        reports.committed(&name("f-42"), 10);
        let news = tell(&mut reports);
        assert_eq!(
            news.iter().map(|it| (it.failover.as_str(), it.committed)).collect::<Vec<_>>(),
            [("f-42", Some(10))]
        );
        assert!(reports.news().is_empty() && reports.0.is_empty(), "told, and it expects nothing else");
    }

    #[test]
    fn a_home_that_decides_tells_all_of_it_in_any_order() {
        let mut reports = Reports::default();
        reports.committed(&name("f-42"), 10);
        reports.expect(&receipt(), &name("d2"));
        assert_eq!(tell(&mut reports)[0].committed, Some(10));
        reports.carrying(&BTreeMap::from([(ADAPTER, EPOCH)]), 11);
        let news = tell(&mut reports);
        assert_eq!((&news[0].carrying, news[0].committed), (&vec![AdapterTime { adapter: 7, at: 11 }], Some(10)));
        reports.announced(ADAPTER, EPOCH, 12);
        assert_eq!(tell(&mut reports)[0].announced, [AdapterTime { adapter: 7, at: 12 }]);
        assert!(reports.0.is_empty());
    }

    #[test]
    fn a_vhba_is_announced_by_its_login_and_tells_what_its_fence_took() {
        let mut reports = Reports::default();
        reports.expect(&receipt(), &name("d2"));
        let phases = vec![PhaseTime { phase: "reset".to_owned(), ms: 3 }];
        assert!(reports.admitted(ADAPTER, Epoch(3), 11, &phases).is_empty());
        assert_eq!(reports.admitted(ADAPTER, EPOCH, 12, &phases).len(), 1);
        assert!(reports.admitted(ADAPTER, EPOCH, 13, &[]).is_empty(), "another session of the same epoch");
        let [news] = tell(&mut reports).try_into().unwrap();
        let at = vec![AdapterTime { adapter: 7, at: 12 }];
        assert_eq!((news.carrying, news.announced), (at.clone(), at));
        assert_eq!(news.phases, [AdapterPhases { adapter: 7, phases }]);
        assert!(reports.0.is_empty());
    }

    #[test]
    fn other_epochs_are_not_reported() {
        let mut reports = Reports::default();
        reports.expect(&receipt(), &name("d2"));
        reports.carrying(&BTreeMap::from([(ADAPTER, Epoch(3))]), 11);
        reports.announced(ADAPTER, Epoch(5), 12);
        assert!(reports.news().is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut reports = Reports::default();
        (0..=MAX_REPORTS).for_each(|number| reports.committed(&name(&format!("f-{}", 100 + number)), 1));
        assert_eq!(reports.news().len(), MAX_REPORTS);
        assert!(reports.news().iter().all(|it| it.failover != "f-100"));
    }
}
