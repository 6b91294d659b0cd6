//! What every call carries.

use std::time::Duration;

use tonic::Request;
use twinrail_proto::grpc::v1;

use super::endpoints::Endpoints;
use super::{Format, Options};

/// Most octets of an answer: the receipt of a failover of tens of thousands of adapters is larger than gRPC's usual 4 MiB.
/// A larger one fails the call.
const MAX_ANSWER: usize = 64 << 20;
/// Items asked for at once when a list is read: the most that the API gives.
pub const PAGE_SIZE: i32 = 1000;

/// What a change is sent with.
#[derive(Clone, Debug)]
pub struct ChangeOptions {
    pub request_id: String,
    pub validate_only: bool,
}

pub struct Session {
    options: Options,
    request_id: String,
    endpoints: Endpoints,
}

macro_rules! clients {
    ($($method:ident: $module:ident::$client:ident;)*) => {
        impl Session {
            $(pub fn $method(&self) -> v1::$module::$client<Endpoints> {
                v1::$module::$client::new(self.endpoints.clone()).max_decoding_message_size(MAX_ANSWER)
            })*
        }
    };
}

clients! {
    cluster: cluster_service_client::ClusterServiceClient;
    directors: director_service_client::DirectorServiceClient;
    servers: server_service_client::ServerServiceClient;
    lans: lan_service_client::LanServiceClient;
    sans: san_service_client::SanServiceClient;
    pools: pool_service_client::PoolServiceClient;
    qos_policies: qos_policy_service_client::QosPolicyServiceClient;
    templates: template_service_client::TemplateServiceClient;
    profiles: profile_service_client::ProfileServiceClient;
    vnics: vnic_service_client::VnicServiceClient;
    vhbas: vhba_service_client::VhbaServiceClient;
    failovers: failover_service_client::FailoverServiceClient;
    events: event_service_client::EventServiceClient;
}

impl Session {
    pub fn new(options: Options) -> Self {
        let request_id = options.request_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let endpoints = Endpoints::new(&options.endpoint, options.timeout);
        Self { options, request_id, endpoints }
    }

    /// Where the last answer came from.
    pub fn endpoint(&self) -> &str {
        self.endpoints.current()
    }

    /// Whether the newest call, if it failed on its way, may have changed something.
    pub fn may_have_changed(&self) -> bool {
        self.endpoints.changing() && !self.options.dry_run
    }

    /// A call with a deadline.
    pub fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = self.ask_without_end(message);
        request.set_timeout(self.options.timeout);
        request
    }

    /// A call that lasts until we go.
    pub fn ask_without_end<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Ok(actor) = actor().parse() {
            request.metadata_mut().insert("x-twinrail-actor", actor);
        }
        request
    }

    pub fn change(&self) -> ChangeOptions {
        ChangeOptions { request_id: self.request_id.clone(), validate_only: self.options.dry_run }
    }

    pub fn stale_ok(&self) -> bool {
        self.options.stale
    }

    pub fn dry_run(&self) -> bool {
        self.options.dry_run
    }

    pub fn timeout(&self) -> Duration {
        self.options.timeout
    }

    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    pub fn format(&self) -> Format {
        self.options.output
    }
}

/// Who the audit trail names.
fn actor() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    user.map_or_else(|_| "cli".to_owned(), |user| format!("cli:{user}"))
}

/// Reads all pages of a list.
macro_rules! list_all {
    ($session:expr, $client:ident.$method:ident($request:expr), $field:ident) => {{
        let session: &$crate::cli::session::Session = $session;
        let mut client = session.$client();
        let mut request = $request;
        let mut items = Vec::new();
        loop {
            let page = client.$method(session.ask(request.clone())).await?.into_inner();
            items.extend(page.$field);
            if page.next_page_token.is_empty() {
                break items;
            }
            request.page_token = page.next_page_token;
        }
    }};
}

pub(super) use list_all;
