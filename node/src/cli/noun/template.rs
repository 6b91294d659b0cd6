//! `template`: what profiles are made from.

use std::collections::BTreeMap;
use std::time::SystemTime;

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::adapter::{mtu_text, vlan_text};
use super::stamp_facts;
use crate::cli::Precondition;
use crate::cli::failure::Failure;
use crate::cli::output::{Readable, table};
use crate::cli::session::{PAGE_SIZE, Session, list_all};
use crate::cli::spec::{VhbaWords, VnicWords, by_name, not_both, vhba_words, vnic_words};
use crate::cli::text::{age, full, short, word};

#[derive(Subcommand, Debug)]
pub enum TemplateCommand {
    /// Lists all.
    List,
    /// Shows one.
    Show { name: String },
    /// Creates one.
    Create {
        name: String,
        /// Whether later changes reach the profiles made from it.
        #[arg(long, value_enum, default_value_t = Mode::Initial)]
        mode: Mode,
        #[command(flatten)]
        adapters: Adapters,
    },
    /// Adds or replaces the adapters that are named. Try with --dry-run first: profiles of an updating template change.
    Update {
        name: String,
        /// Whether later changes reach the profiles made from it.
        #[arg(long, value_enum)]
        mode: Option<Mode>,
        #[command(flatten)]
        adapters: Adapters,
        /// Takes a vNIC away; may be repeated.
        #[arg(long, value_name = "NAME")]
        remove_vnic: Vec<String>,
        /// Takes a vHBA away; may be repeated.
        #[arg(long, value_name = "NAME")]
        remove_vhba: Vec<String>,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Deletes one that no profile refers to.
    Delete {
        name: String,
        #[command(flatten)]
        precondition: Precondition,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    /// Copied once, when a profile is made.
    Initial,
    /// Changes reach the profiles made from it.
    Updating,
}

#[derive(Args, Debug)]
pub struct Adapters {
    /// NAME,lan=…,mac-pool=… and if wanted vlan=… or trunk=1+2, mtu=…, qos=…; may be repeated.
    #[arg(long, value_parser = vnic_words)]
    vnic: Vec<VnicWords>,
    /// NAME,san=…,wwn-pool=… and if wanted qos=…; may be repeated.
    #[arg(long, value_parser = vhba_words)]
    vhba: Vec<VhbaWords>,
}

impl From<Mode> for v1::TemplateMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Initial => Self::Initial,
            Mode::Updating => Self::Updating,
        }
    }
}

type Read = (BTreeMap<String, v1::VnicTemplate>, BTreeMap<String, v1::VhbaTemplate>);

impl Adapters {
    fn read(&self) -> Result<Read, Failure> {
        let vnics: Vec<_> =
            self.vnic.iter().map(VnicWords::template).collect::<Result<_, _>>().map_err(Failure::Usage)?;
        let vhbas: Vec<_> =
            self.vhba.iter().map(VhbaWords::template).collect::<Result<_, _>>().map_err(Failure::Usage)?;
        Ok((by_name("--vnic", vnics)?, by_name("--vhba", vhbas)?))
    }
}

impl TemplateCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List => {
                let stale_ok = session.stale_ok();
                let request = v1::ListTemplatesRequest { page_size: PAGE_SIZE, stale_ok, ..Default::default() };
                session.print_list(&list_all!(session, templates.list_templates(request), templates));
                Ok(())
            }
            Self::Show { name } => {
                session.print_one(&get(session, &name, session.stale_ok()).await?);
                Ok(())
            }
            Self::Create { name, mode, adapters } => create(session, name, mode, &adapters).await,
            Self::Update { name, mode, adapters, remove_vnic, remove_vhba, precondition } => {
                let (vnics, vhbas) = adapters.read()?;
                not_both("vnic", &vnics, &remove_vnic)?;
                not_both("vhba", &vhbas, &remove_vhba)?;
                let mut template = get(session, &name, false).await?;
                if let Some(mode) = mode {
                    template.set_mode(mode.into());
                }
                template.vnics.retain(|name, _| !remove_vnic.contains(name));
                template.vhbas.retain(|name, _| !remove_vhba.contains(name));
                template.vnics.extend(vnics);
                template.vhbas.extend(vhbas);
                template.etag = precondition.or(template.etag);
                update(session, template).await
            }
            Self::Delete { name, precondition } => delete(session, &name, precondition).await,
        }
    }
}

async fn get(session: &Session, name: &str, stale_ok: bool) -> Result<v1::Template, Failure> {
    let request = v1::GetTemplateRequest { name: full(ResourceKind::Template, name), stale_ok };
    Ok(session.templates().get_template(session.ask(request)).await?.into_inner())
}

async fn create(session: &Session, name: String, mode: Mode, adapters: &Adapters) -> Result<(), Failure> {
    let change = session.change();
    let (vnics, vhbas) = adapters.read()?;
    let mut template = v1::Template { vnics, vhbas, ..Default::default() };
    template.set_mode(mode.into());
    let request = v1::CreateTemplateRequest {
        template_id: name,
        template: Some(template),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.templates().create_template(session.ask(request)).await?.into_inner();
    session.print_changed(&response, response.template.as_ref(), response.outcome.as_ref(), "created");
    Ok(())
}

async fn update(session: &Session, template: v1::Template) -> Result<(), Failure> {
    let change = session.change();
    let request = v1::UpdateTemplateRequest {
        template: Some(template),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.templates().update_template(session.ask(request)).await?.into_inner();
    session.print_changed(&response, response.template.as_ref(), response.outcome.as_ref(), "updated");
    Ok(())
}

async fn delete(session: &Session, name: &str, precondition: Precondition) -> Result<(), Failure> {
    let change = session.change();
    let request = v1::DeleteTemplateRequest {
        name: full(ResourceKind::Template, name),
        etag: precondition.etag(),
        request_id: change.request_id,
        validate_only: change.validate_only,
    };
    let response = session.templates().delete_template(session.ask(request)).await?.into_inner();
    session.print_done(&response, response.outcome.as_ref(), "deleted");
    Ok(())
}

impl Readable for v1::Template {
    const HEADINGS: &'static [&'static str] = &["NAME", "MODE", "VNICS", "VHBAS", "AGE"];

    fn row(&self, now: SystemTime) -> Vec<String> {
        let names = |names: Vec<&str>| if names.is_empty() { "-".to_owned() } else { names.join(" ") };
        vec![
            short(&self.name),
            word(self.mode().as_str_name(), "TEMPLATE_MODE_"),
            names(self.vnics.keys().map(String::as_str).collect()),
            names(self.vhbas.keys().map(String::as_str).collect()),
            age(self.create_time.as_ref(), now),
        ]
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        let mode = word(self.mode().as_str_name(), "TEMPLATE_MODE_");
        let mut facts = vec![("name", short(&self.name)), ("mode", mode)];
        facts.extend(stamp_facts(self.create_time.as_ref(), self.update_time.as_ref(), &self.etag, now));
        facts
    }

    fn parts(&self, _now: SystemTime) -> Vec<(&'static str, Table)> {
        let vnics = self.vnics.iter().map(|(name, it)| {
            let (vlan, mtu) = (vlan_text(it.vlan.as_ref()), mtu_text(it.mtu));
            vec![name.clone(), short(&it.lan), vlan, mtu, short(&it.qos_policy), short(&it.mac_pool)]
        });
        let vhbas = self
            .vhbas
            .iter()
            .map(|(name, it)| vec![name.clone(), short(&it.san), short(&it.qos_policy), short(&it.wwn_pool)]);
        let mut parts = Vec::new();
        if !self.vnics.is_empty() {
            parts.push(("vNICs", table(&["NAME", "LAN", "VLAN", "MTU", "QOS", "MAC POOL"], vnics)));
        }
        if !self.vhbas.is_empty() {
            parts.push(("vHBAs", table(&["NAME", "SAN", "QOS", "WWN POOL"], vhbas)));
        }
        parts
    }
}
