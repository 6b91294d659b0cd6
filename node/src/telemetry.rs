//! Logs to standard error, and traces over OTLP when the configuration names a collector. Spans carry ids (adapter,
//! director, epoch); one failover is one trace across directors, tied together by the `traceparent` in its receipt.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::Telemetry;

/// What is logged when neither the configuration nor `RUST_LOG` says: our own words, and of others only trouble.
const DEFAULT_LOG: &str = "info,openraft=error,sled=warn,h2=warn,hyper=warn,tonic=warn";

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("telemetry.log: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("telemetry.otlp_endpoint {endpoint}: {source}")]
    Exporter { endpoint: String, source: opentelemetry_otlp::ExporterBuildError },
    #[error("logging was set up twice in one process: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Keeps the exporter alive; what is still queued is sent when it is dropped.
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take()
            && let Err(error) = provider.shutdown()
        {
            eprintln!("the last traces were not sent: {error}");
        }
    }
}

/// `service` is `twinrail-director` or `twinrail-server`, `instance` the machine's name.
pub fn start(config: &Telemetry, service: &'static str, instance: &str) -> Result<TelemetryGuard, TelemetryError> {
    let filter = match (&config.log, std::env::var("RUST_LOG")) {
        (_, Ok(words)) => EnvFilter::try_new(words)?,
        (Some(words), _) if words != "info" => EnvFilter::try_new(words)?,
        _ => EnvFilter::try_new(DEFAULT_LOG)?,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = if config.log_json { lines.json().boxed() } else { lines.with_ansi(false).boxed() };
    let provider = config.otlp_endpoint.as_deref().map(|it| provider(it, service, instance)).transpose()?;
    let traces = provider.as_ref().map(|provider| {
        let ours = tracing_subscriber::filter::Targets::new().with_target("twinrail", tracing::Level::INFO);
        tracing_opentelemetry::layer().with_tracer(provider.tracer("twinrail")).with_filter(ours)
    });
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).try_init()?;
    Ok(TelemetryGuard { provider })
}

fn provider(endpoint: &str, service: &'static str, instance: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|source| TelemetryError::Exporter { endpoint: endpoint.to_owned(), source })?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// The W3C trace context of a span, for a receipt or a call to another director. `None` while nothing is exported.
pub fn traceparent(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove("traceparent")
}

/// The trace that a span is part of, 32 hex digits (W3C trace context, 3.2.2.3).
pub fn trace_id(span: &Span) -> Option<String> {
    Some(traceparent(span)?.split('-').nth(1)?.to_owned())
}

/// The traceparent for work that is part of a trace of which only the id was written down: its parent span is then not
/// known, and half of the trace id stands for it.
pub fn traceparent_of(trace_id: &str) -> Option<String> {
    Some(format!("00-{trace_id}-{}-01", trace_id.get(..16)?))
}

/// Makes `span` part of the trace that another director started.
pub fn continue_trace(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let context: Context = TraceContextPropagator::new().extract(&carrier);
    // Fails only where no exporter is set up, and then there is no trace to be part of.
    let _ = span.set_parent(context);
}

/// An error with what caused it, on one line.
pub fn error_text(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
