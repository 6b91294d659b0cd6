//! An iSCSI target (RFC 7143) before any [`San`]: with it, initiators that are not ours try the SAN of files.
//!
//! ```text
//!   iscsi-test-cu, libiscsi ── TCP ──▶ connection: PDUs, numbers ── login: who, and how
//!                                          │
//!                                        tasks: data, R2T, answers ──▶ a session of the SAN (`datapath::san`)
//! ```
//!
//! For tests: each connection is a thread and a session; an initiator is `naa.` and its WWPN, and is believed. Not here: CHAP,
//! digests, more than one connection a session, error recovery above level 0 (what is broken ends the connection).

mod connection;
mod login;
mod tasks;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use twinrail_datapath::san::San;

/// A target and the SAN behind it.
pub struct Target {
    name: String,
    san: Arc<dyn San>,
    /// The last TSIH that was given (RFC 7143, 11.12.6): 0 is none.
    last_session: AtomicU16,
}

impl Target {
    pub fn new(name: &str, san: Arc<dyn San>) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), san, last_session: AtomicU16::new(0) })
    }

    /// Serves until the listener breaks.
    pub fn serve(self: &Arc<Self>, listener: &TcpListener) -> io::Result<()> {
        loop {
            let (socket, from) = listener.accept()?;
            let target = Arc::clone(self);
            std::thread::Builder::new().name(format!("iscsi {from}")).spawn(move || target.speak_with(socket, from))?;
        }
    }

    fn speak_with(self: Arc<Self>, socket: std::net::TcpStream, from: SocketAddr) {
        if let Err(error) = connection::serve(&self, socket) {
            eprintln!("the connection from {from} ended: {error:#}");
        }
    }

    fn next_session(&self) -> u16 {
        let last = self.last_session.fetch_add(1, Ordering::Relaxed);
        last.checked_add(1).unwrap_or(1)
    }
}
