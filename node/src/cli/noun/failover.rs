//! `failover`: receipts of what happened when homes changed.

use std::time::SystemTime;

use clap::Subcommand;
use comfy_table::Table;
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::vhba::milliseconds;
use crate::cli::failure::Failure;
use crate::cli::output::{Readable, table};
use crate::cli::session::Session;
use crate::cli::text::{full, or_nothing, short, since, time};

#[derive(Subcommand, Debug)]
pub enum FailoverCommand {
    /// Lists the newest.
    List {
        /// At most this many, up to 1000.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=1000))]
        limit: i32,
    },
    /// Shows one, with what each adapter's move took.
    Show { name: String },
}

impl FailoverCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let (mut client, stale_ok) = (session.failovers(), session.stale_ok());
        match self {
            Self::List { limit } => {
                let request = v1::ListFailoversRequest { page_size: limit, stale_ok, ..Default::default() };
                let page = client.list_failovers(session.ask(request)).await?.into_inner();
                session.print_list(&page.failovers);
            }
            Self::Show { name } => {
                let request = v1::GetFailoverRequest { name: full(ResourceKind::Failover, &name), stale_ok };
                session.print_one(&client.get_failover(session.ask(request)).await?.into_inner());
            }
        }
        Ok(())
    }
}

fn cause(failover: &v1::Failover) -> String {
    use v1::failover::Cause;
    match &failover.cause {
        Some(Cause::DirectorLost(name)) => format!("{} lost", short(name)),
        Some(Cause::PathsLost(it)) => format!("{} lost its paths to {}", short(&it.server), short(&it.director)),
        Some(Cause::UplinkLost(it)) => format!("uplink lost: {} to {}", short(&it.director), short(&it.lan)),
        Some(Cause::Drain(name)) => format!("drain of {}", short(name)),
        Some(Cause::Rebalance(_)) => "rebalance".to_owned(),
        Some(Cause::Operator(_)) => "operator".to_owned(),
        Some(Cause::Homeless(_)) => "homeless adapters".to_owned(),
        None => or_nothing(""),
    }
}

/// When the last adapter was carried, and when announced: what people felt.
fn last<'a>(times: impl Iterator<Item = Option<&'a prost_types::Timestamp>>) -> Option<&'a prost_types::Timestamp> {
    times.flatten().max_by_key(|it| (it.seconds, it.nanos))
}

impl Readable for v1::Failover {
    const HEADINGS: &'static [&'static str] =
        &["NAME", "CAUSE", "MOVES", "AT", "DETECTED", "DECIDED", "COMMITTED", "CARRYING", "ANNOUNCED"];

    fn row(&self, _now: SystemTime) -> Vec<String> {
        let start = self.last_seen_time.as_ref();
        let carried = last(self.moves.iter().map(|it| it.carry_time.as_ref()));
        let announced = last(self.moves.iter().map(|it| it.announce_time.as_ref()));
        vec![
            short(&self.name),
            cause(self),
            self.moves.len().to_string(),
            time(start),
            since(start, self.detect_time.as_ref()),
            since(start, self.decide_time.as_ref()),
            since(start, self.commit_time.as_ref()),
            since(start, carried),
            since(start, announced),
        ]
    }

    fn facts(&self, _now: SystemTime) -> Vec<(&'static str, String)> {
        let start = self.last_seen_time.as_ref();
        vec![
            ("name", short(&self.name)),
            ("cause", cause(self)),
            ("decided by", short(&self.decided_by)),
            ("last seen", time(start)),
            ("detected", since(start, self.detect_time.as_ref())),
            ("decided", since(start, self.decide_time.as_ref())),
            ("committed", since(start, self.commit_time.as_ref())),
            ("trace", or_nothing(&self.trace_id)),
        ]
    }

    fn parts(&self, _now: SystemTime) -> Vec<(&'static str, Table)> {
        let start = self.last_seen_time.as_ref();
        let rows = self.moves.iter().map(|it| {
            vec![
                short(&it.resource),
                short(&it.from),
                short(&it.to),
                it.epoch.to_string(),
                since(start, it.carry_time.as_ref()),
                since(start, it.announce_time.as_ref()),
            ]
        });
        let mut parts = vec![("moves", table(&["ADAPTER", "FROM", "TO", "EPOCH", "CARRYING", "ANNOUNCED"], rows))];
        let fenced = self.moves.iter().filter(|it| !it.phases.is_empty());
        let fences: Vec<_> = fenced.map(|it| vec![short(&it.resource), milliseconds(&it.phases)]).collect();
        if !fences.is_empty() {
            parts.push(("fences of vHBAs, ms", table(&["ADAPTER", "PHASES"], fences)));
        }
        parts
    }
}
