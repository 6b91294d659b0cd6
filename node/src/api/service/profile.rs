//! Profiles: created, listed and deleted as other resources; bound to servers by their own methods.

use tonic::{Request, Response, Status};
use twinrail_proto::domain::{Name, Profile, ResourceKind, Revision};
use twinrail_proto::grpc::convert::{Path, parse_etag, parse_name, parse_optional_reference, parse_reference};
use twinrail_proto::grpc::v1;
use twinrail_raft_store::state::{Operation, Versioned};

use crate::api::Api;
use crate::api::call::{ChangeHead, Head};
use crate::api::input::read_profile;
use crate::api::page::{Page, Pager};
use crate::api::resource::{Changed, Shown, addressed, checked, stamp};
use crate::director::Intent;

#[tonic::async_trait]
impl v1::profile_service_server::ProfileService for Api {
    async fn list_profiles(
        &self,
        request: Request<v1::ListProfilesRequest>,
    ) -> Result<Response<v1::ListProfilesResponse>, Status> {
        let head = Head::of(&request);
        Ok(Response::new(self.page_of_profiles(&head, request.into_inner()).await?))
    }

    async fn get_profile(&self, request: Request<v1::GetProfileRequest>) -> Result<Response<v1::Profile>, Status> {
        let head = Head::of(&request);
        let v1::GetProfileRequest { name, stale_ok } = request.into_inner();
        let mut profile = self.get::<Profile>(&head, &name, stale_ok).await?;
        self.add_devices(&mut profile);
        Ok(Response::new(profile))
    }

    async fn create_profile(
        &self,
        request: Request<v1::CreateProfileRequest>,
    ) -> Result<Response<v1::CreateProfileResponse>, Status> {
        let head = Head::of(&request);
        let v1::CreateProfileRequest { profile_id, profile, request_id, validate_only } = request.into_inner();
        let head = head.change(request_id, validate_only);
        let (name, spec) = checked(|problems| {
            let name = parse_name(&profile_id, &Path::Root("profile_id"), problems);
            let spec = read_profile(profile.unwrap_or_default(), &Path::Root("profile"), problems);
            Some((name?, spec?))
        })?;
        let operation = Operation::CreateProfile { name: name.clone(), spec };
        let (profile, outcome) = self.change_profile(&head, name, operation).await?;
        Ok(Response::new(v1::CreateProfileResponse { profile, outcome: Some(outcome) }))
    }

    async fn delete_profile(
        &self,
        request: Request<v1::DeleteProfileRequest>,
    ) -> Result<Response<v1::DeleteProfileResponse>, Status> {
        let head = Head::of(&request);
        let v1::DeleteProfileRequest { name, etag, request_id, validate_only } = request.into_inner();
        let head = head.change(request_id, validate_only);
        let outcome = self.delete::<Profile>(&head, &name, &etag).await?;
        Ok(Response::new(v1::DeleteProfileResponse { outcome: Some(outcome) }))
    }

    async fn deploy_profile(
        &self,
        request: Request<v1::DeployProfileRequest>,
    ) -> Result<Response<v1::DeployProfileResponse>, Status> {
        let head = Head::of(&request);
        let v1::DeployProfileRequest { name, server, etag, request_id, validate_only } = request.into_inner();
        let head = head.change(request_id, validate_only);
        let (profile, server, if_match) = read_target(&name, &server, &etag)?;
        // No homes: the leader plans them when it gets the call.
        let operation = Operation::BindProfile { profile: profile.clone(), server, homes: Vec::new(), if_match };
        let (profile, outcome) = self.change_profile(&head, profile, operation).await?;
        Ok(Response::new(v1::DeployProfileResponse { profile, outcome: Some(outcome) }))
    }

    async fn undeploy_profile(
        &self,
        request: Request<v1::UndeployProfileRequest>,
    ) -> Result<Response<v1::UndeployProfileResponse>, Status> {
        let head = Head::of(&request);
        let v1::UndeployProfileRequest { name, etag, request_id, validate_only } = request.into_inner();
        let head = head.change(request_id, validate_only);
        let (profile, if_match) = addressed(ResourceKind::Profile, &name, &etag)?;
        let operation = Operation::ReleaseProfile { profile: profile.clone(), to: None, if_match };
        let (profile, outcome) = self.change_profile(&head, profile, operation).await?;
        Ok(Response::new(v1::UndeployProfileResponse { profile, outcome: Some(outcome) }))
    }

    async fn move_profile(
        &self,
        request: Request<v1::MoveProfileRequest>,
    ) -> Result<Response<v1::MoveProfileResponse>, Status> {
        let head = Head::of(&request);
        let v1::MoveProfileRequest { name, server, etag, request_id, validate_only } = request.into_inner();
        let head = head.change(request_id, validate_only);
        let (profile, server, if_match) = read_target(&name, &server, &etag)?;
        let operation = Operation::ReleaseProfile { profile: profile.clone(), to: Some(server), if_match };
        let (profile, outcome) = self.change_profile(&head, profile, operation).await?;
        Ok(Response::new(v1::MoveProfileResponse { profile, outcome: Some(outcome) }))
    }
}

fn read_target(name: &str, server: &str, etag: &str) -> Result<(Name, Name, Option<Revision>), Status> {
    checked(|problems| {
        let profile = parse_reference(ResourceKind::Profile, name, &Path::Root("name"), problems);
        let server = parse_reference(ResourceKind::Server, server, &Path::Root("server"), problems);
        let if_match = parse_etag(etag, &Path::Root("etag"), problems);
        Some((profile?, server?, if_match?))
    })
}

impl Api {
    async fn change_profile(
        &self,
        head: &ChangeHead,
        profile: Name,
        operation: Operation,
    ) -> Result<Changed<v1::Profile>, Status> {
        let (mut profile, outcome) = self.change_resource::<Profile>(head, profile, Intent::Apply(operation)).await?;
        if let Some(profile) = &mut profile {
            self.add_devices(profile);
        }
        Ok((profile, outcome))
    }

    async fn page_of_profiles(
        &self,
        head: &Head,
        request: v1::ListProfilesRequest,
    ) -> Result<v1::ListProfilesResponse, Status> {
        let v1::ListProfilesRequest { page_size, page_token, stale_ok, server } = request;
        let (pager, server) = checked(|problems| {
            let pager = Pager::<Name>::read("profiles", page_size, &page_token, problems);
            let server = parse_optional_reference(ResourceKind::Server, &server, &Path::Root("server"), problems);
            Some((pager?, server?))
        })?;
        let state = self.read(head, stale_ok).await?;
        let wanted = |profile: &Profile| match &server {
            None => true,
            Some(server) => profile.binding.as_ref().is_some_and(|binding| binding.server == *server),
        };
        let profiles = state.profiles().iter().filter(|(_, found)| wanted(&found.value));
        let write = |(_, found): (&Name, &Versioned<Profile>)| {
            let mut profile = found.value.write(stamp(found));
            self.add_devices(&mut profile);
            profile
        };
        let Page { items, next_page_token, total_size } = pager.cut(profiles, |(name, _)| (*name).clone(), write);
        Ok(v1::ListProfilesResponse { profiles: items, next_page_token, total_size, revision: state.revision().0 })
    }
}
