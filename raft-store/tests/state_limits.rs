//! Every limit of the state, reached: refused by name, or the oldest one is forgotten.

mod state_support;

use state_support::{CLUSTER, Cluster};
use twinrail_proto::domain::Revision;
use twinrail_raft_store::state::limits::*;
use twinrail_raft_store::state::{Command, Rejection, State};

/// Applies without the checks after each command, which would take time in proportion to the state.
struct Crowd {
    cluster: Cluster,
    revision: u64,
}

impl Crowd {
    fn new() -> Self {
        let mut cluster = Cluster::new(CLUSTER);
        cluster.run("pool many mac=06:00:00:00:00:00-06:00:00:ff:ff:ff quarantine=1000");
        let revision = cluster.state.revision().0;
        Self { cluster, revision }
    }

    fn tell(&mut self, line: &str) -> Result<(), Rejection> {
        let command = self.cluster.command(line);
        self.apply(&command)
    }

    fn apply(&mut self, command: &Command) -> Result<(), Rejection> {
        self.revision += 1;
        self.cluster.state.apply(Revision(self.revision), command).map(drop)
    }

    /// Fills up with what `line` makes of a number; the first refusal must name this limit, at this count.
    fn fill(&mut self, present: usize, limit: usize, line: impl Fn(usize) -> String) {
        for number in present..limit {
            self.tell(&line(number)).unwrap_or_else(|rejection| panic!("{number} of {limit}: {rejection}"));
        }
        let rejection = self.tell(&line(limit)).unwrap_err();
        assert_eq!(rejection.reason(), "LIMIT_REACHED", "{rejection}");
        assert!(rejection.to_string().contains(&limit.to_string()), "{rejection}");
        self.cluster.state.validate().unwrap();
    }
}

#[test]
fn tables_have_a_last_row() {
    let mut crowd = Crowd::new();
    crowd.fill(4, 9, |n| format!("director x{n} id={}", n + 10));
    crowd.fill(3, MAX_SERVERS, |n| format!("server x{n}"));
    crowd.fill(2, MAX_LANS, |n| format!("lan x{n}"));
    crowd.fill(1, MAX_SANS, |n| format!("san x{n}"));
    crowd.fill(1, MAX_QOS_POLICIES, |n| format!("qos x{n}"));
    crowd.fill(1, MAX_TEMPLATES, |n| format!("template x{n}"));
    crowd.fill(3, MAX_POOLS, |n| {
        format!("pool x{n} mac=0a:00:00:00:{:02x}:{:02x}-0a:00:00:00:{0:02x}:{1:02x}", n / 256, n % 256)
    });
    crowd.fill(0, MAX_PROFILES, |n| format!("profile x{n} vnic:eth0=prod,many"));
}

#[test]
fn an_attaching_agent_cannot_pass_the_limit_of_servers() {
    let mut crowd = Crowd::new();
    crowd.fill(3, MAX_SERVERS, |n| format!("attach x{n} m{n} 10.8.{}.{} 10.9.{0}.{1}", n / 250, n % 250 + 1));
}

#[test]
fn profiles_and_pools_have_a_last_part() {
    let mut crowd = Crowd::new();
    crowd.tell("profile p vhba:h=fast,wwns").unwrap();
    crowd.fill(1, 64, |n| format!("vnic p/e{n} prod,many"));
    let list = |count: usize| (0..count).map(|n| format!(" vnic:e{n}=prod,many")).collect::<String>();
    assert_eq!(crowd.tell(&format!("profile q{}", list(65))).unwrap_err().reason(), "LIMIT_REACHED");
    assert_eq!(crowd.tell(&format!("template t{}", list(65))).unwrap_err().reason(), "LIMIT_REACHED");
    crowd.tell(&format!("template t updating{}", list(63))).unwrap();
    crowd.tell("profile q template=t vhba:h=fast,wwns").unwrap();
    assert_eq!(crowd.tell(&format!("update-template t updating{}", list(64))).unwrap_err().reason(), "LIMIT_REACHED");
    let ranges = |count: usize| {
        let ranges = (0..count).map(|n| format!("0a:00:00:00:01:{n:02x}-0a:00:00:00:01:{n:02x}"));
        ranges.collect::<Vec<_>>().join(",")
    };
    let rejection = crowd.tell(&format!("pool r mac={}", ranges(MAX_RANGES_PER_POOL + 1))).unwrap_err();
    assert_eq!((rejection.reason(), rejection.field()), ("LIMIT_REACHED", Some("pool.ranges")));
    crowd.tell(&format!("pool r mac={}", ranges(MAX_RANGES_PER_POOL))).unwrap();
    crowd.cluster.state.validate().unwrap();
}

#[test]
fn director_ids_run_out_at_last() {
    let mut crowd = Crowd::new();
    for n in 0..MAX_DIRECTOR_IDS {
        crowd.tell(&format!("director x id={} a=10.9.0.1 b=10.9.0.2", n + 10)).unwrap();
        crowd.tell("delete-director x").unwrap();
    }
    crowd.tell("director x id=9 a=10.9.0.1 b=10.9.0.2").unwrap();
    assert_eq!(crowd.tell("delete-director x").unwrap_err().reason(), "LIMIT_REACHED");
    crowd.cluster.state.validate().unwrap();
}

#[test]
fn adapter_ids_are_never_given_twice_even_at_their_end() {
    let mut crowd = Crowd::new();
    let mut json = serde_json::to_value(&crowd.cluster.state).unwrap();
    json["last_adapter"] = (u32::MAX - 1).into();
    crowd.cluster.state = serde_json::from_value(json).unwrap();
    crowd.tell("profile p vnic:a=prod,many").unwrap();
    assert_eq!(crowd.tell("vnic p/b prod,many").unwrap_err().reason(), "LIMIT_REACHED");
    assert_eq!(crowd.cluster.state.profiles()[&"p".parse().unwrap()].value.vnics.len(), 1);
}

#[test]
fn a_full_quarantine_refuses_releases_until_some_return() {
    let mut crowd = Crowd::new();
    let vnics: String = (0..64).map(|n| format!(" vnic:e{n}=prod,many")).collect();
    let create = crowd.cluster.command(&format!("profile p{vnics} at=1000"));
    let delete = crowd.cluster.command("delete-profile p at=1000");
    for _ in 0..MAX_QUARANTINED / 64 {
        crowd.apply(&create).unwrap();
        crowd.apply(&delete).unwrap();
    }
    crowd.apply(&create).unwrap();
    let Err(Rejection::QuarantineFull { limit, first_returns_in }) = crowd.apply(&delete) else {
        panic!("the quarantine is not full");
    };
    assert_eq!((limit, first_returns_in), (MAX_QUARANTINED, 1000));
    crowd.cluster.state.validate().unwrap();
    crowd.tell("delete-profile p at=1001000").unwrap();
    assert_eq!(crowd.cluster.state.quarantined_macs().len(), 64);
    crowd.cluster.state.validate().unwrap();
}

#[test]
fn rings_forget_their_oldest() {
    let mut crowd = Crowd::new();
    let first = crowd.revision + 1;
    for n in 0..=MAX_ANSWERS {
        crowd.tell(&format!("homes receipt=d1 request=r{n} at={n}")).unwrap();
    }
    let state = &crowd.cluster.state;
    state.validate().unwrap();
    assert_eq!(state.failovers().len(), MAX_FAILOVERS);
    assert_eq!(state.audit().len(), MAX_AUDIT_ENTRIES);
    let oldest = state.failovers().values().map(|receipt| receipt.created.0).min();
    assert_eq!(oldest, Some(first + (MAX_ANSWERS + 1 - MAX_FAILOVERS) as u64));
    let answered = |n: usize| state.answered(&twinrail_raft_store::state::RequestId(format!("r{n}")));
    assert_eq!(answered(0), None);
    assert_eq!(answered(1).map(|applied| (applied.revision.0, applied.replayed)), Some((first + 1, true)));
    assert_eq!(crowd.tell("recall request=r0").unwrap_err().reason(), "REQUEST_NOT_REMEMBERED");
}

/// What of a request is kept and shown is bounded too.
#[test]
fn texts_of_the_audit_trail_are_cut() {
    let mut crowd = Crowd::new();
    let (actor, note) = ("a".repeat(1_000), "é".repeat(1_000));
    crowd.tell(&format!("homes receipt=d1 actor={actor} note={note}")).unwrap();
    let entry = crowd.cluster.state.audit().next_back().unwrap();
    assert_eq!(entry.actor.len(), MAX_AUDIT_TEXT);
    assert_eq!(entry.summary.chars().filter(|c| *c == 'é').count(), MAX_AUDIT_TEXT);
}

#[test]
fn a_snapshot_from_before_a_field_was_added_is_read() {
    let state: State = serde_json::from_str(r#"{"revision":7}"#).unwrap();
    assert_eq!(state.revision(), Revision(7));
    state.validate().unwrap();
}
