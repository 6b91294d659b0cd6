//! Ctrl-C and SIGTERM: remove the labs, then end with the status that a shell expects.

use std::sync::Once;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::janitor;

/// 128 + SIGINT (2), and 128 + SIGTERM (15).
const ENDED_BY_INTERRUPT: i32 = 130;
const ENDED_BY_TERMINATE: i32 = 143;

/// Installs the handler, once a process. It stays for as long as the process lives.
pub fn install() -> Result<()> {
    static INSTALLED: Once = Once::new();
    let mut result = Ok(());
    INSTALLED.call_once(|| result = start());
    result
}

fn start() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("could not start the thread that waits for signals")?;
    let _entered = runtime.enter();
    let interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    drop(_entered);
    let wait = move || {
        let status = runtime.block_on(first(interrupt, terminate));
        eprintln!("\ninterrupted: removing the lab");
        janitor::tear_down_all();
        std::process::exit(status);
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).context("could not start a thread").map(drop)
}

async fn first(mut interrupt: Signal, mut terminate: Signal) -> i32 {
    tokio::select! {
        _ = interrupt.recv() => ENDED_BY_INTERRUPT,
        _ = terminate.recv() => ENDED_BY_TERMINATE,
    }
}
