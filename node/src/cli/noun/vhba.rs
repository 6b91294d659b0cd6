//! What `vhba` has beside the verbs of all adapters, and how a vHBA looks to people.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use comfy_table::Table;
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::adapter::{AdapterCommand, Content, device, epoch, split};
use crate::cli::failure::Failure;
use crate::cli::output::{Readable, home, table};
use crate::cli::session::Session;
use crate::cli::spec::wwn_source;
use crate::cli::text::{NOTHING, full, full_or_nothing, octets, or_nothing, rough, short, yes};

#[derive(Subcommand, Debug)]
pub enum VhbaCommand {
    #[command(flatten)]
    Adapter(AdapterCommand<VhbaContent>),
    /// Has the home ask the SAN for its LUNs anew.
    Rescan {
        #[arg(value_name = "PROFILE/ADAPTER")]
        name: String,
    },
}

impl VhbaCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Adapter(command) => command.run(session).await,
            Self::Rescan { name } => {
                let (parent, own) = split(&name, "vhbas")?;
                let request = v1::RescanVhbaRequest { name: format!("{parent}/vhbas/{own}") };
                let response = session.vhbas().rescan_vhba(session.ask(request)).await?.into_inner();
                session.print_one(&response.vhba.unwrap_or_default());
                Ok(())
            }
        }
    }
}

#[derive(Args, Debug)]
pub struct VhbaContent {
    /// The SAN that it is on.
    #[arg(long)]
    san: Option<String>,
    /// Draw its world-wide names from this pool.
    #[arg(long, conflicts_with_all = ["wwpn", "wwnn"])]
    wwn_pool: Option<String>,
    /// Give it this port name.
    #[arg(long, requires = "wwnn")]
    wwpn: Option<String>,
    /// Give it this node name.
    #[arg(long, requires = "wwpn")]
    wwnn: Option<String>,
    /// The QoS policy; an empty one takes it away.
    #[arg(long)]
    qos: Option<String>,
    /// The LUNs that the server gets, of those that the SAN shows: 0,1,7.
    #[arg(long, value_name = "LUN,…", value_delimiter = ',', conflicts_with = "all_luns")]
    luns: Option<Vec<u32>>,
    /// The server gets all LUNs that the SAN shows [default of a new one]
    #[arg(long)]
    all_luns: bool,
    /// The LUN from which the server is to boot.
    #[arg(long, value_name = "LUN", conflicts_with = "no_boot_lun")]
    boot_lun: Option<u32>,
    /// None to boot from.
    #[arg(long)]
    no_boot_lun: bool,
}

impl Content for VhbaContent {
    type Message = v1::Vhba;

    fn write_into(self, vhba: &mut v1::Vhba) -> Result<(), Failure> {
        let Self { san, wwn_pool, wwpn, wwnn, qos, luns, all_luns, boot_lun, no_boot_lun } = self;
        let source = wwn_source(wwpn.as_deref(), wwnn.as_deref(), wwn_pool.as_deref()).map_err(Failure::Usage)?;
        if source.is_some() {
            vhba.wwn_source = source;
        }
        if let Some(san) = san {
            vhba.san = full(ResourceKind::San, &san);
        }
        if let Some(qos) = qos {
            vhba.qos_policy = full_or_nothing(ResourceKind::QosPolicy, Some(qos.as_str()).filter(|it| !it.is_empty()));
        }
        if let Some(luns) = luns.or(all_luns.then(Vec::new)) {
            vhba.lun_mask = luns;
        }
        if boot_lun.is_some() || no_boot_lun {
            vhba.boot_lun = boot_lun;
        }
        Ok(())
    }
}

/// A row without the name.
pub fn vhba_cells(vhba: &v1::Vhba) -> Vec<String> {
    let (san, qos) = (short(&vhba.san), short(&vhba.qos_policy));
    let home_cells = [home(vhba.home.as_ref()), epoch(vhba.home.as_ref()), device(vhba.device.as_ref())];
    let mut cells = vec![or_nothing(&vhba.wwpn), or_nothing(&vhba.wwnn), san, qos];
    cells.extend(home_cells);
    cells
}

fn numbers(numbers: &[u32]) -> String {
    let text: Vec<String> = numbers.iter().map(u32::to_string).collect();
    text.join(",")
}

fn mask(vhba: &v1::Vhba) -> String {
    if vhba.lun_mask.is_empty() { "all".to_owned() } else { numbers(&vhba.lun_mask) }
}

pub fn milliseconds(phases: &[v1::PhaseTime]) -> String {
    let text: Vec<String> = phases.iter().map(|it| format!("{} {}", it.phase, it.ms)).collect();
    or_nothing(&text.join(", "))
}

impl Readable for v1::Vhba {
    const HEADINGS: &'static [&'static str] = &["NAME", "WWPN", "WWNN", "SAN", "QOS", "HOME", "EPOCH", "DEVICE"];

    fn row(&self, _now: SystemTime) -> Vec<String> {
        let mut row = vec![short(&self.name)];
        row.extend(vhba_cells(self));
        row
    }

    fn facts(&self, _now: SystemTime) -> Vec<(&'static str, String)> {
        let from = match &self.wwn_source {
            Some(v1::vhba::WwnSource::WwnPool(pool)) => format!("pool {}", short(pool)),
            Some(v1::vhba::WwnSource::FixedWwns(_)) => "fixed".to_owned(),
            None => NOTHING.to_owned(),
        };
        vec![
            ("name", short(&self.name)),
            ("adapter id", self.adapter_id.to_string()),
            ("WWPN", format!("{} ({from})", or_nothing(&self.wwpn))),
            ("WWNN", or_nothing(&self.wwnn)),
            ("SAN", short(&self.san)),
            ("QoS", short(&self.qos_policy)),
            ("LUN mask", mask(self)),
            ("boot LUN", self.boot_lun.map_or_else(|| NOTHING.to_owned(), |it| it.to_string())),
            ("home", home(self.home.as_ref())),
            ("epoch", epoch(self.home.as_ref())),
            ("device", device(self.device.as_ref())),
            ("etag", or_nothing(&self.etag)),
        ]
    }

    fn parts(&self, _now: SystemTime) -> Vec<(&'static str, Table)> {
        let mut parts = Vec::new();
        if let Some(session) = &self.session {
            parts.push(("session at the SAN", facts_table(session_facts(session))));
        }
        if let Some(path) = &self.path {
            parts.push(("path of the server", facts_table(path_facts(path))));
        }
        if !self.luns.is_empty() {
            parts.push(("LUNs on the server", table(LUN_HEADINGS, self.luns.iter().map(lun_row))));
        }
        parts
    }
}

const LUN_HEADINGS: &[&str] = &["LUN", "SIZE", "BLOCK", "PRODUCT", "READ-ONLY", "EXPORT", "DEVICE", "PROBLEM"];

fn lun_row(it: &v1::VhbaLun) -> Vec<String> {
    vec![
        it.lun.to_string(),
        octets(it.octets),
        it.block_length.to_string(),
        or_nothing(&it.product),
        yes(it.read_only),
        or_nothing(&it.export),
        or_nothing(&it.device),
        or_nothing(&it.problem),
    ]
}

fn facts_table(facts: Vec<(&'static str, String)>) -> Table {
    table(&["WHAT", ""], facts.into_iter().map(|(label, value)| vec![label.to_owned(), value]))
}

fn session_facts(session: &v1::VhbaSession) -> Vec<(&'static str, String)> {
    vec![
        ("director", short(&session.director)),
        ("phase", format!("{} for {}", session.phase, rough(Duration::from_millis(session.phase_ms)))),
        ("problem", or_nothing(&session.problem)),
        ("target", or_nothing(&session.target)),
        ("LUNs shown", or_nothing(&numbers(&session.luns))),
        ("logins", session.logins.to_string()),
        ("sessions lost", session.sessions_lost.to_string()),
        ("commands", format!("{} done, {} held", session.commands, session.held)),
        ("read, written", format!("{}, {}", octets(session.read_octets), octets(session.written_octets))),
        ("last fence, ms", milliseconds(&session.phases)),
    ]
}

fn path_facts(path: &v1::VhbaPath) -> Vec<(&'static str, String)> {
    let to = match path.director.as_str() {
        "" => NOTHING.to_owned(),
        director => format!("{} by rail {}", short(director), path.rail),
    };
    vec![
        ("attached to", to),
        ("refused because", or_nothing(&path.refusal)),
        ("commands", format!("{} done, {} held", path.commands, path.held)),
        ("read, written", format!("{}, {}", octets(path.read_octets), octets(path.written_octets))),
        ("sent again", path.replayed.to_string()),
        ("errors", path.errors.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::describe;

    #[test]
    fn a_vhba_with_all_that_is_known_of_it() {
        let vhba = v1::Vhba {
            name: "profiles/db/vhbas/hba0".into(),
            adapter_id: 8,
            wwpn: "50:01:43:80:00:00:00:01".into(),
            wwnn: "50:01:43:80:00:00:00:02".into(),
            san: "sans/array".into(),
            lun_mask: vec![0, 7],
            boot_lun: Some(0),
            session: Some(v1::VhbaSession {
                director: "directors/d1".into(),
                phase: "admitted".into(),
                phase_ms: 61_000,
                target: "iSCSI target iqn.a at 192.0.2.7:3260".into(),
                luns: vec![0, 1, 7],
                logins: 2,
                sessions_lost: 1,
                commands: 1234,
                read_octets: 5 << 20,
                written_octets: 4096,
                held: 3,
                phases: vec![v1::PhaseTime { phase: "login".into(), ms: 2 }],
                ..Default::default()
            }),
            path: Some(v1::VhbaPath { director: "directors/d1".into(), rail: "A".into(), ..Default::default() }),
            luns: vec![v1::VhbaLun {
                lun: 7,
                octets: 10 << 30,
                block_length: 512,
                product: "IET VIRTUAL-DISK".into(),
                export: "/run/twinrail/db/hba0/lun7.sock".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        insta::assert_snapshot!(describe(&vhba, SystemTime::UNIX_EPOCH));
    }
}
