//! One vHBA's thread for what takes time: sockets, files, devices.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;
use twinrail_datapath::disks::{DiskState, Vhba};
use twinrail_proto::domain::AdapterId;

use super::exports::{Exports, Place};
use super::memory::Remembered;
use super::nodes::Nodes;
use super::{Assigned, Common, paths};

/// How soon what did not work is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the thread is to do next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    #[default]
    Nothing,
    /// See what there is, and follow it.
    Look,
    /// Close the exports, and keep the memory.
    Stop,
    /// The server has lost the vHBA: end what has begun, close, forget.
    Release,
}

/// Rings for the thread.
#[derive(Clone, Default)]
pub struct Bell {
    shared: Arc<(Mutex<Wish>, Condvar)>,
}

impl Bell {
    pub fn look(&self) {
        self.wish(Wish::Look);
    }

    /// A greater wish takes the place of a smaller one.
    fn wish(&self, wish: Wish) {
        let mut state = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = wish.max(*state);
        self.shared.1.notify_one();
    }

    /// What is wished; after the time, if any, a look.
    fn wait(&self, timeout: Option<Duration>) -> Wish {
        let mut state = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *state == Wish::Nothing {
            let (guard, over) = match timeout {
                None => (self.shared.1.wait(state).unwrap_or_else(PoisonError::into_inner), false),
                Some(timeout) => {
                    let waited = self.shared.1.wait_timeout(state, timeout);
                    let (guard, result) = waited.unwrap_or_else(PoisonError::into_inner);
                    (guard, result.timed_out())
                }
            };
            state = guard;
            if over {
                return (*state).max(Wish::Look);
            }
        }
        std::mem::take(&mut *state)
    }
}

/// Keeps the exports and the memory of one vHBA in step with what its discovery has found. Dropping it closes the exports.
pub struct Keeper {
    bell: Bell,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    assigned: Mutex<Assigned>,
    told: Mutex<Told>,
}

/// What is reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub disks: BTreeMap<u16, DiskState>,
    pub places: BTreeMap<u16, Place>,
    /// What keeps the vHBA as a whole from being remembered. Empty: nothing.
    pub problem: String,
    ended: bool,
}

struct Thread {
    adapter: AdapterId,
    common: Arc<Common>,
    folder: PathBuf,
    vhba: Arc<Vhba>,
    exports: Exports,
    /// None: device nodes are not asked for.
    nodes: Option<Nodes>,
    written: Option<Remembered>,
    problem: String,
    shared: Arc<Shared>,
    news: Arc<Notify>,
}

impl Keeper {
    pub fn start(
        adapter: AdapterId,
        assigned: Assigned,
        common: &Arc<Common>,
        vhba: Arc<Vhba>,
        bell: Bell,
        news: Arc<Notify>,
    ) -> std::io::Result<Self> {
        let folder = assigned.folder(&common.settings.run_dir);
        let nodes = common.settings.device_nodes.then(|| Nodes::new(&common.machine_id, adapter, &folder));
        let shared = Arc::new(Shared { assigned: Mutex::new(assigned), told: Mutex::default() });
        let mut thread = Thread {
            adapter,
            common: Arc::clone(common),
            folder,
            vhba,
            exports: Exports::default(),
            nodes,
            written: None,
            problem: String::new(),
            shared: Arc::clone(&shared),
            news,
        };
        let rings = bell.clone();
        let thread = std::thread::Builder::new().name("vhba-keeper".into()).spawn(move || thread.run(&rings))?;
        bell.look();
        Ok(Self { bell, shared, thread: Some(thread) })
    }

    pub fn assign(&self, assigned: Assigned) {
        *lock(&self.shared.assigned) = assigned;
        self.bell.look();
    }

    pub fn release(&self) {
        self.bell.wish(Wish::Release);
    }

    /// It was released, and nothing of it is left.
    pub fn has_ended(&self) -> bool {
        lock(&self.shared.told).ended
    }

    pub fn told(&self) -> Told {
        lock(&self.shared.told).clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.bell.wish(Wish::Stop);
        if self.thread.take().is_some_and(|it| it.join().is_err()) {
            tracing::error!("a thread that keeps a vHBA's exports had panicked");
        }
    }
}

impl Thread {
    fn run(&mut self, bell: &Bell) {
        let mut retry = None;
        loop {
            match bell.wait(retry) {
                Wish::Nothing => {}
                Wish::Look => retry = self.look().then_some(RETRY),
                Wish::Stop => return self.close(),
                Wish::Release => return self.release(),
            }
        }
    }

    /// Returns whether something did not work.
    fn look(&mut self) -> bool {
        let disks = self.vhba.disks();
        self.exports.follow(&disks, &self.vhba, &self.folder, self.common.settings.socket_mode.0);
        if let Some(nodes) = &mut self.nodes {
            nodes.follow(&disks, &self.vhba);
        }
        self.remember(&disks);
        let places = disks.keys().map(|&lun| (lun, self.place(lun))).collect();
        self.tell(Told { disks, places, problem: self.problem.clone(), ended: false });
        let nodes = self.nodes.as_ref().is_some_and(Nodes::has_problems);
        nodes || self.exports.has_problems() || !self.problem.is_empty()
    }

    fn place(&self, lun: u16) -> Place {
        let nodes = self.nodes.as_ref();
        let problem = self.exports.problem(lun).or_else(|| nodes?.problem(lun)).unwrap_or_default().to_owned();
        let socket = self.exports.socket(lun).map(Into::into);
        Place { socket, device: nodes.and_then(|it| it.device(lun)).map(Into::into), problem }
    }

    fn close(&mut self) {
        self.nodes.iter_mut().for_each(Nodes::close);
        self.exports.close();
        self.nodes = None;
    }

    fn remember(&mut self, disks: &BTreeMap<u16, DiskState>) {
        let units = disks.iter().filter_map(|(&lun, it)| Some((lun, it.unit.clone()?))).collect();
        let remembered = Remembered { assigned: lock(&self.shared.assigned).clone(), units };
        if self.written.as_ref() == Some(&remembered) {
            return;
        }
        match self.common.memory.write(self.adapter, &remembered) {
            Ok(()) => (self.written, self.problem) = (Some(remembered), String::new()),
            Err(error) => {
                tracing::warn!(adapter = self.adapter.0, %error, "a vHBA's LUNs are not remembered");
                self.problem = error.to_string();
            }
        }
    }

    /// The kernel writes what it still has for a device node while I/O goes on; then what has begun ends.
    fn release(&mut self) {
        self.nodes.iter_mut().for_each(Nodes::close);
        self.vhba.quiesce();
        self.close();
        if let Err(error) = self.common.memory.forget(self.adapter) {
            tracing::warn!(adapter = self.adapter.0, %error, "a vHBA is not forgotten");
        }
        paths::clear(&self.folder);
        tracing::info!(adapter = self.adapter.0, "a vHBA has gone");
        self.tell(Told { ended: true, ..Told::default() });
    }

    fn tell(&self, told: Told) {
        *lock(&self.shared.told) = told;
        self.news.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
