//! The socket of a group of exports and its clients.

mod connection;
mod listen;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use twinrail_datapath_sys::{EventFd, Interest, wait_ready};

pub use self::connection::Connection;
use self::listen::Listener;
pub use self::listen::{Owner, SocketError};
use super::{BlockDevice, Export, ExportError, Exports};

/// Where to listen, and who may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// In a folder that is there. At most about 90 octets: the kernel has room for 107, and a socket is made under a
    /// longer name first.
    pub path: PathBuf,
    /// Permissions of the socket's file: who may write to it may use the exports. 0o600 for the owner alone.
    pub mode: u32,
    /// None: whoever runs this process.
    pub owner: Option<Owner>,
    /// Clients at one time. One more is hung up on at once.
    pub clients: usize,
}

/// An export and what is behind it.
pub struct Offer {
    pub export: Export,
    pub device: Arc<dyn BlockDevice>,
}

/// Why exports are not served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("cannot make what wakes the threads of {path:?}")]
    Event { path: PathBuf, source: io::Error },
    #[error("cannot start the thread of {path:?}")]
    Thread { path: PathBuf, source: io::Error },
}

/// Serves exports until it is dropped: then requests in flight are answered with `Shutdown`, the threads end, and the
/// socket's file is removed.
pub struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    exports: Arc<Exports>,
    devices: Vec<Arc<dyn BlockDevice>>,
    clients: Mutex<Clients>,
    most: usize,
    stop: EventFd,
}

#[derive(Default)]
struct Clients {
    stopped: bool,
    running: Vec<(Arc<Connection>, JoinHandle<()>)>,
}

impl Server {
    pub fn start(config: &ServerConfig, offers: Vec<Offer>) -> Result<Self, ServerError> {
        let (exports, devices): (Vec<_>, Vec<_>) = offers.into_iter().map(|it| (it.export, it.device)).unzip();
        let exports = Arc::new(Exports::new(exports)?);
        let path = config.path.clone();
        let stop = EventFd::new().map_err(|source| ServerError::Event { path: path.clone(), source })?;
        let listener = Listener::open(&path, config.mode, config.owner)?;
        let shared = Arc::new(Shared { exports, devices, clients: Mutex::default(), most: config.clients, stop });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("nbd".into()).spawn(move || for_thread.run(&listener));
        let thread = thread.map_err(|source| ServerError::Thread { path: path.clone(), source })?;
        Ok(Self { path, shared, thread: Some(thread) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Clients that are connected now.
    pub fn clients(&self) -> usize {
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.reap();
        clients.running.len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.wake();
        if let Some(thread) = self.thread.take() {
            // It ends by a panic only when there is a fault in here, which has been printed.
            let _ = thread.join();
        }
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.stopped = true;
        let running = std::mem::take(&mut clients.running);
        drop(clients);
        running.iter().for_each(|(connection, _)| connection.stop());
        for (_, thread) in running {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Until it is told to stop, or nobody can come any more.
    fn run(self: Arc<Self>, listener: &Listener) {
        let both = |listener: &Listener| wait_ready([(listener, Interest::READ), (&self.stop, Interest::READ)], None);
        loop {
            match both(listener) {
                Ok([_, stop]) if stop.any() => return,
                Ok(_) => self.welcome(listener),
                Err(error) => {
                    tracing::error!(%error, "nbd: cannot wait for clients any more");
                    return;
                }
            }
        }
    }

    /// Gives a client its thread.
    fn welcome(&self, listener: &Listener) {
        let stream = match listener.accept() {
            Ok(Some(stream)) => stream,
            Ok(None) => return,
            Err(error) => {
                // Out of descriptors, mostly: not again at once.
                tracing::warn!(%error, "nbd: cannot let a client in");
                std::thread::sleep(std::time::Duration::from_millis(100));
                return;
            }
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.reap();
        if clients.stopped || clients.running.len() >= self.most {
            tracing::warn!(most = self.most, "nbd: one client too many");
            return;
        }
        match Connection::start(stream, Arc::clone(&self.exports), self.devices.clone()) {
            Ok(running) => clients.running.push(running),
            Err(error) => tracing::warn!(%error, "nbd: cannot serve a client"),
        }
    }
}

impl Clients {
    fn reap(&mut self) {
        self.running.retain(|(_, thread)| !thread.is_finished());
    }
}
