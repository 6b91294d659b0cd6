//! Failovers: receipts, newest first. Nobody writes them but the cluster itself.

use std::cmp::Reverse;

use tonic::{Request, Response, Status};
use twinrail_proto::domain::FailoverReceipt;
use twinrail_proto::grpc::v1;
use twinrail_raft_store::state::Versioned;

use crate::api::Api;
use crate::api::call::Head;
use crate::api::page::{Newest, Page, Pager};
use crate::api::resource::{Shown, checked, stamp};

#[tonic::async_trait]
impl v1::failover_service_server::FailoverService for Api {
    async fn list_failovers(
        &self,
        request: Request<v1::ListFailoversRequest>,
    ) -> Result<Response<v1::ListFailoversResponse>, Status> {
        let head = Head::of(&request);
        let v1::ListFailoversRequest { page_size, page_token, stale_ok } = request.into_inner();
        let pager = checked(|problems| Pager::<Newest>::read("failovers", page_size, &page_token, problems))?;
        let state = self.read(&head, stale_ok).await?;
        // The table is in the order of names, in which f-10 comes before f-9.
        let mut newest: Vec<_> = state.failovers().values().collect();
        newest.sort_by_key(|found| Reverse(found.created));
        let cursor = |found: &&Versioned<FailoverReceipt>| Newest::new(found.created);
        let page = pager.cut(newest.into_iter(), cursor, |found| found.value.write(stamp(found)));
        let Page { items, next_page_token, total_size } = page;
        let revision = state.revision().0;
        Ok(Response::new(v1::ListFailoversResponse { failovers: items, next_page_token, total_size, revision }))
    }

    async fn get_failover(&self, request: Request<v1::GetFailoverRequest>) -> Result<Response<v1::Failover>, Status> {
        let head = Head::of(&request);
        let v1::GetFailoverRequest { name, stale_ok } = request.into_inner();
        Ok(Response::new(self.get::<FailoverReceipt>(&head, &name, stale_ok).await?))
    }
}
