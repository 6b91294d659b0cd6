//! Prometheus: `GET /metrics`. The numbers are read where they are counted, at the moment of the scrape.

mod datapath;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

pub use datapath::DatapathMetrics;

/// Serves the collectors' numbers until the listener fails.
pub async fn serve(listener: TcpListener, collectors: Vec<Box<dyn Collector>>) {
    let mut registry = Registry::with_prefix("twinrail");
    for collector in collectors {
        registry.register_collector(collector);
    }
    let registry = Arc::new(registry);
    let routes = Router::new().route("/metrics", get(move || scrape(registry.clone())));
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the metrics ended");
    }
}

fn scrape(registry: Arc<Registry>) -> impl Future<Output = impl IntoResponse> {
    let mut text = String::new();
    let encoded = encode(&mut text, &registry);
    std::future::ready(match encoded {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, OPEN_METRICS)], text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], error.to_string()),
    })
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes families of numbers with labels.
pub struct Families<'a, 'b> {
    encoder: &'a mut DescriptorEncoder<'b>,
}

pub type Labels = Vec<(&'static str, String)>;

impl<'a, 'b> Families<'a, 'b> {
    pub fn new(encoder: &'a mut DescriptorEncoder<'b>) -> Self {
        Self { encoder }
    }

    pub fn counters(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, u64)>,
    ) -> std::fmt::Result {
        self.family(name, help, rows.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value))))
    }

    pub fn gauges(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, f64)>,
    ) -> std::fmt::Result {
        self.family(name, help, rows.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value))))
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: f64) -> std::fmt::Result {
        let metric = ConstGauge::new(value);
        metric.encode(self.encoder.encode_descriptor(name, help, None, metric.metric_type())?)
    }

    fn family<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = (Labels, M)>,
    ) -> std::fmt::Result {
        let mut rows = rows.peekable();
        let Some((_, first)) = rows.peek() else { return Ok(()) };
        let mut family = self.encoder.encode_descriptor(name, help, None, first.metric_type())?;
        for (labels, metric) in rows {
            metric.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
