//! `vnic` and `vhba`: single adapters, named PROFILE/ADAPTER.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::vhba::VhbaContent;
use crate::cli::Precondition;
use crate::cli::failure::Failure;
use crate::cli::output::{Readable, home};
use crate::cli::session::{PAGE_SIZE, Session, list_all};
use crate::cli::spec::{mac_source, mtu, vlan};
use crate::cli::text::{NOTHING, full, full_or_nothing, or_nothing, short, word};

/// The verbs of both kinds; `C` is what an adapter is made of.
#[derive(Subcommand, Debug)]
pub enum AdapterCommand<C: Args> {
    /// Lists those of one profile, or all.
    List {
        /// Only those of this profile.
        #[arg(long)]
        profile: Option<String>,
    },
    /// Shows one.
    Show {
        #[arg(value_name = "PROFILE/ADAPTER")]
        name: String,
    },
    /// Adds one to a profile.
    Create {
        #[arg(value_name = "PROFILE/ADAPTER")]
        name: String,
        #[command(flatten)]
        content: C,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Changes what is named.
    Update {
        #[arg(value_name = "PROFILE/ADAPTER")]
        name: String,
        #[command(flatten)]
        content: C,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Deletes one; its identity is quarantined.
    Delete {
        #[arg(value_name = "PROFILE/ADAPTER")]
        name: String,
        #[command(flatten)]
        precondition: Precondition,
    },
    /// Moves one to another director.
    Move {
        #[arg(value_name = "PROFILE/ADAPTER")]
        name: String,
        /// The director that shall carry it.
        #[arg(long, value_name = "DIRECTOR")]
        to: String,
        #[command(flatten)]
        precondition: Precondition,
    },
}

pub type VnicCommand = AdapterCommand<VnicContent>;

#[derive(Args, Debug)]
pub struct VnicContent {
    /// The LAN that it is on.
    #[arg(long)]
    lan: Option<String>,
    /// Draw its MAC from this pool.
    #[arg(long, conflicts_with = "mac")]
    mac_pool: Option<String>,
    /// Give it this MAC.
    #[arg(long)]
    mac: Option<String>,
    /// Untagged at the server, with this VLAN on the LAN.
    #[arg(long, conflicts_with_all = ["trunk", "native"])]
    vlan: Option<u32>,
    /// Tagged at both, with one of these VLANs: 10,20.
    #[arg(long, value_delimiter = ',', conflicts_with = "native")]
    trunk: Option<Vec<u32>>,
    /// Untagged at both.
    #[arg(long)]
    native: bool,
    /// In octets, 1280 to 9000 [default of a new one: 1500]
    #[arg(long, value_parser = mtu)]
    mtu: Option<u32>,
    /// The QoS policy; an empty one takes it away.
    #[arg(long)]
    qos: Option<String>,
}

/// What a kind of adapter can be made of.
pub trait Content {
    type Message;
    fn write_into(self, message: &mut Self::Message) -> Result<(), Failure>;
}

impl Content for VnicContent {
    type Message = v1::Vnic;

    fn write_into(self, vnic: &mut v1::Vnic) -> Result<(), Failure> {
        let Self { lan, mac_pool, mac, vlan: access, trunk, native, mtu, qos } = self;
        if let Some(source) = mac_source(mac.as_deref(), mac_pool.as_deref()).map_err(Failure::Usage)? {
            vnic.mac_source = Some(source);
        }
        if let Some(vlan) = vlan(access, trunk).map_err(Failure::Usage)? {
            vnic.vlan = Some(vlan);
        }
        if native {
            vnic.vlan = None;
        }
        if let Some(lan) = lan {
            vnic.lan = full(ResourceKind::Lan, &lan);
        }
        if let Some(qos) = qos {
            vnic.qos_policy = full_or_nothing(ResourceKind::QosPolicy, Some(qos.as_str()).filter(|it| !it.is_empty()));
        }
        vnic.mtu = mtu.or(vnic.mtu);
        Ok(())
    }
}

/// `web-1/eth0`, or the whole resource name, into the profile's resource name and the adapter's own name.
pub fn split(name: &str, collection: &str) -> Result<(String, String), Failure> {
    match name.split('/').collect::<Vec<_>>()[..] {
        [profile, adapter] if !profile.is_empty() && !adapter.is_empty() => {
            Ok((full(ResourceKind::Profile, profile), adapter.to_owned()))
        }
        ["profiles", profile, found, adapter] if found == collection => {
            Ok((full(ResourceKind::Profile, profile), adapter.to_owned()))
        }
        _ => Err(Failure::Usage(format!("{name:?} names no adapter; write PROFILE/ADAPTER, as web-1/eth0"))),
    }
}

macro_rules! adapter_command {
    (
        $Content:ident, $one:ident, $id:ident, $many:ident: $list:ident $ListRequest:ident, $get:ident $GetRequest:ident,
        $create:ident $CreateRequest:ident, $update:ident $UpdateRequest:ident, $delete:ident $DeleteRequest:ident,
        $move:ident $MoveRequest:ident
    ) => {
        impl AdapterCommand<$Content> {
            pub async fn run(self, session: &Session) -> Result<(), Failure> {
                let mut client = session.$many();
                let change = session.change();
                let (request_id, validate_only) = (change.request_id, change.validate_only);
                let collection = stringify!($many);
                let resource =
                    |name: &str| split(name, collection).map(|(parent, own)| format!("{parent}/{collection}/{own}"));
                match self {
                    Self::List { profile } => {
                        let parent = full(ResourceKind::Profile, profile.as_deref().unwrap_or("-"));
                        let stale_ok = session.stale_ok();
                        let request = v1::$ListRequest { parent, page_size: PAGE_SIZE, stale_ok, ..Default::default() };
                        session.print_list(&list_all!(session, $many.$list(request), $many));
                    }
                    Self::Show { name } => {
                        let request = v1::$GetRequest { name: resource(&name)?, stale_ok: session.stale_ok() };
                        session.print_one(&client.$get(session.ask(request)).await?.into_inner());
                    }
                    Self::Create { name, content, precondition } => {
                        let (parent, own) = split(&name, collection)?;
                        let mut it = <$Content as Content>::Message::default();
                        content.write_into(&mut it)?;
                        let ($one, etag) = (Some(it), precondition.etag());
                        let request = v1::$CreateRequest { parent, $id: own, $one, etag, request_id, validate_only };
                        let response = client.$create(session.ask(request)).await?.into_inner();
                        session.print_changed(&response, response.$one.as_ref(), response.outcome.as_ref(), "created");
                    }
                    Self::Update { name, content, precondition } => {
                        let request = v1::$GetRequest { name: resource(&name)?, stale_ok: false };
                        let mut it = client.$get(session.ask(request)).await?.into_inner();
                        content.write_into(&mut it)?;
                        it.etag = precondition.or(it.etag);
                        let request = v1::$UpdateRequest { $one: Some(it), request_id, validate_only };
                        let response = client.$update(session.ask(request)).await?.into_inner();
                        session.print_changed(&response, response.$one.as_ref(), response.outcome.as_ref(), "updated");
                    }
                    Self::Delete { name, precondition } => {
                        let (name, etag) = (resource(&name)?, precondition.etag());
                        let request = v1::$DeleteRequest { name, etag, request_id, validate_only };
                        let response = client.$delete(session.ask(request)).await?.into_inner();
                        session.print_done(&response, response.outcome.as_ref(), "deleted");
                    }
                    Self::Move { name, to, precondition } => {
                        let (name, director) = (resource(&name)?, full(ResourceKind::Director, &to));
                        let etag = precondition.etag();
                        let request = v1::$MoveRequest { name, director, etag, request_id, validate_only };
                        let response = client.$move(session.ask(request)).await?.into_inner();
                        session.print_changed(&response, response.$one.as_ref(), response.outcome.as_ref(), "moved");
                    }
                }
                Ok(())
            }
        }
    };
}

adapter_command!(
    VnicContent, vnic, vnic_id, vnics: list_vnics ListVnicsRequest, get_vnic GetVnicRequest,
    create_vnic CreateVnicRequest, update_vnic UpdateVnicRequest, delete_vnic DeleteVnicRequest,
    move_vnic_home MoveVnicHomeRequest
);
adapter_command!(
    VhbaContent, vhba, vhba_id, vhbas: list_vhbas ListVhbasRequest, get_vhba GetVhbaRequest,
    create_vhba CreateVhbaRequest, update_vhba UpdateVhbaRequest, delete_vhba DeleteVhbaRequest,
    move_vhba_home MoveVhbaHomeRequest
);

/// `native`, `10`, `trunk 10,20`.
pub fn vlan_text(vlan: Option<&v1::Vlan>) -> String {
    match vlan.and_then(|it| it.mode.as_ref()) {
        None | Some(v1::vlan::Mode::Native(_)) => "native".to_owned(),
        Some(v1::vlan::Mode::Access(vlan)) => vlan.to_string(),
        Some(v1::vlan::Mode::Trunk(trunk)) => {
            let vlans: Vec<String> = trunk.vlans.iter().map(u32::to_string).collect();
            format!("trunk {}", vlans.join(","))
        }
    }
}

/// A director that answers always says it.
pub fn mtu_text(mtu: Option<u32>) -> String {
    mtu.map_or_else(|| NOTHING.to_owned(), |octets| octets.to_string())
}

pub fn epoch(home: Option<&v1::Home>) -> String {
    home.map_or_else(|| NOTHING.to_owned(), |home| home.epoch.to_string())
}

/// `up`, `pending`, `failed: the name is taken`; nothing where the adapter is on no server.
pub fn device(device: Option<&v1::Device>) -> String {
    let Some(known) = device.filter(|it| it.state() != v1::DeviceState::Unspecified) else { return NOTHING.to_owned() };
    let state = word(known.state().as_str_name(), "DEVICE_STATE_");
    if known.problem.is_empty() { state } else { format!("{state}: {}", known.problem) }
}

/// A row without the name.
pub fn vnic_cells(vnic: &v1::Vnic) -> Vec<String> {
    vec![
        or_nothing(&vnic.mac),
        short(&vnic.lan),
        vlan_text(vnic.vlan.as_ref()),
        mtu_text(vnic.mtu),
        short(&vnic.qos_policy),
        home(vnic.home.as_ref()),
        epoch(vnic.home.as_ref()),
        device(vnic.device.as_ref()),
    ]
}

impl Readable for v1::Vnic {
    const HEADINGS: &'static [&'static str] = &["NAME", "MAC", "LAN", "VLAN", "MTU", "QOS", "HOME", "EPOCH", "DEVICE"];

    fn row(&self, _now: SystemTime) -> Vec<String> {
        let mut row = vec![short(&self.name)];
        row.extend(vnic_cells(self));
        row
    }

    fn facts(&self, _now: SystemTime) -> Vec<(&'static str, String)> {
        let from = match &self.mac_source {
            Some(v1::vnic::MacSource::MacPool(pool)) => format!("pool {}", short(pool)),
            Some(v1::vnic::MacSource::FixedMac(_)) => "fixed".to_owned(),
            None => NOTHING.to_owned(),
        };
        vec![
            ("name", short(&self.name)),
            ("adapter id", self.adapter_id.to_string()),
            ("MAC", format!("{} ({from})", or_nothing(&self.mac))),
            ("LAN", short(&self.lan)),
            ("VLAN", vlan_text(self.vlan.as_ref())),
            ("MTU", mtu_text(self.mtu)),
            ("QoS", short(&self.qos_policy)),
            ("home", home(self.home.as_ref())),
            ("epoch", epoch(self.home.as_ref())),
            ("device", device(self.device.as_ref())),
            ("etag", or_nothing(&self.etag)),
        ]
    }
}
