//! The public API: gRPC services of package `twinrail.v1`, reflection, and `grpc.health.v1`.
//!
//! ```text
//!   request ──▶ service/*      one file a service: names the fields of its messages, nothing more
//!                  │
//!                  ▼
//!               resource       list, get, create, update, delete, once for all kinds
//!               call           who calls, until when, with which request id ──▶ director::Cluster
//!               page           page tokens
//!               adapter        the same for vNICs and vHBAs, which live below a profile
//!               device         how adapters' devices are on their servers, as the agents say
//!               input          adapters and profiles as clients give them ──▶ specs
//!               overview       the cluster as a whole
//!               event          changes for watchers
//!                  │
//!                  ▼
//!               status         the only place where an error becomes a tonic::Status
//! ```
//!
//! * A handler parses, calls one function, and maps the error; it decides nothing.
//! * Any director answers any call; where the leader is, and what an election takes, is [`Cluster`]'s affair.
//! * A call ends with an answer of ours a little before the caller's deadline, not with a bare timeout.

mod adapter;
mod call;
mod device;
mod event;
mod input;
mod overview;
mod page;
mod resource;
mod service;
mod status;

use tonic::service::Routes;
use tonic_health::server::{HealthReporter, health_reporter};
use twinrail_proto::grpc::{FILE_DESCRIPTOR_SET, v1};

use crate::director::Cluster;

/// The name under which `grpc.health.v1` says whether this director may carry adapters (its lease lives). The empty name
/// says whether the API answers.
pub const HEALTH_CARRYING: &str = "twinrail.carrying";

/// The public services on one handle of the cluster.
#[derive(Clone)]
struct Api {
    cluster: Cluster,
}

/// Everything that the public port serves, and the handle by which the director tells its health.
pub fn router(cluster: Cluster) -> (Routes, HealthReporter) {
    let api = Api { cluster };
    let (reporter, health) = health_reporter();
    let mut routes = Routes::builder();
    routes
        .add_service(v1::cluster_service_server::ClusterServiceServer::new(api.clone()))
        .add_service(v1::director_service_server::DirectorServiceServer::new(api.clone()))
        .add_service(v1::server_service_server::ServerServiceServer::new(api.clone()))
        .add_service(v1::lan_service_server::LanServiceServer::new(api.clone()))
        .add_service(v1::san_service_server::SanServiceServer::new(api.clone()))
        .add_service(v1::pool_service_server::PoolServiceServer::new(api.clone()))
        .add_service(v1::qos_policy_service_server::QosPolicyServiceServer::new(api.clone()))
        .add_service(v1::template_service_server::TemplateServiceServer::new(api.clone()))
        .add_service(v1::profile_service_server::ProfileServiceServer::new(api.clone()))
        .add_service(v1::vnic_service_server::VnicServiceServer::new(api.clone()))
        .add_service(v1::vhba_service_server::VhbaServiceServer::new(api.clone()))
        .add_service(v1::failover_service_server::FailoverServiceServer::new(api.clone()))
        .add_service(v1::event_service_server::EventServiceServer::new(api))
        .add_service(health);
    add_reflection(&mut routes);
    (routes.routes(), reporter)
}

/// Both versions of the protocol: grpcurl asks for v1 first, older tools know only v1alpha.
fn add_reflection(routes: &mut tonic::service::RoutesBuilder) {
    let descriptors = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // google.rpc: without it clients show the details of our errors as bytes.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let ours = "the descriptors were made by our own build";
    routes.add_service(descriptors().build_v1().expect(ours));
    routes.add_service(descriptors().build_v1alpha().expect(ours));
}
