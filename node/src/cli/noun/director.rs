//! `director`: the gateways. (`twinrail director --config …` runs one; these are its client verbs.)

use std::time::SystemTime;

use clap::{Args, Subcommand, ValueEnum};
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::cluster::uplink_table;
use super::drain::{before, until_empty, would_stay};
use super::stamp_facts;
use crate::cli::failure::Failure;
use crate::cli::output::{Readable, render, say};
use crate::cli::session::{PAGE_SIZE, Session, list_all};
use crate::cli::text::{age, full, full_or_nothing, or_nothing, short, word};
use crate::cli::{Format, Precondition};

#[derive(Subcommand, Debug)]
pub enum DirectorCommand {
    /// Lists all.
    List,
    /// Shows one.
    Show { name: String },
    /// Adds a director that runs already to the cluster, as a voter.
    Add {
        name: String,
        /// Its number, as in its configuration; never given again.
        #[arg(long)]
        id: u64,
        #[command(flatten)]
        content: Content,
    },
    /// Changes what is named.
    Update {
        name: String,
        #[command(flatten)]
        content: Content,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Removes one that carries nothing from the cluster.
    Remove {
        name: String,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Moves everything away from one, the leadership too, and gives it nothing until resume. Waits until it is empty.
    Drain {
        name: String,
        /// Come back as soon as the wish is recorded.
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Ends a drain.
    Resume {
        name: String,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Makes another director the leader; without a name the cluster chooses.
    TransferLeadership { name: Option<String> },
}

#[derive(Args, Debug)]
pub struct Content {
    /// What it is for [default of a new director: active]
    #[arg(long)]
    role: Option<Role>,
    /// Its address on rail A.
    #[arg(long, value_name = "IP")]
    rail_a: Option<String>,
    /// Its address on rail B.
    #[arg(long, value_name = "IP")]
    rail_b: Option<String>,
    /// Where clients reach its API.
    #[arg(long, value_name = "HOST:PORT")]
    api: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Carries adapters.
    Active,
    /// Takes adapters only on failover.
    Spare,
    /// Votes, carries nothing.
    Witness,
}

impl From<Role> for v1::DirectorRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Active => Self::Active,
            Role::Spare => Self::Spare,
            Role::Witness => Self::Witness,
        }
    }
}

impl Content {
    fn write_into(self, director: &mut v1::Director) {
        let Self { role, rail_a, rail_b, api } = self;
        if let Some(role) = role {
            director.set_role(role.into());
        }
        let rails = director.rails.get_or_insert_default();
        rails.a = rail_a.unwrap_or_else(|| std::mem::take(&mut rails.a));
        rails.b = rail_b.unwrap_or_else(|| std::mem::take(&mut rails.b));
        director.api_address = api.unwrap_or_else(|| std::mem::take(&mut director.api_address));
    }
}

impl DirectorCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List => {
                let stale_ok = session.stale_ok();
                let request = v1::ListDirectorsRequest { page_size: PAGE_SIZE, stale_ok, ..Default::default() };
                session.print_list(&list_all!(session, directors.list_directors(request), directors));
                Ok(())
            }
            Self::Show { name } => {
                let director = get(session, &name, session.stale_ok()).await?;
                session.print_one(&director);
                print_uplinks(session, &director.name).await
            }
            Self::Add { name, id, content } => add(session, name, id, content).await,
            Self::Update { name, content, precondition } => update(session, &name, content, precondition).await,
            Self::Remove { name, precondition } => remove(session, &name, precondition).await,
            Self::Drain { name, no_wait, precondition } => drain(session, &name, no_wait, precondition).await,
            Self::Resume { name, precondition } => resume(session, &name, precondition).await,
            Self::TransferLeadership { name } => transfer_leadership(session, name.as_deref()).await,
        }
    }
}

/// How its ports on LANs are is no part of the replicated director; programs find it in `cluster show`.
async fn print_uplinks(session: &Session, director: &str) -> Result<(), Failure> {
    if session.format() == Format::Table {
        let cluster = session.cluster().get_cluster(session.ask(v1::GetClusterRequest::default())).await?.into_inner();
        let status = cluster.directors.iter().find(|it| it.director == director);
        if let Some(status) = status.filter(|it| !it.uplinks.is_empty()) {
            say(format_args!("\nuplinks\n{}", render(&uplink_table(&status.uplinks))));
        }
    }
    Ok(())
}

async fn get(session: &Session, name: &str, stale_ok: bool) -> Result<v1::Director, Failure> {
    let request = v1::GetDirectorRequest { name: full(ResourceKind::Director, name), stale_ok };
    Ok(session.directors().get_director(session.ask(request)).await?.into_inner())
}

async fn add(session: &Session, name: String, id: u64, content: Content) -> Result<(), Failure> {
    let change = session.change();
    let mut director = v1::Director { id, role: v1::DirectorRole::Active.into(), ..Default::default() };
    content.write_into(&mut director);
    let request = v1::CreateDirectorRequest {
        director_id: name,
        director: Some(director),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.directors().create_director(session.ask(request)).await?.into_inner();
    session.print_changed(&response, response.director.as_ref(), response.outcome.as_ref(), "added");
    Ok(())
}

async fn update(session: &Session, name: &str, content: Content, precondition: Precondition) -> Result<(), Failure> {
    let change = session.change();
    let mut director = get(session, name, false).await?;
    content.write_into(&mut director);
    director.etag = precondition.or(director.etag);
    let request = v1::UpdateDirectorRequest {
        director: Some(director),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.directors().update_director(session.ask(request)).await?.into_inner();
    session.print_changed(&response, response.director.as_ref(), response.outcome.as_ref(), "updated");
    Ok(())
}

async fn remove(session: &Session, name: &str, precondition: Precondition) -> Result<(), Failure> {
    let change = session.change();
    let request = v1::DeleteDirectorRequest {
        name: full(ResourceKind::Director, name),
        etag: precondition.etag(),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.directors().delete_director(session.ask(request)).await?.into_inner();
    session.print_done(&response, response.outcome.as_ref(), "removed");
    Ok(())
}

async fn drain(session: &Session, name: &str, no_wait: bool, precondition: Precondition) -> Result<(), Failure> {
    let change = session.change();
    let director = full(ResourceKind::Director, name);
    let before = before(session, &director).await?;
    let request = v1::DrainDirectorRequest {
        name: director.clone(),
        etag: precondition.etag(),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let mut response = session.directors().drain_director(session.ask(request)).await?.into_inner();
    if session.dry_run() {
        let effects = response.outcome.as_ref().map(|it| it.effects.as_slice()).unwrap_or_default();
        would_stay(&director, &before.homes, effects).iter().for_each(|stays| eprintln!("{stays}"));
    } else if !no_wait {
        until_empty(session, &director, before).await?;
        response.director = Some(get(session, name, false).await?);
    }
    session.print_changed(&response, response.director.as_ref(), response.outcome.as_ref(), "drained");
    Ok(())
}

async fn resume(session: &Session, name: &str, precondition: Precondition) -> Result<(), Failure> {
    let change = session.change();
    let request = v1::ResumeDirectorRequest {
        name: full(ResourceKind::Director, name),
        etag: precondition.etag(),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.directors().resume_director(session.ask(request)).await?.into_inner();
    session.print_changed(&response, response.director.as_ref(), response.outcome.as_ref(), "resumed");
    Ok(())
}

async fn transfer_leadership(session: &Session, name: Option<&str>) -> Result<(), Failure> {
    let change = session.change();
    let request = v1::TransferLeadershipRequest {
        name: full_or_nothing(ResourceKind::Director, name),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.directors().transfer_leadership(session.ask(request)).await?.into_inner();
    session.print_done(&response, response.outcome.as_ref(), "leadership transferred");
    Ok(())
}

impl Readable for v1::Director {
    const HEADINGS: &'static [&'static str] = &["NAME", "ID", "ROLE", "STATE", "RAIL A", "RAIL B", "API", "AGE"];

    fn row(&self, now: SystemTime) -> Vec<String> {
        let rails = self.rails.clone().unwrap_or_default();
        vec![
            short(&self.name),
            self.id.to_string(),
            word(self.role().as_str_name(), "DIRECTOR_ROLE_"),
            word(self.admin_state().as_str_name(), "ADMIN_STATE_"),
            rails.a,
            rails.b,
            self.api_address.clone(),
            age(self.create_time.as_ref(), now),
        ]
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        let rails = self.rails.clone().unwrap_or_default();
        let mut facts = vec![
            ("name", short(&self.name)),
            ("id", self.id.to_string()),
            ("role", word(self.role().as_str_name(), "DIRECTOR_ROLE_")),
            ("state", word(self.admin_state().as_str_name(), "ADMIN_STATE_")),
            ("rail A", rails.a),
            ("rail B", rails.b),
            ("API", self.api_address.clone()),
            ("store", or_nothing(&self.store_id)),
        ];
        facts.extend(stamp_facts(self.create_time.as_ref(), self.update_time.as_ref(), &self.etag, now));
        facts
    }
}
