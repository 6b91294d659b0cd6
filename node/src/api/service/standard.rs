//! The five standard methods (AIP-131 to 135), written once: services differ in the names of their messages only.

/// Implements a service whose resource has the standard methods. What follows `also` is put into the same `impl`.
macro_rules! standard_service {
    (
        $module:ident::$service:ident of $type:ident:
        $list:ident, $ListRequest:ident, $ListResponse:ident { $many:ident };
        $get:ident, $GetRequest:ident, $Message:ident;
        $create:ident, $CreateRequest:ident { $id:ident, $one:ident }, $CreateResponse:ident;
        $update:ident, $UpdateRequest:ident, $UpdateResponse:ident;
        $delete:ident, $DeleteRequest:ident, $DeleteResponse:ident;
        also { $($also:tt)* }
    ) => {
        #[tonic::async_trait]
        impl v1::$module::$service for $crate::api::Api {
            async fn $list(&self, request: Request<v1::$ListRequest>) -> Result<Response<v1::$ListResponse>, Status> {
                let head = Head::of(&request);
                let v1::$ListRequest { page_size, page_token, stale_ok } = request.into_inner();
                let (page, revision) = self.list::<$type>(&head, (page_size, &page_token, stale_ok)).await?;
                let Page { items, next_page_token, total_size } = page;
                Ok(Response::new(v1::$ListResponse { $many: items, next_page_token, total_size, revision }))
            }

            async fn $get(&self, request: Request<v1::$GetRequest>) -> Result<Response<v1::$Message>, Status> {
                let head = Head::of(&request);
                let v1::$GetRequest { name, stale_ok } = request.into_inner();
                Ok(Response::new(self.get::<$type>(&head, &name, stale_ok).await?))
            }

            async fn $create(
                &self,
                request: Request<v1::$CreateRequest>,
            ) -> Result<Response<v1::$CreateResponse>, Status> {
                let head = Head::of(&request);
                let v1::$CreateRequest { $id, $one, request_id, validate_only } = request.into_inner();
                let head = head.change(request_id, validate_only);
                let ($one, outcome) = self.create::<$type>(&head, &$id, $one).await?;
                Ok(Response::new(v1::$CreateResponse { $one, outcome: Some(outcome) }))
            }

            async fn $update(
                &self,
                request: Request<v1::$UpdateRequest>,
            ) -> Result<Response<v1::$UpdateResponse>, Status> {
                let head = Head::of(&request);
                let v1::$UpdateRequest { $one, request_id, validate_only } = request.into_inner();
                let head = head.change(request_id, validate_only);
                let ($one, outcome) = self.update::<$type>(&head, $one).await?;
                Ok(Response::new(v1::$UpdateResponse { $one, outcome: Some(outcome) }))
            }

            async fn $delete(
                &self,
                request: Request<v1::$DeleteRequest>,
            ) -> Result<Response<v1::$DeleteResponse>, Status> {
                let head = Head::of(&request);
                let v1::$DeleteRequest { name, etag, request_id, validate_only } = request.into_inner();
                let head = head.change(request_id, validate_only);
                let outcome = self.delete::<$type>(&head, &name, &etag).await?;
                Ok(Response::new(v1::$DeleteResponse { outcome: Some(outcome) }))
            }

            $($also)*
        }
    };
}

pub(super) use standard_service;
