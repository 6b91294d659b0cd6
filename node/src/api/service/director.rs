//! Directors: the standard methods, drain, resume, and the leadership.

use tonic::{Request, Response, Status};
use twinrail_proto::domain::{AdminState, Director, Name, ResourceKind};
use twinrail_proto::grpc::convert::{Path, parse_optional_reference};
use twinrail_proto::grpc::v1;

use super::standard::standard_service;
use crate::api::Api;
use crate::api::call::{ChangeHead, Head};
use crate::api::page::Page;
use crate::api::resource::{Changed, addressed, checked};
use crate::director::Intent;

standard_service! {
    director_service_server::DirectorService of Director:
    list_directors, ListDirectorsRequest, ListDirectorsResponse { directors };
    get_director, GetDirectorRequest, Director;
    create_director, CreateDirectorRequest { director_id, director }, CreateDirectorResponse;
    update_director, UpdateDirectorRequest, UpdateDirectorResponse;
    delete_director, DeleteDirectorRequest, DeleteDirectorResponse;
    also {
        async fn drain_director(
            &self,
            request: Request<v1::DrainDirectorRequest>,
        ) -> Result<Response<v1::DrainDirectorResponse>, Status> {
            let head = Head::of(&request);
            let v1::DrainDirectorRequest { name, etag, request_id, validate_only } = request.into_inner();
            let head = head.change(request_id, validate_only);
            let (director, outcome) = self.set_admin_state(&head, &name, &etag, AdminState::Drained).await?;
            Ok(Response::new(v1::DrainDirectorResponse { director, outcome: Some(outcome) }))
        }

        async fn resume_director(
            &self,
            request: Request<v1::ResumeDirectorRequest>,
        ) -> Result<Response<v1::ResumeDirectorResponse>, Status> {
            let head = Head::of(&request);
            let v1::ResumeDirectorRequest { name, etag, request_id, validate_only } = request.into_inner();
            let head = head.change(request_id, validate_only);
            let (director, outcome) = self.set_admin_state(&head, &name, &etag, AdminState::Enabled).await?;
            Ok(Response::new(v1::ResumeDirectorResponse { director, outcome: Some(outcome) }))
        }

        async fn transfer_leadership(
            &self,
            request: Request<v1::TransferLeadershipRequest>,
        ) -> Result<Response<v1::TransferLeadershipResponse>, Status> {
            let head = Head::of(&request);
            let v1::TransferLeadershipRequest { name, request_id, validate_only } = request.into_inner();
            let head = head.change(request_id, validate_only);
            let to = read_successor(&name)?;
            let applied = self.change(&head, Intent::TransferLeadership { to }).await?;
            Ok(Response::new(v1::TransferLeadershipResponse { outcome: Some(head.outcome(applied)) }))
        }
    }
}

fn read_successor(name: &str) -> Result<Option<Name>, Status> {
    checked(|problems| parse_optional_reference(ResourceKind::Director, name, &Path::Root("name"), problems))
}

impl Api {
    async fn set_admin_state(
        &self,
        head: &ChangeHead,
        name: &str,
        etag: &str,
        admin_state: AdminState,
    ) -> Result<Changed<v1::Director>, Status> {
        let (director, if_match) = addressed(ResourceKind::Director, name, etag)?;
        let intent = Intent::SetAdminState { director: director.clone(), admin_state, if_match };
        self.change_resource::<Director>(head, director, intent).await
    }
}
