//! The cluster as a whole.

use tonic::{Request, Response, Status};
use twinrail_proto::domain::{ResourceKind, Revision};
use twinrail_proto::grpc::convert::{resource_name, timestamp};
use twinrail_proto::grpc::v1;
use twinrail_raft_store::state::AuditEntry;

use crate::api::Api;
use crate::api::call::Head;
use crate::api::overview::{write_cluster, write_path};
use crate::api::page::{Newest, Page, Pager};
use crate::api::resource::checked;
use crate::director::Intent;

#[tonic::async_trait]
impl v1::cluster_service_server::ClusterService for Api {
    async fn get_cluster(&self, request: Request<v1::GetClusterRequest>) -> Result<Response<v1::Cluster>, Status> {
        let head = Head::of(&request);
        let v1::GetClusterRequest { with_state_hash } = request.into_inner();
        let status = self.cluster.status().await;
        let state = self.read(&head, true).await?;
        Ok(Response::new(write_cluster(&status, &state, with_state_hash)))
    }

    async fn rebalance(
        &self,
        request: Request<v1::RebalanceRequest>,
    ) -> Result<Response<v1::RebalanceResponse>, Status> {
        let head = Head::of(&request);
        let v1::RebalanceRequest { request_id, validate_only } = request.into_inner();
        let head = head.change(request_id, validate_only);
        let applied = self.change(&head, Intent::Rebalance).await?;
        Ok(Response::new(v1::RebalanceResponse { outcome: Some(head.outcome(applied)) }))
    }

    async fn list_paths(
        &self,
        request: Request<v1::ListPathsRequest>,
    ) -> Result<Response<v1::ListPathsResponse>, Status> {
        let v1::ListPathsRequest { peer } = request.into_inner();
        let status = self.cluster.status().await;
        let own = resource_name(ResourceKind::Director, &status.answered_by);
        let wanted = status.paths.iter().filter(|path| peer.is_empty() || path.peer == peer);
        Ok(Response::new(v1::ListPathsResponse { paths: wanted.map(|path| write_path(&own, path)).collect() }))
    }

    async fn list_audit_entries(
        &self,
        request: Request<v1::ListAuditEntriesRequest>,
    ) -> Result<Response<v1::ListAuditEntriesResponse>, Status> {
        let head = Head::of(&request);
        let v1::ListAuditEntriesRequest { page_size, page_token, stale_ok, resource_prefix } = request.into_inner();
        let pager = checked(|problems| Pager::<Newest>::read("auditEntries", page_size, &page_token, problems))?;
        let state = self.read(&head, stale_ok).await?;
        let entries: Vec<&AuditEntry> = state.audit().filter(|it| it.resource.starts_with(&resource_prefix)).collect();
        let page = pager.cut(entries.into_iter().rev(), |entry| Newest::new(entry.revision), write_entry);
        let Page { items, next_page_token, total_size } = page;
        let revision = state.revision().0;
        Ok(Response::new(v1::ListAuditEntriesResponse { entries: items, next_page_token, total_size, revision }))
    }
}

fn write_entry(entry: &AuditEntry) -> v1::AuditEntry {
    let AuditEntry { revision: Revision(revision), at, actor, summary, resource, outcome } = entry;
    v1::AuditEntry {
        revision: *revision,
        time: Some(timestamp(*at)),
        actor: actor.clone(),
        summary: summary.clone(),
        resource: resource.clone(),
        outcome: outcome.clone(),
    }
}
