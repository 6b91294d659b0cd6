//! `pool`: ranges of identities.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use comfy_table::Table;
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;
use v1::pool::Ranges;

use super::stamp_facts;
use crate::cli::Precondition;
use crate::cli::failure::Failure;
use crate::cli::output::{Readable, table};
use crate::cli::session::{PAGE_SIZE, Session, list_all};
use crate::cli::spec::range;
use crate::cli::text::{NOTHING, age, full, rough, short, span};

#[derive(Subcommand, Debug)]
pub enum PoolCommand {
    /// Lists all.
    List,
    /// Shows one.
    Show { name: String },
    /// Creates one of ranges of MACs or of world-wide names.
    Create {
        name: String,
        #[command(flatten)]
        content: Content,
    },
    /// Changes what is named; ranges given replace all its ranges.
    Update {
        name: String,
        #[command(flatten)]
        content: Content,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Deletes one that nothing refers to.
    Delete {
        name: String,
        #[command(flatten)]
        precondition: Precondition,
    },
}

#[derive(Args, Debug)]
pub struct Content {
    /// Both ends belong to it; may be repeated.
    #[arg(long, value_name = "FIRST-LAST", value_parser = range, conflicts_with = "wwn_range")]
    mac_range: Vec<(String, String)>,
    /// Both ends belong to it; may be repeated.
    #[arg(long, value_name = "FIRST-LAST", value_parser = range)]
    wwn_range: Vec<(String, String)>,
    /// How long a released identity rests [default of a new pool: 10m]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    quarantine: Option<Duration>,
}

impl Content {
    fn write_into(self, pool: &mut v1::Pool) -> Result<(), Failure> {
        let Self { mac_range, wwn_range, quarantine } = self;
        if !mac_range.is_empty() {
            let ranges = mac_range.into_iter().map(|(first, last)| v1::MacRange { first, last }).collect();
            pool.ranges = Some(Ranges::Mac(v1::MacRanges { ranges }));
        }
        if !wwn_range.is_empty() {
            let ranges = wwn_range.into_iter().map(|(first, last)| v1::WwnRange { first, last }).collect();
            pool.ranges = Some(Ranges::Wwn(v1::WwnRanges { ranges }));
        }
        if let Some(quarantine) = quarantine {
            let too_long = |_| Failure::Usage("--quarantine is too long".to_owned());
            pool.quarantine = Some(quarantine.try_into().map_err(too_long)?);
        }
        Ok(())
    }
}

impl PoolCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut client = session.pools();
        let change = session.change();
        let (request_id, validate_only) = (change.request_id, change.validate_only);
        match self {
            Self::List => {
                let stale_ok = session.stale_ok();
                let request = v1::ListPoolsRequest { page_size: PAGE_SIZE, stale_ok, ..Default::default() };
                session.print_list(&list_all!(session, pools.list_pools(request), pools));
            }
            Self::Show { name } => session.print_one(&get(session, &name, session.stale_ok()).await?),
            Self::Create { name, content } => {
                let mut pool = v1::Pool::default();
                content.write_into(&mut pool)?;
                let request = v1::CreatePoolRequest { pool_id: name, pool: Some(pool), request_id, validate_only };
                let response = client.create_pool(session.ask(request)).await?.into_inner();
                session.print_changed(&response, response.pool.as_ref(), response.outcome.as_ref(), "created");
            }
            Self::Update { name, content, precondition } => {
                let mut pool = get(session, &name, false).await?;
                content.write_into(&mut pool)?;
                pool.etag = precondition.or(pool.etag);
                let request = v1::UpdatePoolRequest { pool: Some(pool), request_id, validate_only };
                let response = client.update_pool(session.ask(request)).await?.into_inner();
                session.print_changed(&response, response.pool.as_ref(), response.outcome.as_ref(), "updated");
            }
            Self::Delete { name, precondition } => {
                let (name, etag) = (full(ResourceKind::Pool, &name), precondition.etag());
                let request = v1::DeletePoolRequest { name, etag, request_id, validate_only };
                let response = client.delete_pool(session.ask(request)).await?.into_inner();
                session.print_done(&response, response.outcome.as_ref(), "deleted");
            }
        }
        Ok(())
    }
}

async fn get(session: &Session, name: &str, stale_ok: bool) -> Result<v1::Pool, Failure> {
    let request = v1::GetPoolRequest { name: full(ResourceKind::Pool, name), stale_ok };
    Ok(session.pools().get_pool(session.ask(request)).await?.into_inner())
}

/// What it holds, and its ranges.
fn ranges(pool: &v1::Pool) -> (&'static str, Vec<(&str, &str)>) {
    match &pool.ranges {
        None => (NOTHING, Vec::new()),
        Some(Ranges::Mac(it)) => ("MAC", it.ranges.iter().map(|it| (it.first.as_str(), it.last.as_str())).collect()),
        Some(Ranges::Wwn(it)) => ("WWN", it.ranges.iter().map(|it| (it.first.as_str(), it.last.as_str())).collect()),
    }
}

fn quarantine(pool: &v1::Pool) -> String {
    span(pool.quarantine.as_ref()).map_or_else(|| NOTHING.to_owned(), rough)
}

impl Readable for v1::Pool {
    const HEADINGS: &'static [&'static str] = &["NAME", "HOLDS", "RANGES", "QUARANTINE", "AGE"];

    fn row(&self, now: SystemTime) -> Vec<String> {
        let (kind, ranges) = ranges(self);
        let ranges: Vec<String> = ranges.into_iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let age = age(self.create_time.as_ref(), now);
        vec![short(&self.name), kind.to_owned(), ranges.join("\n"), quarantine(self), age]
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        let mut facts =
            vec![("name", short(&self.name)), ("holds", ranges(self).0.to_owned()), ("quarantine", quarantine(self))];
        facts.extend(stamp_facts(self.create_time.as_ref(), self.update_time.as_ref(), &self.etag, now));
        facts
    }

    fn parts(&self, _now: SystemTime) -> Vec<(&'static str, Table)> {
        let rows = ranges(self).1.into_iter().map(|(first, last)| vec![first.to_owned(), last.to_owned()]);
        vec![("ranges", table(&["FIRST", "LAST"], rows))]
    }
}
