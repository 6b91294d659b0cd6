//! `lan` and `san`: the same verbs for both.

use std::collections::BTreeMap;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use comfy_table::Table;
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::adapter::Content;
use super::san::SanSettings;
use super::stamp_facts;
use crate::cli::Precondition;
use crate::cli::failure::Failure;
use crate::cli::output::{Readable, table};
use crate::cli::session::{PAGE_SIZE, Session, list_all};
use crate::cli::spec::{by_name, not_both, pair};
use crate::cli::text::{NOTHING, age, full, short};

/// `S`: what it has beside its uplinks.
#[derive(Subcommand, Debug)]
pub enum CloudCommand<S: Args> {
    /// Lists all.
    List,
    /// Shows one.
    Show { name: String },
    /// Creates one.
    Create {
        name: String,
        #[command(flatten)]
        uplinks: Uplinks,
        #[command(flatten)]
        settings: S,
    },
    /// Changes what is named; the rest stays.
    Update {
        name: String,
        #[command(flatten)]
        uplinks: Uplinks,
        /// Takes away a director's uplink; may be repeated.
        #[arg(long, value_name = "DIRECTOR")]
        remove_uplink: Vec<String>,
        #[command(flatten)]
        settings: S,
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

pub type LanCommand = CloudCommand<LanSettings>;
pub type SanCommand = CloudCommand<SanSettings>;

/// Nothing.
#[derive(Args, Debug)]
pub struct LanSettings {}

impl Content for LanSettings {
    type Message = v1::Lan;

    fn write_into(self, _lan: &mut v1::Lan) -> Result<(), Failure> {
        Ok(())
    }
}

/// By which port each director reaches it.
#[derive(Args, Debug)]
pub struct Uplinks {
    /// The same port on every director that may carry adapters.
    #[arg(long)]
    port: Option<String>,
    /// The port of one director; may be repeated.
    #[arg(long, value_name = "DIRECTOR=PORT", value_parser = pair)]
    uplink: Vec<(String, String)>,
}

impl Uplinks {
    /// Those of single directors.
    fn own(&self) -> Result<BTreeMap<String, String>, Failure> {
        let given = self.uplink.iter().map(|(name, port)| (full(ResourceKind::Director, name), port.clone()));
        by_name("--uplink", given)
    }

    /// Adds to what there is; a single director's port rules over the one for all.
    async fn add_to(self, session: &Session, uplinks: &mut BTreeMap<String, String>) -> Result<(), Failure> {
        let own = self.own()?;
        if let Some(port) = self.port {
            let request = v1::ListDirectorsRequest { page_size: PAGE_SIZE, ..Default::default() };
            let directors = list_all!(session, directors.list_directors(request), directors);
            let carriers = directors.into_iter().filter(|it| it.role() != v1::DirectorRole::Witness);
            uplinks.extend(carriers.map(|it| (it.name, port.clone())));
        }
        uplinks.extend(own);
        Ok(())
    }
}

macro_rules! cloud {
    (
        $Settings:ident, $kind:ident, $Message:ident, $Uplink:ident, $one:ident, $id:ident, $many:ident, $client:ident,
        $list:ident $ListRequest:ident, $get:ident $GetRequest:ident, $create:ident $CreateRequest:ident,
        $update:ident $UpdateRequest:ident, $delete:ident $DeleteRequest:ident
    ) => {
        impl CloudCommand<$Settings> {
            pub async fn run(self, session: &Session) -> Result<(), Failure> {
                let mut client = session.$client();
                let change = session.change();
                let (request_id, validate_only) = (change.request_id, change.validate_only);
                match self {
                    Self::List => {
                        let request = v1::$ListRequest {
                            page_size: PAGE_SIZE,
                            stale_ok: session.stale_ok(),
                            ..Default::default()
                        };
                        session.print_list(&list_all!(session, $client.$list(request), $many));
                    }
                    Self::Show { name } => {
                        let (name, stale_ok) = (full(ResourceKind::$kind, &name), session.stale_ok());
                        let request = v1::$GetRequest { name, stale_ok };
                        session.print_one(&client.$get(session.ask(request)).await?.into_inner());
                    }
                    Self::Create { name, uplinks, settings } => {
                        let mut ports = BTreeMap::new();
                        uplinks.add_to(session, &mut ports).await?;
                        let uplinks = ports.into_iter().map(|(director, port)| v1::$Uplink { director, port });
                        let mut it = v1::$Message { uplinks: uplinks.collect(), ..Default::default() };
                        settings.write_into(&mut it)?;
                        let $one = Some(it);
                        let request = v1::$CreateRequest { $id: name, $one, request_id, validate_only };
                        let response = client.$create(session.ask(request)).await?.into_inner();
                        session.print_changed(&response, response.$one.as_ref(), response.outcome.as_ref(), "created");
                    }
                    Self::Update { name, uplinks, remove_uplink, settings, precondition } => {
                        let removed: Vec<String> =
                            remove_uplink.iter().map(|name| full(ResourceKind::Director, name)).collect();
                        not_both("uplink", &uplinks.own()?, &removed)?;
                        let name = full(ResourceKind::$kind, &name);
                        let request = v1::$GetRequest { name, stale_ok: false };
                        let mut it = client.$get(session.ask(request)).await?.into_inner();
                        let mut ports: BTreeMap<String, String> =
                            it.uplinks.into_iter().map(|it| (it.director, it.port)).collect();
                        uplinks.add_to(session, &mut ports).await?;
                        ports.retain(|director, _| !removed.contains(director));
                        it.uplinks = ports.into_iter().map(|(director, port)| v1::$Uplink { director, port }).collect();
                        settings.write_into(&mut it)?;
                        it.etag = precondition.or(it.etag);
                        let request = v1::$UpdateRequest { $one: Some(it), request_id, validate_only };
                        let response = client.$update(session.ask(request)).await?.into_inner();
                        session.print_changed(&response, response.$one.as_ref(), response.outcome.as_ref(), "updated");
                    }
                    Self::Delete { name, precondition } => {
                        let (name, etag) = (full(ResourceKind::$kind, &name), precondition.etag());
                        let request = v1::$DeleteRequest { name, etag, request_id, validate_only };
                        let response = client.$delete(session.ask(request)).await?.into_inner();
                        session.print_done(&response, response.outcome.as_ref(), "deleted");
                    }
                }
                Ok(())
            }
        }
    };
}

cloud!(
    LanSettings, Lan, Lan, LanUplink, lan, lan_id, lans, lans, list_lans ListLansRequest, get_lan GetLanRequest,
    create_lan CreateLanRequest, update_lan UpdateLanRequest, delete_lan DeleteLanRequest
);
cloud!(
    SanSettings, San, San, SanUplink, san, san_id, sans, sans, list_sans ListSansRequest, get_san GetSanRequest,
    create_san CreateSanRequest, update_san UpdateSanRequest, delete_san DeleteSanRequest
);

/// `d1=lan0 d2=lan0`
pub fn uplinks_text<'a>(uplinks: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let uplinks: Vec<String> = uplinks.map(|(director, port)| format!("{}={port}", short(director))).collect();
    if uplinks.is_empty() { NOTHING.to_owned() } else { uplinks.join(" ") }
}

impl Readable for v1::Lan {
    const HEADINGS: &'static [&'static str] = &["NAME", "UPLINKS", "AGE"];

    fn row(&self, now: SystemTime) -> Vec<String> {
        let uplinks = uplinks_text(self.uplinks.iter().map(|it| (&it.director, &it.port)));
        vec![short(&self.name), uplinks, age(self.create_time.as_ref(), now)]
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        let mut facts = vec![("name", short(&self.name))];
        facts.extend(stamp_facts(self.create_time.as_ref(), self.update_time.as_ref(), &self.etag, now));
        facts
    }

    fn parts(&self, _now: SystemTime) -> Vec<(&'static str, Table)> {
        let rows = self.uplinks.iter().map(|it| vec![short(&it.director), it.port.clone()]);
        vec![("uplinks", table(&["DIRECTOR", "PORT"], rows))]
    }
}
