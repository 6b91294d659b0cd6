//! What a cluster tells of itself: one failover is one trace across directors, received over OTLP; receipts and metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tonic::{Request, Response, Status};
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{Scenario, eventually};
use twinrail_chaos_tests::lab::{Lab, Layout};
use twinrail_proto::domain::Rail;

/// The receiver runs on this machine.
const COLLECTOR: &str = "s4";
const OTLP_PORT: u16 = 4_317;
const TOLD_WITHIN: Duration = Duration::from_secs(15);

/// Trace id → who told spans of it → the spans' names.
type Traces = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Traces>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut traces = self.0.lock().map_err(|_| Status::internal("poisoned"))?;
        for of_resource in request.into_inner().resource_spans {
            let who = format!("{:?}", of_resource.resource);
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let id = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
                traces.entry(id).or_default().entry(who.clone()).or_default().insert(span.name);
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[test]
fn one_failover_is_one_trace_across_directors() -> Result<()> {
    let _turn = remnants::turn()?;
    let mut layout = Layout::default();
    let machines = layout.machines();
    let (_, kind) = machines.iter().find(|(name, _)| name == COLLECTOR).context("no machine for the collector")?;
    let address = SocketAddr::from((kind.rail_address(Rail::A).context("not on rail A")?, OTLP_PORT));
    layout.director_extra = format!("[telemetry]\notlp_endpoint = \"http://{address}\"\n").parse()?;
    let mut lab = Lab::build(layout)?;
    let receiver = Receiver::default();
    let _collector = collect(&lab, address, receiver.clone())?;
    let cards = Scenario::deploy_in(&mut lab, &["s1", "s2", "s3"])?;
    let mut scenario = Scenario::new(lab);
    scenario.watch(cards)?;
    scenario.check(|scenario| {
        let home = scenario.homes()?.first().context("nothing is watched")?.clone();
        scenario.lose_director(&home)?;
        let trace = receipt(scenario, &home)?;
        eventually(TOLD_WITHIN, &format!("spans of trace {trace} from two directors"), || {
            let traces = receiver.0.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
            Ok(traces.get(&trace).is_some_and(|told| told.len() >= 2).then_some(()))
        })?;
        let metrics = scenario.lab.metrics(scenario.homes()?.first().context("nothing is watched")?)?;
        ensure!(metrics.contains("twinrail_"), "no metrics of ours: {metrics}");
        Ok(())
    })
}

/// The receipt of the loss of this director: complete, its times in order. Gives its trace id.
fn receipt(scenario: &Scenario, lost: &str) -> Result<String> {
    let receipt = eventually(TOLD_WITHIN, "a complete receipt of the failover", || {
        let failovers = scenario.cli()?.json("failover list")?;
        let failovers = failovers.as_array().context("`failover list` prints no list")?;
        let mut of_lost =
            failovers.iter().filter(|it| it["directorLost"].as_str().is_some_and(|name| name.ends_with(lost)));
        let complete = |it: &&serde_json::Value| {
            let moves = it["moves"].as_array().map_or(&[][..], Vec::as_slice);
            let carried = !moves.is_empty()
                && moves.iter().all(|it| it["carryTime"].is_string() && it["announceTime"].is_string());
            carried && it["commitTime"].is_string()
        };
        Ok(of_lost.rfind(complete).cloned())
    })?;
    println!("{receipt:#}");
    let times = ["lastSeenTime", "detectTime", "decideTime", "commitTime"].map(|field| receipt[field].as_str());
    ensure!(times.iter().all(Option::is_some) && times.is_sorted(), "the times are not in order: {times:?}");
    let trace = receipt["traceId"].as_str().context("the receipt has no trace id")?;
    Ok(trace.to_owned())
}

/// Serves OTLP inside the collector's namespace for as long as the runtime is kept.
fn collect(lab: &Lab, address: SocketAddr, receiver: Receiver) -> Result<tokio::runtime::Runtime> {
    lab.namespace(COLLECTOR)?.run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(async move {
            tonic::transport::Server::builder().add_service(TraceServiceServer::new(receiver)).serve(address).await
        });
        Ok(runtime)
    })
}
