//! A small language for commands, so that a test reads like what an operator does. One line is one command:
//!
//! ```text
//!   director d1 id=1 role=witness drained a=10.1.0.1 b=10.2.0.1 api=d1:7400 store=x     (also update-director)
//!   server s1 max=8 spare machine=m a=… b=…        attach s1 machine-1 10.1.1.1 10.2.1.1
//!   lan prod d1=lan0 d2=lan0      san fast d1=fc0      qos gold min=1 max=10 burst=5 priority=3
//!   pool macs mac=02:00:00:00:00:01-02:00:00:00:00:09 quarantine=60        pool wwns wwn=…-…
//!   template web updating vnic:eth0=prod,macs,mtu=9000,vlan=10,qos=gold vhba:hba0=fast,wwns
//!   profile web-1 template=web vnic:eth1=prod,02:aa:00:00:00:01
//!   vnic web-1/eth1 prod,macs     update-vnic …     delete-vnic web-1/eth1      vhba web-1/hba1 fast,wwpn+wwnn
//!   bind web-1 s1 eth0=d1>d2>d3   release web-1 s2   complete web-1 s1 eth0=d2   homes web-1/eth0=d2>d3 receipt=d1
//!   carried f-12 d2 carrying=web-1/eth0:500 announced=web-1/eth0:510           delete lans/prod
//! ```
//!
//! Any line takes `at=` (milliseconds), `request=`, `intent=`, `actor=`, `etag=`. A home is `director>successor>…` or `none`, and
//! `@epoch` says which epoch the plan expects (otherwise: the present one). `#7` names an adapter by its number, `*` all of a
//! profile; `complete web-1 .` is of the server that it is on.

#![allow(dead_code, reason = "each test binary uses its part")]

mod adapters;
mod operations;
pub mod random;
mod words;

use std::fmt::Write;

use twinrail_proto::domain::Revision;
use twinrail_raft_store::state::{Applied, Change, Command, Effect, Outcome, RequestId, State};

use words::Words;

/// A cluster with everything that most tests need; two directors with uplinks, one spare, one witness.
pub const CLUSTER: &str = "
    found demo
    director d1 id=1
    director d2 id=2
    director d3 id=3 role=spare
    director d4 id=4 role=witness
    lan prod d1=lan0 d2=lan0 d3=lan0
    lan dev d1=lan1 d2=lan1
    san fast d1=fc0 d2=fc0
    pool macs mac=02:00:00:00:00:01-02:00:00:00:00:08 quarantine=60
    pool wwns wwn=50:00:00:00:00:00:00:01-50:00:00:00:00:00:00:08 quarantine=60
    qos gold max=100 burst=64 priority=3
    server s1
    server s2 max=2
    server s3 spare
    template web updating vnic:eth0=prod,macs vnic:eth1=dev,macs,vlan=10,qos=gold
";

/// A state and the lines that it was told.
#[derive(Clone, Default)]
pub struct Cluster {
    pub state: State,
    /// Of the log: also rejected commands have one.
    revision: u64,
}

impl Cluster {
    /// Runs lines that must all be accepted.
    pub fn new(setup: &str) -> Self {
        let mut cluster = Self::default();
        cluster.run(setup);
        cluster
    }

    pub fn run(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Err(rejection) = self.tell(line) {
                panic!("{line}: {rejection}");
            }
        }
    }

    pub fn command(&self, line: &str) -> Command {
        let mut words = Words::new(line);
        let at = words.number("at").unwrap_or(0);
        let request_id = words.option("request").map(|id| RequestId(id.replace('_', " ")));
        let intent = words.number("intent").unwrap_or(0);
        let actor = words.option("actor").unwrap_or_else(|| "test".to_owned());
        let operation = operations::parse_operation(&mut words, &self.state);
        words.finish();
        Command { request_id, at, actor, intent, operation }
    }

    /// Applies one line, and checks what must hold after every command.
    pub fn tell(&mut self, line: &str) -> Outcome {
        let command = self.command(line);
        let (before, foreseen) = (self.state.hash(), self.state.preview(&command));
        assert_eq!(self.state.hash(), before, "a preview changed something: {line}");
        self.revision += 1;
        let outcome = self.state.apply(Revision(self.revision), &command);
        match (&outcome, &foreseen) {
            (Err(rejection), Err(foreseen)) => {
                assert_eq!(rejection, foreseen, "{line}");
                assert_eq!(self.state.hash(), before, "a rejection changed something: {line}");
            }
            (Ok(applied), Ok(foreseen)) => {
                assert_eq!(applied.replayed, foreseen.replayed, "{line}");
                assert_eq!(without_receipts(applied), without_receipts(foreseen), "{line}");
            }
            _ => panic!("{line}: foreseen {foreseen:?}, came {outcome:?}"),
        }
        if let Err(violations) = self.state.validate() {
            panic!("{line}: {violations:?}");
        }
        outcome
    }

    pub fn skip_revisions(&mut self, count: u64) {
        self.revision += count;
    }
}

/// A receipt is named after the revision of its command, which a preview can only guess.
fn without_receipts(applied: &Applied) -> Vec<&Effect> {
    applied.effects.iter().filter(|effect| !effect.resource.starts_with("failovers/")).collect()
}

/// An outcome as golden files show it.
pub fn render(outcome: &Outcome) -> String {
    let mut text = String::new();
    match outcome {
        Err(rejection) => {
            let (field, resource) = (rejection.field().unwrap_or("-"), rejection.resource().unwrap_or("-".into()));
            let (kind, reason) = (rejection.kind(), rejection.reason());
            writeln!(text, "rejected: {rejection}\n  {kind:?} {reason} field={field} resource={resource}").unwrap();
        }
        Ok(applied) => {
            let replayed = if applied.replayed { " (replayed)" } else { "" };
            writeln!(text, "accepted at {}{replayed}", applied.revision).unwrap();
            for event in &applied.events {
                let revisions = format!("created {} modified {}", event.created, event.modified);
                writeln!(text, "  {:?} {} ({revisions})", event.change, event.key).unwrap();
            }
            applied.effects.iter().for_each(|effect| writeln!(text, "    {}", render_effect(effect)).unwrap());
        }
    }
    text
}

pub fn render_effect(effect: &Effect) -> String {
    let sign = match effect.change {
        Change::Created => '+',
        Change::Updated => '~',
        Change::Deleted => '-',
    };
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let field = effect.field.as_deref().unwrap_or("");
    format!("{sign} {} {field}: {} -> {}", effect.resource, value(&effect.before), value(&effect.after))
}
