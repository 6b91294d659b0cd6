//! `cluster`: all of it.

use std::time::SystemTime;

use clap::Subcommand;
use comfy_table::Table;
use twinrail_proto::grpc::v1;

use crate::cli::failure::Failure;
use crate::cli::output::{Readable, table};
use crate::cli::session::Session;
use crate::cli::text::{NOTHING, millis, or_nothing, rough, short, span, time, word, yes};

#[derive(Subcommand, Debug)]
pub enum ClusterCommand {
    /// Shows who leads, who lives and who carries what, as the asked director sees it.
    Show {
        /// Also show a digest of the state, to compare directors.
        #[arg(long)]
        state_hash: bool,
    },
    /// Spreads the adapters evenly over the directors again.
    Rebalance,
    /// Lists what was changed, by whom and when, newest first.
    Audit {
        /// At most this many, up to 1000.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=1000))]
        limit: i32,
        /// Only resources whose names start so: profiles/web-
        #[arg(long, value_name = "PREFIX", default_value = "")]
        resource: String,
    },
    /// Lists the paths between the asked director and other machines.
    Paths {
        /// Only those to this machine: servers/s1, directors/d2
        #[arg(long, default_value = "")]
        peer: String,
    },
}

impl ClusterCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut client = session.cluster();
        match self {
            Self::Show { state_hash } => {
                let request = v1::GetClusterRequest { with_state_hash: state_hash };
                session.print_one(&client.get_cluster(session.ask(request)).await?.into_inner());
            }
            Self::Rebalance => {
                let change = session.change();
                let (request_id, validate_only) = (change.request_id, change.validate_only);
                let request = v1::RebalanceRequest { request_id, validate_only };
                let response = client.rebalance(session.ask(request)).await?.into_inner();
                session.print_done(&response, response.outcome.as_ref(), "rebalanced");
            }
            Self::Audit { limit, resource } => {
                let request = v1::ListAuditEntriesRequest {
                    page_size: limit,
                    page_token: String::new(),
                    stale_ok: session.stale_ok(),
                    resource_prefix: resource,
                };
                session.print_list(&client.list_audit_entries(session.ask(request)).await?.into_inner().entries);
            }
            Self::Paths { peer } => {
                let request = v1::ListPathsRequest { peer };
                session.print_list(&client.list_paths(session.ask(request)).await?.into_inner().paths);
            }
        }
        Ok(())
    }
}

fn up(it: bool) -> &'static str {
    if it { "up" } else { "DOWN" }
}

fn rail(path: &v1::Path) -> String {
    word(path.rail().as_str_name(), "RAIL_").to_uppercase()
}

/// Those that work in one word, since there may be many; the others by name.
fn uplinks(uplinks: &[v1::Uplink]) -> String {
    let troubled = uplinks.iter().filter(|it| it.state() != v1::UplinkState::Up);
    let troubled: Vec<String> = troubled.map(|it| format!("{} {}", short(&it.lan), uplink_state(it))).collect();
    match (uplinks.is_empty(), troubled.is_empty()) {
        (true, _) => NOTHING.to_owned(),
        (_, true) => "up".to_owned(),
        (_, false) => troubled.join(", "),
    }
}

/// One that does not work is in capitals: it is what one looks for.
fn uplink_state(uplink: &v1::Uplink) -> String {
    match uplink.state() {
        v1::UplinkState::Unspecified => "unknown".to_owned(),
        v1::UplinkState::Up => "up".to_owned(),
        state => word(state.as_str_name(), "UPLINK_STATE_").replace('_', " ").to_uppercase(),
    }
}

/// A director's ports, one a line.
pub fn uplink_table(uplinks: &[v1::Uplink]) -> Table {
    let rows = uplinks.iter().map(|it| vec![short(&it.lan), it.port.clone(), uplink_state(it)]);
    table(&["LAN", "PORT", "STATE"], rows)
}

fn director_row(it: &v1::DirectorStatus) -> Vec<String> {
    let paths: Vec<String> = it.paths.iter().map(|path| format!("{} {}", rail(path), up(path.up))).collect();
    vec![
        short(&it.director),
        word(it.role().as_str_name(), "DIRECTOR_ROLE_"),
        word(it.admin_state().as_str_name(), "ADMIN_STATE_"),
        yes(it.alive),
        yes(it.voter),
        yes(it.leader),
        millis(it.lease_remaining.as_ref()),
        it.adapters.to_string(),
        if paths.is_empty() { NOTHING.to_owned() } else { paths.join(", ") },
        uplinks(&it.uplinks),
    ]
}

impl Readable for v1::Cluster {
    const HEADINGS: &'static [&'static str] = &["NAME", "LEADER", "TERM", "REVISION"];

    fn row(&self, _now: SystemTime) -> Vec<String> {
        vec![or_nothing(&self.name), short(&self.leader), self.term.to_string(), self.revision.to_string()]
    }

    fn facts(&self, _now: SystemTime) -> Vec<(&'static str, String)> {
        let adapters = format!("{} bound, {} without a home", self.bound_adapters, self.adapters_without_home);
        let mut facts = vec![
            ("cluster", or_nothing(&self.name)),
            ("leader", short(&self.leader)),
            ("term", self.term.to_string()),
            ("revision", self.revision.to_string()),
            ("adapters", adapters),
            ("seen from", short(&self.answered_by)),
        ];
        if !self.state_hash.is_empty() {
            facts.push(("state hash", format!("{} at revision {}", self.state_hash, self.state_revision)));
        }
        facts
    }

    fn parts(&self, _now: SystemTime) -> Vec<(&'static str, Table)> {
        let headings = [
            "DIRECTOR",
            "ROLE",
            "STATE",
            "ALIVE",
            "VOTER",
            "LEADER",
            "LEASE",
            "ADAPTERS",
            "PATHS FROM HERE",
            "UPLINKS",
        ];
        vec![("directors", table(&headings, self.directors.iter().map(director_row)))]
    }
}

impl Readable for v1::Path {
    const HEADINGS: &'static [&'static str] = &["DIRECTOR", "PEER", "RAIL", "STATE", "FOR", "ROUND TRIP"];

    fn row(&self, _now: SystemTime) -> Vec<String> {
        let unchanged = span(self.unchanged_for.as_ref()).map_or_else(|| NOTHING.to_owned(), rough);
        let state = up(self.up).to_owned();
        vec![short(&self.director), self.peer.clone(), rail(self), state, unchanged, millis(self.round_trip.as_ref())]
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        Self::HEADINGS.iter().copied().zip(self.row(now)).collect()
    }
}

impl Readable for v1::AuditEntry {
    const HEADINGS: &'static [&'static str] = &["REVISION", "TIME", "ACTOR", "WHAT", "OUTCOME"];

    fn row(&self, _now: SystemTime) -> Vec<String> {
        let (revision, time) = (self.revision.to_string(), time(self.time.as_ref()));
        vec![revision, time, self.actor.clone(), self.summary.clone(), self.outcome.clone()]
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        Self::HEADINGS.iter().copied().zip(self.row(now)).collect()
    }
}
