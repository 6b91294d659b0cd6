//! `make bench-api`: committed writes a second through the public API of three directors, beside three etcd processes: same
//! machine, same run, same disk, same rails, one load generator; no agents, which etcd has none of.
//!
//! etcd puts values of 256 bytes. A write of ours is UpdateTemplate with a template of at least 256 bytes: it is parsed,
//! checked against the state, committed, applied, audited, and answered with the resource.

use std::time::Duration;

use anyhow::{Context, Result};
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use twinrail_proto::domain::Rail;
use twinrail_proto::grpc::v1;
use twinrail_proto::grpc::v1::template_service_client::TemplateServiceClient;

use super::Sides;
use super::load::{LoadReport, closed_loop};
use super::table::{ratio, table};
use crate::baseline::etcd::{EtcdClient, EtcdCluster};
use crate::lab::config::API_PORT;
use crate::lab::scenario::network_lines;
use crate::lab::{Lab, Layout};
use crate::measure::clock::{milliseconds, nanos};

const CLIENTS: [usize; 3] = [1, 64, 256];
/// What each write carries at least.
const VALUE: usize = 256;
/// The machine from which the load comes: it is on the rails.
const LOAD_MACHINE: &str = "s1";

pub fn run(sides: Sides) -> Result<()> {
    println!("Committed writes through the API of three machines, {VALUE}-byte values");
    let etcd = if sides.others { Some(measure_etcd()?) } else { None };
    let twinrail = if sides.twinrail { Some(measure_twinrail()?) } else { None };
    let mut out =
        table(&["clients", "etcd writes/s", "p50 ms", "p99 ms", "twinrail writes/s", "p50 ms", "p99 ms", "ratio"]);
    for (index, clients) in CLIENTS.iter().enumerate() {
        let theirs = etcd.as_ref().map(|reports| reports[index]);
        let own = twinrail.as_ref().map(|reports| reports[index]);
        let mut row = vec![clients.to_string()];
        row.extend(columns(theirs));
        row.extend(columns(own));
        let per_second = |report: Option<LoadReport>| report.map_or(0.0, |report| report.per_second);
        row.push(ratio(per_second(own), per_second(theirs)));
        out.add_row(row);
    }
    println!("{out}");
    Ok(())
}

fn columns(report: Option<LoadReport>) -> [String; 3] {
    let latency = |time: Duration| format!("{:.1}", milliseconds(nanos(time)));
    match report {
        Some(report) => [format!("{:.0}", report.per_second), latency(report.p50), latency(report.p99)],
        None => std::array::from_fn(|_| "-".to_owned()),
    }
}

fn measure_etcd() -> Result<Vec<LoadReport>> {
    Lab::with(Layout::default(), |lab| {
        let cluster = EtcdCluster::start(lab)?;
        let namespace = lab.namespace(LOAD_MACHINE)?;
        CLIENTS.iter().map(|clients| namespace.run(|| measure_puts(&cluster, *clients))).collect()
    })
}

fn measure_puts(cluster: &EtcdCluster, clients: usize) -> Result<LoadReport> {
    let runtime = runtime()?;
    let connected: Vec<EtcdClient> =
        (0..clients).map(|index| runtime.block_on(cluster.client(index))).collect::<Result<_>>()?;
    let writer = |(index, mut client): (usize, EtcdClient)| {
        async move |_: u64| client.put(format!("bench/{index}").into_bytes(), vec![b'x'; VALUE]).await
    };
    closed_loop(connected.into_iter().enumerate().map(writer).collect(), &runtime)
}

fn measure_twinrail() -> Result<Vec<LoadReport>> {
    Lab::with(Layout::default(), |lab| {
        let cli = lab.start_directors()?;
        network_lines().iter().try_for_each(|line| cli.run(line).map(drop))?;
        let names = lab.layout.director_names();
        let address = |name: &String| lab.machine(name)?.kind.rail_address(Rail::A).context("not on rail A");
        let endpoints = names.iter().map(|name| Ok(format!("http://{}:{API_PORT}", address(name)?)));
        let endpoints = endpoints.collect::<Result<Vec<_>>>()?;
        let namespace = lab.namespace(LOAD_MACHINE)?;
        CLIENTS.iter().map(|clients| namespace.run(|| measure_updates(&endpoints, *clients))).collect()
    })
}

/// Every client changes a template of its own, through one of the directors in turn.
fn measure_updates(endpoints: &[String], clients: usize) -> Result<LoadReport> {
    let runtime = runtime()?;
    let connect = |index: usize| runtime.block_on(connect(&endpoints[index % endpoints.len()], index));
    let connected: Vec<TemplateServiceClient<Channel>> = (0..clients).map(connect).collect::<Result<_>>()?;
    let writer = |(index, mut client): (usize, TemplateServiceClient<Channel>)| {
        async move |number: u64| {
            let template = Some(template(index, 1_400 + u32::try_from(number % 2)?));
            let request = v1::UpdateTemplateRequest { template, ..Default::default() };
            client.update_template(request).await.context("an update was refused").map(drop)
        }
    };
    closed_loop(connected.into_iter().enumerate().map(writer).collect(), &runtime)
}

/// Connects, and makes the client's template unless an earlier run has.
async fn connect(endpoint: &str, index: usize) -> Result<TemplateServiceClient<Channel>> {
    let endpoint = Endpoint::from_shared(endpoint.to_owned()).context("not an endpoint")?.tcp_nodelay(true);
    let mut client = TemplateServiceClient::new(endpoint.connect().await.context("could not connect to a director")?);
    let template_id = format!("bench-{index}");
    let request =
        v1::CreateTemplateRequest { template_id, template: Some(template(index, 1_400)), ..Default::default() };
    match client.create_template(request).await {
        Err(status) if status.code() != tonic::Code::AlreadyExists => {
            Err(status).context("could not create a template")
        }
        _ => Ok(client),
    }
}

/// As many vNICs as it takes to be as long as etcd's value.
fn template(index: usize, mtu: u32) -> v1::Template {
    let mut template = v1::Template {
        name: format!("templates/bench-{index}"),
        mode: v1::TemplateMode::Initial.into(),
        ..Default::default()
    };
    for number in 0.. {
        if template.encoded_len() >= VALUE {
            break;
        }
        let vnic = v1::VnicTemplate {
            lan: "lans/prod".to_owned(),
            mac_pool: "pools/macs".to_owned(),
            mtu: Some(mtu),
            ..Default::default()
        };
        template.vnics.insert(format!("eth{number}"), vnic);
    }
    template
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("could not start a runtime")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_write_is_not_smaller_than_theirs() {
        let length = template(0, 1_500).encoded_len();
        assert!((VALUE..2 * VALUE).contains(&length), "{length}");
    }
}
