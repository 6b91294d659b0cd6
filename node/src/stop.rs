//! The signals that ask a process to stop.

use tokio::signal::unix::{SignalKind, signal as on};

/// Returns the name of the first of SIGINT and SIGTERM that comes.
pub async fn signal() -> &'static str {
    let (Ok(mut interrupt), Ok(mut terminate)) = (on(SignalKind::interrupt()), on(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
