//! `qos`: classes of service.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::v1;

use super::stamp_facts;
use crate::cli::Precondition;
use crate::cli::failure::Failure;
use crate::cli::output::Readable;
use crate::cli::session::{PAGE_SIZE, Session, list_all};
use crate::cli::text::{age, full, or_none, short};

#[derive(Subcommand, Debug)]
pub enum QosCommand {
    /// Lists all.
    List,
    /// Shows one.
    Show { name: String },
    /// Creates one.
    Create {
        name: String,
        #[command(flatten)]
        content: Content,
    },
    /// Changes what is named, for every adapter that refers to it.
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
    /// Guaranteed, in Mbit/s; 0: nothing.
    #[arg(long)]
    min_mbps: Option<u32>,
    /// Allowed, in Mbit/s; 0: no limit.
    #[arg(long)]
    max_mbps: Option<u32>,
    /// How much may go at once beyond the limit, in KiB.
    #[arg(long)]
    burst_kib: Option<u32>,
    /// IEEE 802.1Q priority code point, 0 to 7.
    #[arg(long)]
    priority: Option<u32>,
}

impl Content {
    fn write_into(self, policy: &mut v1::QosPolicy) {
        let Self { min_mbps, max_mbps, burst_kib, priority } = self;
        policy.min_mbps = min_mbps.unwrap_or(policy.min_mbps);
        policy.max_mbps = max_mbps.unwrap_or(policy.max_mbps);
        policy.burst_kib = burst_kib.unwrap_or(policy.burst_kib);
        policy.priority = priority.unwrap_or(policy.priority);
    }
}

impl QosCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut client = session.qos_policies();
        let change = session.change();
        let (request_id, validate_only) = (change.request_id, change.validate_only);
        match self {
            Self::List => {
                let stale_ok = session.stale_ok();
                let request = v1::ListQosPoliciesRequest { page_size: PAGE_SIZE, stale_ok, ..Default::default() };
                session.print_list(&list_all!(session, qos_policies.list_qos_policies(request), qos_policies));
            }
            Self::Show { name } => session.print_one(&get(session, &name, session.stale_ok()).await?),
            Self::Create { name, content } => {
                let mut policy = v1::QosPolicy::default();
                content.write_into(&mut policy);
                let qos_policy = Some(policy);
                let request = v1::CreateQosPolicyRequest { qos_policy_id: name, qos_policy, request_id, validate_only };
                let response = client.create_qos_policy(session.ask(request)).await?.into_inner();
                session.print_changed(&response, response.qos_policy.as_ref(), response.outcome.as_ref(), "created");
            }
            Self::Update { name, content, precondition } => {
                let mut policy = get(session, &name, false).await?;
                content.write_into(&mut policy);
                policy.etag = precondition.or(policy.etag);
                let request = v1::UpdateQosPolicyRequest { qos_policy: Some(policy), request_id, validate_only };
                let response = client.update_qos_policy(session.ask(request)).await?.into_inner();
                session.print_changed(&response, response.qos_policy.as_ref(), response.outcome.as_ref(), "updated");
            }
            Self::Delete { name, precondition } => {
                let (name, etag) = (full(ResourceKind::QosPolicy, &name), precondition.etag());
                let request = v1::DeleteQosPolicyRequest { name, etag, request_id, validate_only };
                let response = client.delete_qos_policy(session.ask(request)).await?.into_inner();
                session.print_done(&response, response.outcome.as_ref(), "deleted");
            }
        }
        Ok(())
    }
}

async fn get(session: &Session, name: &str, stale_ok: bool) -> Result<v1::QosPolicy, Failure> {
    let request = v1::GetQosPolicyRequest { name: full(ResourceKind::QosPolicy, name), stale_ok };
    Ok(session.qos_policies().get_qos_policy(session.ask(request)).await?.into_inner())
}

impl Readable for v1::QosPolicy {
    const HEADINGS: &'static [&'static str] = &["NAME", "MIN MBPS", "MAX MBPS", "BURST KIB", "PRIORITY", "AGE"];

    fn row(&self, now: SystemTime) -> Vec<String> {
        let numbers =
            [or_none(self.min_mbps), or_none(self.max_mbps), or_none(self.burst_kib), self.priority.to_string()];
        let mut row = vec![short(&self.name)];
        row.extend(numbers);
        row.push(age(self.create_time.as_ref(), now));
        row
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("name", short(&self.name)),
            ("guaranteed Mbit/s", or_none(self.min_mbps)),
            ("allowed Mbit/s", or_none(self.max_mbps)),
            ("burst KiB", or_none(self.burst_kib)),
            ("priority", self.priority.to_string()),
        ];
        facts.extend(stamp_facts(self.create_time.as_ref(), self.update_time.as_ref(), &self.etag, now));
        facts
    }
}
