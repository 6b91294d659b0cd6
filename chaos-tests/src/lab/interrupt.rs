//! Ctrl-C and SIGTERM: remove the labs, then end with the status that a shell expects. A program that has something to say first
//! asks to be told ([`ask_first`]); then only the second signal ends it.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::janitor;

/// 128 + SIGINT (2), and 128 + SIGTERM (15).
const ENDED_BY_INTERRUPT: i32 = 130;
const ENDED_BY_TERMINATE: i32 = 143;

/// Whether the first signal is only told, and whether it came.
static ASKED_FIRST: AtomicBool = AtomicBool::new(false);
static TOLD: AtomicBool = AtomicBool::new(false);

/// From now on the first signal ends nothing: [`was_told`] says that it came.
pub fn ask_first() {
    ASKED_FIRST.store(true, Ordering::Relaxed);
}

/// Whether the signal came after [`ask_first`].
pub fn was_told() -> bool {
    TOLD.load(Ordering::Relaxed)
}

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
    loop {
        let status = tokio::select! {
            _ = interrupt.recv() => ENDED_BY_INTERRUPT,
            _ = terminate.recv() => ENDED_BY_TERMINATE,
        };
        if !ASKED_FIRST.load(Ordering::Relaxed) || TOLD.swap(true, Ordering::Relaxed) {
            return status;
        }
        eprintln!("\nit ends in order; another signal ends it at once");
    }
}
