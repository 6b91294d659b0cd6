//! etcd as a baseline: three processes on the lab's directors, and the one call of its API that we need.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;
use twinrail_proto::domain::Rail;

use crate::lab::{Lab, Process};

const CLIENT_PORT: u16 = 2_379;
const PEER_PORT: u16 = 2_380;
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// etcdserverpb.PutRequest: the fields that we use.
#[derive(Clone, PartialEq, Message)]
pub struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// etcdserverpb.PutResponse.
#[derive(Clone, PartialEq, Message)]
pub struct PutResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
}

/// etcdserverpb.ResponseHeader.
#[derive(Clone, PartialEq, Message)]
pub struct ResponseHeader {
    #[prost(uint64, tag = "1")]
    pub cluster_id: u64,
    #[prost(uint64, tag = "2")]
    pub member_id: u64,
    #[prost(int64, tag = "3")]
    pub revision: i64,
    #[prost(uint64, tag = "4")]
    pub raft_term: u64,
}

/// A cluster that runs on the lab's directors; it ends with this.
pub struct EtcdCluster {
    members: Vec<Ipv4Addr>,
    _processes: Vec<Process>,
}

impl EtcdCluster {
    /// Default timing, data in the lab's run folder: the same disk as ours.
    pub fn start(lab: &Lab) -> Result<Self> {
        let names = lab.layout.director_names();
        let address = |name: &String| lab.machine(name)?.kind.rail_address(Rail::A).context("not on rail A");
        let members = names.iter().map(address).collect::<Result<Vec<_>>>()?;
        let peers = names.iter().zip(&members).map(|(name, address)| format!("{name}=http://{address}:{PEER_PORT}"));
        let peers = peers.collect::<Vec<_>>().join(",");
        let starts = names.iter().zip(&members).map(|(name, address)| start_member(lab, name, *address, &peers));
        let processes = starts.collect::<Result<Vec<_>>>()?;
        Ok(Self { members, _processes: processes })
    }

    /// Client `index`, connected to one of the members in turn. Call it inside a namespace that is on rail A.
    pub async fn client(&self, index: usize) -> Result<EtcdClient> {
        let address = self.members[index % self.members.len()];
        EtcdClient::connect(&format!("http://{address}:{CLIENT_PORT}")).await
    }
}

fn start_member(lab: &Lab, name: &str, address: Ipv4Addr, peers: &str) -> Result<Process> {
    let data = lab.run_dir().join(format!("etcd-{name}"));
    let data = data.to_str().context("the run folder's path is not UTF-8")?;
    let (client, peer) = (format!("http://{address}:{CLIENT_PORT}"), format!("http://{address}:{PEER_PORT}"));
    let arguments = [
        ["--name", name],
        ["--data-dir", data],
        ["--listen-client-urls", &client],
        ["--advertise-client-urls", &client],
        ["--listen-peer-urls", &peer],
        ["--initial-advertise-peer-urls", &peer],
        ["--initial-cluster", peers],
        ["--initial-cluster-state", "new"],
        ["--log-level", "warn"],
    ];
    lab.spawn(name, &format!("etcd-{name}"), Path::new("etcd"), arguments.as_flattened())
}

#[derive(Clone)]
pub struct EtcdClient {
    grpc: Grpc<Channel>,
}

impl EtcdClient {
    async fn connect(endpoint: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(endpoint.to_owned()).context("not an endpoint")?.tcp_nodelay(true);
        let end = Instant::now() + STARTS_WITHIN;
        loop {
            match endpoint.connect().await {
                Ok(channel) => return Ok(Self { grpc: Grpc::new(channel) }),
                Err(error) if Instant::now() > end => bail!("etcd at {} does not answer: {error}", endpoint.uri()),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    pub async fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        let codec = ProstCodec::<PutRequest, PutResponse>::default();
        self.grpc.ready().await.context("the connection to etcd broke")?;
        let request = tonic::Request::new(PutRequest { key, value });
        self.grpc.unary(request, path, codec).await.context("etcd refused a put").map(drop)
    }
}
