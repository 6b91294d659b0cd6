//! `server`: machines that use adapters. (`twinrail server --config …` runs the agent; these are its client verbs.)

use std::time::SystemTime;

use clap::{Args, Subcommand};
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::stamp_facts;
use crate::cli::Precondition;
use crate::cli::failure::Failure;
use crate::cli::output::Readable;
use crate::cli::session::{PAGE_SIZE, Session, list_all};
use crate::cli::text::{NOTHING, age, full, or_nothing, short, yes};

#[derive(Subcommand, Debug)]
pub enum ServerCommand {
    /// Lists all.
    List,
    /// Shows one.
    Show { name: String },
    /// Makes one known before its agent attaches.
    Create {
        name: String,
        #[command(flatten)]
        content: Content,
    },
    /// Changes what is named.
    Update {
        name: String,
        #[command(flatten)]
        content: Content,
        /// Lets another machine attach under this name.
        #[arg(long)]
        forget_machine: bool,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Forgets one to which no profile is bound.
    Delete {
        name: String,
        #[command(flatten)]
        precondition: Precondition,
    },
}

#[derive(Args, Debug)]
pub struct Content {
    /// A hot spare stands in for another server and gets no profile by deploy.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    spare: Option<bool>,
    /// Most adapters that may be bound to it [default of a new server: 256]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    max_adapters: Option<u32>,
}

impl Content {
    fn write_into(self, server: &mut v1::Server) {
        let Self { spare, max_adapters } = self;
        server.spare = spare.unwrap_or(server.spare);
        server.max_adapters = max_adapters.unwrap_or(server.max_adapters);
    }
}

impl ServerCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut client = session.servers();
        let change = session.change();
        let (request_id, validate_only) = (change.request_id, change.validate_only);
        match self {
            Self::List => {
                let stale_ok = session.stale_ok();
                let request = v1::ListServersRequest { page_size: PAGE_SIZE, stale_ok, ..Default::default() };
                session.print_list(&list_all!(session, servers.list_servers(request), servers));
            }
            Self::Show { name } => session.print_one(&get(session, &name, session.stale_ok()).await?),
            Self::Create { name, content } => {
                let mut server = v1::Server::default();
                content.write_into(&mut server);
                let server = Some(server);
                let request = v1::CreateServerRequest { server_id: name, server, request_id, validate_only };
                let response = client.create_server(session.ask(request)).await?.into_inner();
                session.print_changed(&response, response.server.as_ref(), response.outcome.as_ref(), "created");
            }
            Self::Update { name, content, forget_machine, precondition } => {
                let mut server = get(session, &name, false).await?;
                content.write_into(&mut server);
                if forget_machine {
                    server.machine_id.clear();
                }
                server.etag = precondition.or(server.etag);
                let request = v1::UpdateServerRequest { server: Some(server), request_id, validate_only };
                let response = client.update_server(session.ask(request)).await?.into_inner();
                session.print_changed(&response, response.server.as_ref(), response.outcome.as_ref(), "updated");
            }
            Self::Delete { name, precondition } => {
                let (name, etag) = (full(ResourceKind::Server, &name), precondition.etag());
                let request = v1::DeleteServerRequest { name, etag, request_id, validate_only };
                let response = client.delete_server(session.ask(request)).await?.into_inner();
                session.print_done(&response, response.outcome.as_ref(), "deleted");
            }
        }
        Ok(())
    }
}

async fn get(session: &Session, name: &str, stale_ok: bool) -> Result<v1::Server, Failure> {
    let request = v1::GetServerRequest { name: full(ResourceKind::Server, name), stale_ok };
    Ok(session.servers().get_server(session.ask(request)).await?.into_inner())
}

fn rails(server: &v1::Server) -> (String, String) {
    let none = || (NOTHING.to_owned(), NOTHING.to_owned());
    server.rails.as_ref().map_or_else(none, |rails| (rails.a.clone(), rails.b.clone()))
}

impl Readable for v1::Server {
    const HEADINGS: &'static [&'static str] = &["NAME", "RAIL A", "RAIL B", "SPARE", "MAX ADAPTERS", "AGE"];

    fn row(&self, now: SystemTime) -> Vec<String> {
        let (a, b) = rails(self);
        let age = age(self.create_time.as_ref(), now);
        vec![short(&self.name), a, b, yes(self.spare), self.max_adapters.to_string(), age]
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        let (a, b) = rails(self);
        let mut facts = vec![
            ("name", short(&self.name)),
            ("machine", or_nothing(&self.machine_id)),
            ("rail A", a),
            ("rail B", b),
            ("spare", yes(self.spare)),
            ("max adapters", self.max_adapters.to_string()),
        ];
        facts.extend(stamp_facts(self.create_time.as_ref(), self.update_time.as_ref(), &self.etag, now));
        facts
    }
}
