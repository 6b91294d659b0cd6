//! What the store counts, beside what it does: for `/metrics`, and for the benchmarks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Written by the flusher and the readers without a lock.
#[derive(Debug, Default)]
pub struct Counters {
    batches: AtomicU64,
    entries: AtomicU64,
    bytes: AtomicU64,
    sync_nanos: AtomicU64,
    sync_nanos_max: AtomicU64,
    failed_batches: AtomicU64,
    queue_waits: AtomicU64,
    disk_reads: AtomicU64,
    snapshots_built: AtomicU64,
    snapshots_installed: AtomicU64,
    snapshot_bytes: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountersView {
    /// Batches made durable; the entries and bytes in them.
    pub batches: u64,
    pub entries: u64,
    pub bytes: u64,
    /// How long the disk took for them, together and for the slowest one.
    pub sync_time: Duration,
    pub sync_time_max: Duration,
    pub failed_batches: u64,
    /// How often a write had to wait because the queue was full.
    pub queue_waits: u64,
    /// Log reads that the memory cache could not answer alone.
    pub disk_reads: u64,
    pub snapshots_built: u64,
    pub snapshots_installed: u64,
    /// Size of the newest snapshot.
    pub snapshot_bytes: u64,
}

impl CountersView {
    pub fn sync_time_average(&self) -> Duration {
        self.sync_time.checked_div(self.batches as u32).unwrap_or_default()
    }
}

impl Counters {
    pub fn view(&self) -> CountersView {
        CountersView {
            batches: self.batches.load(Relaxed),
            entries: self.entries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            sync_time: Duration::from_nanos(self.sync_nanos.load(Relaxed)),
            sync_time_max: Duration::from_nanos(self.sync_nanos_max.load(Relaxed)),
            failed_batches: self.failed_batches.load(Relaxed),
            queue_waits: self.queue_waits.load(Relaxed),
            disk_reads: self.disk_reads.load(Relaxed),
            snapshots_built: self.snapshots_built.load(Relaxed),
            snapshots_installed: self.snapshots_installed.load(Relaxed),
            snapshot_bytes: self.snapshot_bytes.load(Relaxed),
        }
    }

    pub(super) fn batch(&self, entries: usize, bytes: usize, took: Duration) {
        let nanos = took.as_nanos() as u64;
        self.batches.fetch_add(1, Relaxed);
        self.entries.fetch_add(entries as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.sync_nanos.fetch_add(nanos, Relaxed);
        self.sync_nanos_max.fetch_max(nanos, Relaxed);
    }

    pub(super) fn failed_batch(&self) {
        self.failed_batches.fetch_add(1, Relaxed);
    }

    pub(super) fn queue_wait(&self) {
        self.queue_waits.fetch_add(1, Relaxed);
    }

    pub(super) fn disk_read(&self) {
        self.disk_reads.fetch_add(1, Relaxed);
    }

    pub(super) fn snapshot_built(&self, bytes: usize) {
        self.snapshots_built.fetch_add(1, Relaxed);
        self.snapshot_bytes.store(bytes as u64, Relaxed);
    }

    pub(super) fn snapshot_installed(&self, bytes: usize) {
        self.snapshots_installed.fetch_add(1, Relaxed);
        self.snapshot_bytes.store(bytes as u64, Relaxed);
    }
}
