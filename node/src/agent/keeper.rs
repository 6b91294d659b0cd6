//! Writes the agent's memory to disk beside its work: a disk that stalls must not hold up a switch. What relies on the
//! memory being durable, the acknowledgement of a release, comes back when it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use twinrail_failover::agent::Memory;
use twinrail_proto::domain::{Name, Revision};

use super::memory::{MemoryError, MemoryFile};

/// Results that wait to be taken; each is followed by a write, so there is never more than one.
const RESULTS: usize = 4;

/// Released profiles whose acknowledgement may go out now.
pub type Durable = BTreeMap<Name, Revision>;

/// What is to be written, and what waits for it. Newer memory replaces older that was not written yet.
#[derive(Default)]
struct Pending {
    memory: Option<Memory>,
    acknowledge: Durable,
}

#[derive(Clone)]
pub struct Keeper {
    pending: Arc<Mutex<Pending>>,
    wake: Arc<Notify>,
}

impl Keeper {
    /// Starts the writer, which ends with the receiver.
    pub fn start(file: MemoryFile) -> (Self, mpsc::Receiver<Result<Durable, MemoryError>>) {
        let keeper = Self { pending: Arc::default(), wake: Arc::default() };
        let (sender, results) = mpsc::channel(RESULTS);
        tokio::spawn(keeper.clone().write(Arc::new(file), sender));
        (keeper, results)
    }

    pub fn persist(&self, memory: &Memory) {
        self.pending.lock().memory = Some(memory.clone());
        self.wake.notify_one();
    }

    /// Gives this back after all that was to be persisted before is on disk.
    pub fn acknowledge(&self, profile: Name, revision: Revision) {
        self.pending.lock().acknowledge.insert(profile, revision);
        self.wake.notify_one();
    }

    async fn write(self, file: Arc<MemoryFile>, results: mpsc::Sender<Result<Durable, MemoryError>>) {
        loop {
            self.wake.notified().await;
            let Pending { memory, acknowledge } = std::mem::take(&mut *self.pending.lock());
            let written = match memory {
                Some(memory) => {
                    let file = file.clone();
                    let write = tokio::task::spawn_blocking(move || file.write(&memory));
                    write.await.expect("writing a file does not panic")
                }
                None => Ok(()),
            };
            if results.send(written.map(|()| acknowledge)).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_acknowledgement_comes_after_what_was_persisted_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let (keeper, mut results) = Keeper::start(MemoryFile::new(folder.path()));
        let memory = Memory { revision: Revision(9), ..Memory::default() };
        let profile: Name = "web".parse().unwrap();
        keeper.persist(&memory);
        keeper.acknowledge(profile.clone(), Revision(8));
        let durable = results.recv().await.unwrap().unwrap();
        assert_eq!(durable, Durable::from([(profile, Revision(8))]));
        assert_eq!(MemoryFile::new(folder.path()).read().unwrap(), memory);
    }

    #[tokio::test]
    async fn a_disk_that_fails_is_told() {
        let (keeper, mut results) = Keeper::start(MemoryFile::new(std::path::Path::new("/nonexistent")));
        keeper.persist(&Memory::default());
        assert!(results.recv().await.unwrap().is_err());
    }
}
