//! The flight recorder: which frames of which epoch went where, and when first and last. It is a file in shared memory, so
//! it survives the death of the process by any signal.
//!
//! ```text
//!   word 0 magic   1 capacity   2 records in use   3.. 7 reserved
//!   record: word 0 adapter | what << 32   1 epoch   2 first ns   3 last ns   4 frames   5.. 7 reserved
//! ```
//!
//! Times are of the monotonic clock, which all processes of a machine share, read right before the system call that sends:
//! a process that is stopped within that call has sent before it was stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use twinrail_datapath_sys::MappedFile;
use twinrail_proto::domain::{AdapterId, Epoch};

use crate::error::StartError;
use crate::rail::Nanos;

/// Most (adapter, epoch, direction) triples of one file: 4 MiB. Later ones are not recorded, and reported once each when
/// the table is published.
pub const RECORDS: usize = 65_536;

const MAGIC: u64 = 0x7477_7261_696c_0001;
const HEADER_WORDS: usize = 8;
const RECORD_WORDS: usize = 8;
const USED: usize = 2;

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recorded {
    /// A director sent frames of the adapter's server to the LAN.
    ToLan = 1,
    /// A director announced the adapter on the LAN.
    Announced = 2,
    /// A server delivered frames to the adapter's device.
    ToDevice = 3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightRecord {
    pub adapter: AdapterId,
    pub epoch: Epoch,
    pub what: Recorded,
    pub first_ns: Nanos,
    pub last_ns: Nanos,
    pub frames: u64,
}

/// Names a record of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordSlot(u32);

pub(crate) struct Recorder {
    file: MappedFile,
}

/// Which records there are. Only the control plane, which makes new ones, has it.
#[derive(Default)]
pub(crate) struct RecorderIndex {
    slots: BTreeMap<(AdapterId, Epoch, Recorded), RecordSlot>,
}

/// Reads a file, also while it is written, and after its writer died. Records that never saw a frame are left out.
pub fn read_flight_records(path: &Path) -> Result<Vec<FlightRecord>, StartError> {
    let recorder = Recorder::open(path)?;
    Ok(recorder.used().filter_map(|slot| recorder.read(slot)).filter(|it| it.frames > 0).collect())
}

impl Recorder {
    /// Opens the file, or makes it. Records of earlier runs stay.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::Recorder { path: path.into(), source };
        let file = MappedFile::open(path, HEADER_WORDS + RECORDS * RECORD_WORDS).map_err(failed)?;
        let words = file.words();
        if words[0].load(Ordering::Relaxed) == 0 {
            words[1].store(RECORDS as u64, Ordering::Relaxed);
            words[0].store(MAGIC, Ordering::Release);
        }
        if words[0].load(Ordering::Acquire) != MAGIC || words[1].load(Ordering::Relaxed) != RECORDS as u64 {
            return Err(StartError::ForeignRecorder { path: path.into() });
        }
        Ok(Self { file })
    }

    pub fn index(&self) -> RecorderIndex {
        let known = self.used().filter_map(|slot| self.read(slot).map(|it| ((it.adapter, it.epoch, it.what), slot)));
        RecorderIndex { slots: known.collect() }
    }

    /// The record for these, made if it is not there; None: the file is full.
    pub fn slot(&self, index: &mut RecorderIndex, key: (AdapterId, Epoch, Recorded)) -> Option<RecordSlot> {
        if let Some(&slot) = index.slots.get(&key) {
            return Some(slot);
        }
        let used = self.file.words()[USED].load(Ordering::Relaxed);
        if used >= RECORDS as u64 {
            return None;
        }
        let slot = RecordSlot(used as u32);
        let (adapter, epoch, what) = key;
        let words = self.words(slot);
        words[1].store(epoch.0, Ordering::Relaxed);
        words[0].store(u64::from(adapter.0) | (what as u64) << 32, Ordering::Relaxed);
        self.file.words()[USED].store(used + 1, Ordering::Release);
        index.slots.insert(key, slot);
        Some(slot)
    }

    /// Frames are about to go out.
    pub fn note(&self, slot: RecordSlot, now: Nanos) {
        let words = self.words(slot);
        if words[2].load(Ordering::Relaxed) == 0 {
            words[2].store(now, Ordering::Relaxed);
        }
        words[3].store(now, Ordering::Relaxed);
        words[4].fetch_add(1, Ordering::Relaxed);
    }

    fn used(&self) -> impl Iterator<Item = RecordSlot> + use<> {
        let used = self.file.words()[USED].load(Ordering::Acquire).min(RECORDS as u64);
        (0..used as u32).map(RecordSlot)
    }

    fn read(&self, slot: RecordSlot) -> Option<FlightRecord> {
        let words = self.words(slot);
        let word = |at: usize| words[at].load(Ordering::Relaxed);
        let what = match word(0) >> 32 {
            1 => Recorded::ToLan,
            2 => Recorded::Announced,
            3 => Recorded::ToDevice,
            _ => return None,
        };
        let (adapter, epoch) = (AdapterId(word(0) as u32), Epoch(word(1)));
        Some(FlightRecord { adapter, epoch, what, first_ns: word(2), last_ns: word(3), frames: word(4) })
    }

    fn words(&self, slot: RecordSlot) -> &[AtomicU64] {
        let at = HEADER_WORDS + slot.0 as usize * RECORD_WORDS;
        &self.file.words()[at..at + RECORD_WORDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_outlive_the_one_who_wrote_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flight");
        let key = (AdapterId(7), Epoch(3), Recorded::ToLan);
        {
            let recorder = Recorder::open(&path).unwrap();
            let mut index = recorder.index();
            let slot = recorder.slot(&mut index, key).unwrap();
            recorder.slot(&mut index, (AdapterId(8), Epoch(1), Recorded::Announced)).unwrap();
            recorder.note(slot, 100);
            recorder.note(slot, 200);
        }
        let recorder = Recorder::open(&path).unwrap();
        let mut index = recorder.index();
        let again = recorder.slot(&mut index, key).unwrap();
        recorder.note(again, 300);
        let expected = FlightRecord {
            adapter: AdapterId(7),
            epoch: Epoch(3),
            what: Recorded::ToLan,
            first_ns: 100,
            last_ns: 300,
            frames: 3,
        };
        assert_eq!(read_flight_records(&path).unwrap(), vec![expected]);
    }

    #[test]
    fn a_full_file_takes_no_more_and_a_foreign_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(&folder.path().join("flight")).unwrap();
        let mut index = recorder.index();
        for id in 0..RECORDS as u32 {
            assert!(recorder.slot(&mut index, (AdapterId(id), Epoch(1), Recorded::ToLan)).is_some());
        }
        assert!(recorder.slot(&mut index, (AdapterId(0), Epoch(2), Recorded::ToLan)).is_none());
        let foreign = folder.path().join("foreign");
        std::fs::write(&foreign, b"something else").unwrap();
        assert!(matches!(read_flight_records(&foreign), Err(StartError::ForeignRecorder { .. })));
    }
}
