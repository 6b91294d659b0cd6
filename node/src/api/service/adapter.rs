//! vNICs and vHBAs: the same methods for both, and RescanVhba.

use tonic::{Request, Response, Status};
use twinrail_proto::domain::{Vhba, Vnic};
use twinrail_proto::grpc::v1;

use crate::api::call::Head;
use crate::api::page::Page;

macro_rules! adapter_service {
    (
        $module:ident::$service:ident of $type:ident { $one:ident, $id:ident, $many:ident }:
        $list:ident, $ListRequest:ident, $ListResponse:ident;
        $get:ident, $GetRequest:ident;
        $create:ident, $CreateRequest:ident, $CreateResponse:ident;
        $update:ident, $UpdateRequest:ident, $UpdateResponse:ident;
        $delete:ident, $DeleteRequest:ident, $DeleteResponse:ident;
        $move:ident, $MoveRequest:ident, $MoveResponse:ident;
        also { $($also:tt)* }
    ) => {
        #[tonic::async_trait]
        impl v1::$module::$service for $crate::api::Api {
            async fn $list(&self, request: Request<v1::$ListRequest>) -> Result<Response<v1::$ListResponse>, Status> {
                let head = Head::of(&request);
                let v1::$ListRequest { parent, page_size, page_token, stale_ok } = request.into_inner();
                let wanted = (page_size, page_token.as_str(), stale_ok);
                let (page, revision) = self.list_adapters::<$type>(&head, &parent, wanted).await?;
                let Page { items, next_page_token, total_size } = page;
                Ok(Response::new(v1::$ListResponse { $many: items, next_page_token, total_size, revision }))
            }

            async fn $get(&self, request: Request<v1::$GetRequest>) -> Result<Response<v1::$type>, Status> {
                let head = Head::of(&request);
                let v1::$GetRequest { name, stale_ok } = request.into_inner();
                Ok(Response::new(self.get_adapter::<$type>(&head, &name, stale_ok).await?))
            }

            async fn $create(
                &self,
                request: Request<v1::$CreateRequest>,
            ) -> Result<Response<v1::$CreateResponse>, Status> {
                let head = Head::of(&request);
                let v1::$CreateRequest { parent, $id, $one, etag, request_id, validate_only } = request.into_inner();
                let head = head.change(request_id, validate_only);
                let ($one, outcome) = self.create_adapter::<$type>(&head, (&parent, &$id, &etag), $one).await?;
                Ok(Response::new(v1::$CreateResponse { $one, outcome: Some(outcome) }))
            }

            async fn $update(
                &self,
                request: Request<v1::$UpdateRequest>,
            ) -> Result<Response<v1::$UpdateResponse>, Status> {
                let head = Head::of(&request);
                let v1::$UpdateRequest { $one, request_id, validate_only } = request.into_inner();
                let head = head.change(request_id, validate_only);
                let ($one, outcome) = self.update_adapter::<$type>(&head, $one).await?;
                Ok(Response::new(v1::$UpdateResponse { $one, outcome: Some(outcome) }))
            }

            async fn $delete(
                &self,
                request: Request<v1::$DeleteRequest>,
            ) -> Result<Response<v1::$DeleteResponse>, Status> {
                let head = Head::of(&request);
                let v1::$DeleteRequest { name, etag, request_id, validate_only } = request.into_inner();
                let head = head.change(request_id, validate_only);
                let outcome = self.delete_adapter::<$type>(&head, &name, &etag).await?;
                Ok(Response::new(v1::$DeleteResponse { outcome: Some(outcome) }))
            }

            async fn $move(&self, request: Request<v1::$MoveRequest>) -> Result<Response<v1::$MoveResponse>, Status> {
                let head = Head::of(&request);
                let v1::$MoveRequest { name, director, etag, request_id, validate_only } = request.into_inner();
                let head = head.change(request_id, validate_only);
                let ($one, outcome) = self.move_home::<$type>(&head, (&name, &director, &etag)).await?;
                Ok(Response::new(v1::$MoveResponse { $one, outcome: Some(outcome) }))
            }

            $($also)*
        }
    };
}

adapter_service! {
    vnic_service_server::VnicService of Vnic { vnic, vnic_id, vnics }:
    list_vnics, ListVnicsRequest, ListVnicsResponse;
    get_vnic, GetVnicRequest;
    create_vnic, CreateVnicRequest, CreateVnicResponse;
    update_vnic, UpdateVnicRequest, UpdateVnicResponse;
    delete_vnic, DeleteVnicRequest, DeleteVnicResponse;
    move_vnic_home, MoveVnicHomeRequest, MoveVnicHomeResponse;
    also {}
}

adapter_service! {
    vhba_service_server::VhbaService of Vhba { vhba, vhba_id, vhbas }:
    list_vhbas, ListVhbasRequest, ListVhbasResponse;
    get_vhba, GetVhbaRequest;
    create_vhba, CreateVhbaRequest, CreateVhbaResponse;
    update_vhba, UpdateVhbaRequest, UpdateVhbaResponse;
    delete_vhba, DeleteVhbaRequest, DeleteVhbaResponse;
    move_vhba_home, MoveVhbaHomeRequest, MoveVhbaHomeResponse;
    also {
        async fn rescan_vhba(
            &self,
            request: Request<v1::RescanVhbaRequest>,
        ) -> Result<Response<v1::RescanVhbaResponse>, Status> {
            let head = Head::of(&request);
            let vhba = self.rescan_vhba(&head, &request.into_inner().name).await?;
            Ok(Response::new(v1::RescanVhbaResponse { vhba: Some(vhba) }))
        }
    }
}
