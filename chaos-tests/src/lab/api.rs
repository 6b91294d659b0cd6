//! The public API by its typed clients, from inside a machine of the lab.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use tonic::transport::{Channel, Endpoint};

use super::config::{API_PORT, METRICS_PORT};
use super::{Lab, Namespace};

/// A call takes no longer, an election included.
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// Where a director's API is, as its own machine reaches it.
#[derive(Clone, Debug)]
pub struct Api {
    namespace: Namespace,
    uri: String,
}

impl Api {
    /// Connects and runs the calls, on a thread inside the machine's namespace.
    pub fn run<T: Send>(&self, calls: impl AsyncFnOnce(Channel) -> Result<T> + Send) -> Result<T> {
        self.namespace.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let endpoint = Endpoint::from_shared(self.uri.clone()).context("not an endpoint")?.timeout(CALL_WITHIN);
            runtime.context("could not start a runtime")?.block_on(async {
                let channel = endpoint.connect().await.with_context(|| format!("could not connect to {}", self.uri))?;
                calls(channel).await
            })
        })
    }
}

impl Lab {
    pub fn api(&self, director: &str) -> Result<Api> {
        Ok(Api { namespace: self.namespace(director)?.clone(), uri: format!("http://127.0.0.1:{API_PORT}") })
    }

    /// What a machine tells Prometheus.
    pub fn metrics(&self, machine: &str) -> Result<String> {
        self.namespace(machine)?.run(|| {
            let address = (Ipv4Addr::LOCALHOST, METRICS_PORT);
            let mut stream = TcpStream::connect(address).with_context(|| format!("no metrics on {machine}"))?;
            stream.set_read_timeout(Some(CALL_WITHIN)).context("could not set a timeout")?;
            stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").context("could not ask for metrics")?;
            let mut text = String::new();
            stream.read_to_string(&mut text).context("could not read metrics")?;
            Ok(text)
        })
    }
}
