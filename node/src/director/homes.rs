//! What any director asks the home of a vHBA.

use std::time::Duration;

use tonic::{Request, Status};
use twinrail_proto::domain::{AdapterId, Name};
use twinrail_proto::grpc::internal::v1::home_service_client::HomeServiceClient;
use twinrail_proto::grpc::internal::v1::home_service_server::HomeService;
use twinrail_proto::grpc::internal::v1::{RescanRequest, VhbaSession, VhbaSessionsRequest};

use super::cluster::Cluster;
use super::vhba::HomeEndpoint;
use crate::link::LinkError;

/// How long a home may take to answer: it only looks at what it has. Whoever shows a vHBA waits for it.
const ASK: Duration = Duration::from_millis(500);

impl Cluster {
    /// The session of a vHBA at its home; or why nothing is known of it.
    pub async fn vhba_session(&self, adapter: AdapterId, home: &Name) -> Result<VhbaSession, String> {
        let message = VhbaSessionsRequest { adapters: vec![adapter.0] };
        let answer = if *home == self.core().own {
            HomeEndpoint::new(self.core().clone())
                .vhba_sessions(Request::new(message))
                .await
                .map_err(|it| it.to_string())
        } else {
            let answer = self.core().links.call(home, ASK, |channel| {
                let request = self.core().identity.request(message.clone());
                async move { HomeServiceClient::new(channel).vhba_sessions(request).await }
            });
            answer.await.map_err(|it| it.to_string())
        };
        let sessions = answer?.into_inner().sessions;
        sessions.into_iter().next().ok_or_else(|| format!("director {home} does not carry it yet"))
    }

    /// Has the home read anew which LUNs the SAN shows.
    pub async fn rescan_vhba(&self, adapter: AdapterId, home: &Name) -> Result<(), Status> {
        let message = RescanRequest { adapter: adapter.0 };
        if *home == self.core().own {
            return HomeEndpoint::new(self.core().clone()).rescan(Request::new(message)).await.map(drop);
        }
        let answer = self.core().links.call(home, ASK, |channel| {
            let request = self.core().identity.request(message);
            async move { HomeServiceClient::new(channel).rescan(request).await }
        });
        match answer.await {
            Ok(_) => Ok(()),
            Err(LinkError::Refused { status, .. }) => Err(*status),
            Err(error) => Err(Status::unavailable(format!("the home, director {home}, was not reached: {error}"))),
        }
    }
}
