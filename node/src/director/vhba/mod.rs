//! The vHBAs of which this director is the home: one thread carries them all, and what it may carry comes from the applied
//! state, as with the frames of vNICs.
//!
//! ```text
//!   applied state ─▶ table ─┐                                  ┌─▶ carrying, phases ─▶ agents, receipts
//!   granted lease ──────────┼─▶ board ─▶ thread: Carrier ─▶ board ─▶ facts ─▶ HomeService, metrics
//!   Rescan ─────────────────┘           Home (one for each vHBA) ─▶ a lease is asked for at once (confirmation of rule 6)
//!   sans: the objects of the SANs in use
//! ```

mod board;
mod home;
mod metrics;
mod sans;
mod service;
mod table;
mod thread;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::watch;
use twinrail_datapath::commands::tcp::{Listening, TcpTargets};
use twinrail_datapath::{Clock, Grant, Priority, Waiter};
use twinrail_proto::domain::{AdapterId, Name, RailAddresses, San};
use twinrail_proto::rail::ClusterTag;
use twinrail_proto::rail::command::COMMAND_PORT;
use twinrail_raft_store::store::StateView;

pub use board::{Admitted, Board};
pub use home::{Admission, Facts};
pub use metrics::VhbaMetrics;
pub use sans::Renew;
pub use service::{HomeEndpoint, phase_times};

use home::Place;
use sans::Sans;
use table::{sans_in_use, vhba_table};
use thread::Carrier;

/// The thread of the vHBAs, as the rest of the director has it. Dropping it stops the thread: its sessions are cut.
pub struct Vhbas {
    own: Name,
    board: Arc<Board>,
    sans: Sans,
    /// Of the table that was published last.
    number: Mutex<u64>,
    thread: Option<JoinHandle<()>>,
}

/// Where the thread runs.
pub struct Setting {
    pub own: Name,
    pub cluster: ClusterTag,
    pub rails: RailAddresses,
    pub skip_fence: bool,
}

impl Vhbas {
    pub fn start(setting: Setting) -> io::Result<Self> {
        let Setting { own, cluster, rails, skip_fence } = setting;
        if skip_fence {
            tracing::error!(
                director = %own,
                "trial.skip_fence: LUNs are not reset when a vHBA is taken over. DATA WILL BE LOST. This is for proving that tests notice"
            );
        }
        let targets = TcpTargets::listen(Listening { addresses: rails, port: COMMAND_PORT, servers: BTreeMap::new() })?;
        let waiter = Waiter::new(&targets.fd())?;
        let board = Arc::new(Board::new(waiter.bell()));
        let place = Place { targets, clock: Clock::Monotonic, director: own.clone(), cluster, skip_fence };
        let carrier = Carrier::new(place, Arc::clone(&board));
        let ended = EndMark(Arc::clone(&board));
        let run = move || {
            let _ended = ended;
            Priority::Carrying.take();
            if let Err(error) = carrier.run(waiter) {
                tracing::error!(%error, "the thread of the vHBAs ended");
            }
        };
        let thread = Some(std::thread::Builder::new().name("vhbas".into()).spawn(run)?);
        Ok(Self { own, board, sans: Sans::default(), number: Mutex::new(0), thread })
    }

    /// Gives the thread what the state says. Returns the number of that table: they get them in the order of the states that
    /// they are made from.
    pub fn publish(&self, state: &StateView, renew: &Renew) -> u64 {
        let mut number = self.number.lock();
        let table = {
            let state = state.read();
            let names = sans_in_use(&state, &self.own);
            let sans: Vec<&San> = names.iter().filter_map(|it| Some(&state.sans().get(it)?.value)).collect();
            let ports = self.sans.ports(&sans, &self.own, renew);
            vhba_table(&state, &ports, &self.own)
        };
        *number += 1;
        self.board.publish(*number, table);
        *number
    }

    /// The number of the table that is in force: the thread carries nothing that it takes away.
    pub fn adopted(&self) -> watch::Receiver<u64> {
        self.board.adopted()
    }

    /// No table that is or will be in force names the SANs that were given up: they are closed beside.
    pub fn close_given_up(&self) {
        self.sans.close();
    }

    /// What the table says may be carried until then.
    pub fn extend_lease(&self, grant: Grant) {
        self.board.grant(grant);
    }

    /// Returns when a lease should be asked for at once.
    pub async fn hurried(&self) {
        self.board.hurried().await;
    }

    /// Changes whenever other vHBAs are admitted than before.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.board.changed()
    }

    /// Those whose commands pass.
    pub fn admitted(&self) -> BTreeMap<AdapterId, Admitted> {
        self.board.admitted()
    }

    /// All of which this director is the home.
    pub fn facts(&self) -> BTreeMap<AdapterId, Facts> {
        self.board.facts()
    }

    /// Reads anew which LUNs are shown. False: this director is not the home.
    pub fn rescan(&self, adapter: AdapterId) -> bool {
        let known = self.board.facts().contains_key(&adapter);
        if known {
            self.board.rescan(adapter);
        }
        known
    }

    /// Returns when the thread has ended: the director cannot go on without it.
    pub async fn ended(&self) {
        self.board.ended().await;
    }
}

impl Drop for Vhbas {
    fn drop(&mut self) {
        self.board.stop();
        if self.thread.take().is_some_and(|it| it.join().is_err()) {
            tracing::error!("the thread of the vHBAs had panicked");
        }
    }
}

/// Says that the thread has ended, in whatever way.
struct EndMark(Arc<Board>);

impl Drop for EndMark {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests;
