//! The audit trail: who changed what, newest last, the oldest forgotten ([`MAX_AUDIT_ENTRIES`]).
//! What changed nothing is not in it, and neither are the measurements that complete a receipt.

use twinrail_proto::domain::{AdapterKind, Name, ResourceKey, ResourceKind};

use super::draft::{Changes, adapter_path};
use super::limits::{MAX_AUDIT_ENTRIES, MAX_AUDIT_TEXT};
use super::outcome::{Change, Event};
use super::record::AuditEntry;
use super::{Command, Operation, State};

impl State {
    pub(super) fn note(&mut self, command: &Command, changes: &Changes) {
        let measured = matches!(command.operation, Operation::CompleteReceipt { .. });
        let changed = !changes.events.is_empty() || changes.cluster.is_some();
        if measured || !changed {
            return;
        }
        let (verb, resource, detail) = describe(&command.operation);
        self.record.audit.push_back(AuditEntry {
            revision: changes.revision,
            at: changes.at,
            actor: cut(&command.actor),
            summary: format!("{verb} {resource}{detail}"),
            resource,
            outcome: count(&changes.events),
        });
        if self.record.audit.len() > MAX_AUDIT_ENTRIES {
            self.record.audit.pop_front();
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_AUDIT_TEXT).collect()
}

fn count(events: &[Event]) -> String {
    let words = [(Change::Created, "created"), (Change::Updated, "updated"), (Change::Deleted, "deleted")];
    let counts = words.map(|(change, word)| (events.iter().filter(|event| event.change == change).count(), word));
    let parts: Vec<String> =
        counts.into_iter().filter(|&(count, _)| count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    parts.join(", ")
}

/// A verb, what it was done to, and what else there is to say.
fn describe(operation: &Operation) -> (&'static str, String, String) {
    use Operation::*;
    let on = |verb, kind, name: &Name| (verb, ResourceKey { kind, name: name.clone() }.to_string(), String::new());
    let adapter = |verb, profile, kind, name| (verb, adapter_path(profile, kind, name), String::new());
    match operation {
        Recall => ("recall", "requests".to_owned(), String::new()),
        Found { cluster } => ("found", "cluster".to_owned(), format!(" {cluster}")),
        CreateDirector(it) => on("create", ResourceKind::Director, &it.name),
        UpdateDirector { director, .. } => on("update", ResourceKind::Director, &director.name),
        DeleteDirector { name, .. } => on("delete", ResourceKind::Director, name),
        ClaimDirector { id, .. } => ("claim", "directors".to_owned(), format!(" by id {id}")),
        CreateServer(it) => on("create", ResourceKind::Server, &it.name),
        UpdateServer { server, .. } => on("update", ResourceKind::Server, &server.name),
        DeleteServer { name, .. } => on("delete", ResourceKind::Server, name),
        AttachServer { name, .. } => on("attach", ResourceKind::Server, name),
        CreateLan(it) => on("create", ResourceKind::Lan, &it.name),
        UpdateLan { lan, .. } => on("update", ResourceKind::Lan, &lan.name),
        CreateSan(it) => on("create", ResourceKind::San, &it.name),
        UpdateSan { san, .. } => on("update", ResourceKind::San, &san.name),
        CreatePool(it) => on("create", ResourceKind::Pool, &it.name),
        UpdatePool { pool, .. } => on("update", ResourceKind::Pool, &pool.name),
        CreateQosPolicy(it) => on("create", ResourceKind::QosPolicy, &it.name),
        UpdateQosPolicy { policy, .. } => on("update", ResourceKind::QosPolicy, &policy.name),
        CreateTemplate(it) => on("create", ResourceKind::Template, &it.name),
        UpdateTemplate { template, .. } => on("update", ResourceKind::Template, &template.name),
        Delete { key, .. } => ("delete", key.to_string(), String::new()),
        CreateProfile { name, .. } => on("create", ResourceKind::Profile, name),
        DeleteProfile { name, .. } => on("delete", ResourceKind::Profile, name),
        CreateVnic { profile, name, .. } => adapter("create", profile, AdapterKind::Vnic, name),
        UpdateVnic { profile, name, .. } => adapter("update", profile, AdapterKind::Vnic, name),
        DeleteVnic { profile, name, .. } => adapter("delete", profile, AdapterKind::Vnic, name),
        CreateVhba { profile, name, .. } => adapter("create", profile, AdapterKind::Vhba, name),
        UpdateVhba { profile, name, .. } => adapter("update", profile, AdapterKind::Vhba, name),
        DeleteVhba { profile, name, .. } => adapter("delete", profile, AdapterKind::Vhba, name),
        BindProfile { profile, server, .. } => {
            let (_, resource, _) = on("", ResourceKind::Profile, profile);
            ("bind", resource, format!(" to {server}"))
        }
        ReleaseProfile { profile, to, .. } => {
            let (_, resource, _) = on("", ResourceKind::Profile, profile);
            let to = to.as_ref().map(|to| format!(", then to {to}")).unwrap_or_default();
            ("release", resource, to)
        }
        CompleteRelease { profile, from, .. } => {
            let (_, resource, _) = on("", ResourceKind::Profile, profile);
            ("complete the release of", resource, format!(" from {from}"))
        }
        ChangeHomes { cause_note, moves, .. } => {
            ("change", "homes".to_owned(), format!(" of {} adapters: {}", moves.len(), cut(cause_note)))
        }
        CompleteReceipt { failover, .. } => on("complete", ResourceKind::Failover, failover),
    }
}
