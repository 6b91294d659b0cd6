//! `profile`: sets of adapters that move as one.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use comfy_table::Table;
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::adapter::vnic_cells;
use super::settle::{Goal, settle};
use super::stamp_facts;
use super::vhba::vhba_cells;
use crate::cli::Precondition;
use crate::cli::failure::Failure;
use crate::cli::output::{Readable, table};
use crate::cli::session::{PAGE_SIZE, Session, list_all};
use crate::cli::spec::{VhbaWords, VnicWords, by_name, vhba_words, vnic_words};
use crate::cli::text::{NOTHING, age, full, full_or_nothing, short};

#[derive(Subcommand, Debug)]
pub enum ProfileCommand {
    /// Lists all, or those of one server.
    List {
        /// Only those bound to this server.
        #[arg(long)]
        server: Option<String>,
    },
    /// Shows one with its adapters.
    Show { name: String },
    /// Creates one; its adapters get their identities.
    Create {
        name: String,
        /// What it is made from.
        #[arg(long)]
        template: Option<String>,
        #[command(flatten)]
        adapters: Adapters,
    },
    /// Deletes one that is on no server; its identities are quarantined.
    Delete {
        name: String,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Puts one on a server, and waits until its adapters are carried.
    Deploy {
        name: String,
        /// The server that shall use it.
        #[arg(long)]
        server: String,
        #[command(flatten)]
        how: Binding,
    },
    /// Takes one off its server, and waits until that has let go.
    Undeploy {
        name: String,
        #[command(flatten)]
        how: Binding,
    },
    /// Moves one to another server, identities and all, and waits until it is there.
    Move {
        name: String,
        /// The server that shall use it; a spare may be named too.
        #[arg(long)]
        server: String,
        #[command(flatten)]
        how: Binding,
    },
}

#[derive(Args, Debug)]
pub struct Adapters {
    /// One beside those of the template: NAME,lan=…,mac-pool=… (or mac=…) and if wanted vlan=… or trunk=1+2, mtu=…, qos=….
    #[arg(long, value_parser = vnic_words)]
    vnic: Vec<VnicWords>,
    /// One beside those of the template: NAME,san=…,wwn-pool=… (or wwpn=…,wwnn=…) and if wanted qos=….
    #[arg(long, value_parser = vhba_words)]
    vhba: Vec<VhbaWords>,
}

#[derive(Args, Debug)]
pub struct Binding {
    #[command(flatten)]
    precondition: Precondition,
    /// Come back as soon as the wish is recorded.
    #[arg(long)]
    no_wait: bool,
}

impl ProfileCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List { server } => {
                let server = full_or_nothing(ResourceKind::Server, server.as_deref());
                let stale_ok = session.stale_ok();
                let request = v1::ListProfilesRequest { page_size: PAGE_SIZE, stale_ok, server, ..Default::default() };
                session.print_list(&list_all!(session, profiles.list_profiles(request), profiles));
                Ok(())
            }
            Self::Show { name } => {
                session.print_one(&get(session, &full(ResourceKind::Profile, &name), session.stale_ok()).await?);
                Ok(())
            }
            Self::Create { name, template, adapters } => create(session, name, template.as_deref(), &adapters).await,
            Self::Delete { name, precondition } => delete(session, &name, precondition).await,
            Self::Deploy { name, server, how } => deploy(session, &name, &server, how).await,
            Self::Undeploy { name, how } => undeploy(session, &name, how).await,
            Self::Move { name, server, how } => move_to(session, &name, &server, how).await,
        }
    }
}

pub async fn get(session: &Session, name: &str, stale_ok: bool) -> Result<v1::Profile, Failure> {
    let request = v1::GetProfileRequest { name: name.to_owned(), stale_ok };
    Ok(session.profiles().get_profile(session.ask(request)).await?.into_inner())
}

async fn create(session: &Session, name: String, template: Option<&str>, adapters: &Adapters) -> Result<(), Failure> {
    let change = session.change();
    let vnics: Vec<_> = adapters.vnic.iter().map(VnicWords::vnic).collect::<Result<_, _>>().map_err(Failure::Usage)?;
    let vhbas: Vec<_> = adapters.vhba.iter().map(VhbaWords::vhba).collect::<Result<_, _>>().map_err(Failure::Usage)?;
    let (vnics, vhbas) = (by_name("--vnic", vnics)?, by_name("--vhba", vhbas)?);
    let template = full_or_nothing(ResourceKind::Template, template);
    let request = v1::CreateProfileRequest {
        profile_id: name,
        profile: Some(v1::Profile { template, vnics, vhbas, ..Default::default() }),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.profiles().create_profile(session.ask(request)).await?.into_inner();
    session.print_changed(&response, response.profile.as_ref(), response.outcome.as_ref(), "created");
    Ok(())
}

async fn delete(session: &Session, name: &str, precondition: Precondition) -> Result<(), Failure> {
    let change = session.change();
    let request = v1::DeleteProfileRequest {
        name: full(ResourceKind::Profile, name),
        etag: precondition.etag(),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.profiles().delete_profile(session.ask(request)).await?.into_inner();
    session.print_done(&response, response.outcome.as_ref(), "deleted");
    Ok(())
}

async fn deploy(session: &Session, name: &str, server: &str, how: Binding) -> Result<(), Failure> {
    let change = session.change();
    let (name, server) = (full(ResourceKind::Profile, name), full(ResourceKind::Server, server));
    let request = v1::DeployProfileRequest {
        name: name.clone(),
        server: server.clone(),
        etag: how.precondition.etag(),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let mut response = session.profiles().deploy_profile(session.ask(request)).await?.into_inner();
    if !how.no_wait && !session.dry_run() {
        response.profile = Some(settle(session, &name, &Goal::On(server)).await?);
    }
    session.print_changed(&response, response.profile.as_ref(), response.outcome.as_ref(), "deployed");
    Ok(())
}

async fn undeploy(session: &Session, name: &str, how: Binding) -> Result<(), Failure> {
    let change = session.change();
    let name = full(ResourceKind::Profile, name);
    let request = v1::UndeployProfileRequest {
        name: name.clone(),
        etag: how.precondition.etag(),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let mut response = session.profiles().undeploy_profile(session.ask(request)).await?.into_inner();
    if !how.no_wait && !session.dry_run() {
        response.profile = Some(settle(session, &name, &Goal::Nowhere).await?);
    }
    session.print_changed(&response, response.profile.as_ref(), response.outcome.as_ref(), "undeployed");
    Ok(())
}

async fn move_to(session: &Session, name: &str, server: &str, how: Binding) -> Result<(), Failure> {
    let change = session.change();
    let (name, server) = (full(ResourceKind::Profile, name), full(ResourceKind::Server, server));
    let request = v1::MoveProfileRequest {
        name: name.clone(),
        server: server.clone(),
        etag: how.precondition.etag(),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let mut response = session.profiles().move_profile(session.ask(request)).await?.into_inner();
    if !how.no_wait && !session.dry_run() {
        response.profile = Some(settle(session, &name, &Goal::On(server)).await?);
    }
    session.print_changed(&response, response.profile.as_ref(), response.outcome.as_ref(), "moved");
    Ok(())
}

/// `s1`, `s1 > s2` while it moves, `s1 > nowhere` while it is undeployed.
pub fn binding(profile: &v1::Profile) -> String {
    match &profile.binding {
        None => NOTHING.to_owned(),
        Some(binding) if binding.state() == v1::BindingState::Releasing => {
            let to = if binding.target.is_empty() { "nowhere".to_owned() } else { short(&binding.target) };
            format!("{} > {to}", short(&binding.server))
        }
        Some(binding) => short(&binding.server),
    }
}

impl Readable for v1::Profile {
    const HEADINGS: &'static [&'static str] = &["NAME", "TEMPLATE", "SERVER", "VNICS", "VHBAS", "AGE"];

    fn row(&self, now: SystemTime) -> Vec<String> {
        vec![
            short(&self.name),
            short(&self.template),
            binding(self),
            self.vnics.len().to_string(),
            self.vhbas.len().to_string(),
            age(self.create_time.as_ref(), now),
        ]
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        let mut facts =
            vec![("name", short(&self.name)), ("template", short(&self.template)), ("server", binding(self))];
        facts.extend(stamp_facts(self.create_time.as_ref(), self.update_time.as_ref(), &self.etag, now));
        facts
    }

    fn parts(&self, _now: SystemTime) -> Vec<(&'static str, Table)> {
        let own = |name: &String, mut cells: Vec<String>| {
            cells.insert(0, name.clone());
            cells
        };
        let vnics = self.vnics.iter().map(|(name, vnic)| own(name, vnic_cells(vnic)));
        let vhbas = self.vhbas.iter().map(|(name, vhba)| own(name, vhba_cells(vhba)));
        let mut parts = Vec::new();
        if !self.vnics.is_empty() {
            parts.push(("vNICs", table(v1::Vnic::HEADINGS, vnics)));
        }
        if !self.vhbas.is_empty() {
            parts.push(("vHBAs", table(v1::Vhba::HEADINGS, vhbas)));
        }
        parts
    }
}
