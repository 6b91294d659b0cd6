//! Opening a store that was used before: everything is read and checked once, and what does not fit together is damage.
//!
//! A director whose store lost something must not vote again with what is left: its voice may have been the one that made
//! a command durable, or a leader elected. So these are checked, and none is repaired:
//!
//! * every record has its checksum, and decodes;
//! * the log has no hole: it begins right after what was purged, ids grow, and it reaches what was known as committed;
//! * a snapshot reaches at least as far as the log was purged;
//! * the vote is at least as new as the newest entry.
//!
//! That records at the end of the log are missing is not visible in the records: the disk knows (see `disk::mark`).

use std::sync::Arc;

use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use twinrail_proto::domain::Revision;

use super::disk::{Change, Disk, Record};
use super::log_view::LogView;
use super::{StoreError, keys, record};
use crate::raft::{Entry, LogId, Vote};

/// Entries are read in portions of so many, so that a long log does not need to be in memory at once.
const PORTION: usize = 1024;

/// `snapshot` is the last log id of the newest snapshot.
pub fn recover(disk: &dyn Disk, snapshot: Option<LogId>) -> Result<LogView, StoreError> {
    let vote: Option<Vote> = read(disk, "the vote", keys::VOTE)?;
    let committed: Option<LogId> = read(disk, "the committed log id", keys::COMMITTED)?;
    let purged: Option<LogId> = read(disk, "the purged log id", keys::PURGED)?;
    sweep_purged(disk, purged)?;
    let mut view = LogView::recovered(vote, committed, purged);
    load_log(disk, &mut view)?;
    check(&view, purged, snapshot).map_err(|what| damaged(disk, what))?;
    Ok(view)
}

fn read<T: serde::de::DeserializeOwned>(disk: &dyn Disk, what: &str, key: &[u8]) -> Result<Option<T>, StoreError> {
    let framed = disk.get(key)?;
    framed.map(|framed| record::unseal(what, key, &framed, disk.location())).transpose()
}

/// Removes entries that a purge was about to remove when the power went.
fn sweep_purged(disk: &dyn Disk, purged: Option<LogId>) -> Result<(), StoreError> {
    let Some(purged) = purged else { return Ok(()) };
    loop {
        let left = disk.range(&keys::log(0), &keys::log(purged.index() + 1), PORTION)?;
        if left.is_empty() {
            return Ok(());
        }
        disk.commit(left.into_iter().map(|(key, _)| Change::Delete { key }).collect())?;
    }
}

fn load_log(disk: &dyn Disk, view: &mut LogView) -> Result<(), StoreError> {
    loop {
        let portion = disk.range(&keys::log(view.next()), keys::LOG_END, PORTION)?;
        if portion.is_empty() {
            return Ok(());
        }
        for framed in portion {
            load_entry(disk, view, framed)?;
        }
    }
}

fn load_entry(disk: &dyn Disk, view: &mut LogView, (key, framed): Record) -> Result<(), StoreError> {
    let entry: Entry = record::unseal("a log entry", &key, &framed, disk.location())?;
    let (log_id, expected) = (entry.log_id(), view.next());
    if let EntryPayload::Normal(proposal) = &entry.payload {
        let unreadable = |source| StoreError::Unreadable { revision: Revision(log_id.index()), source };
        proposal.command().map_err(unreadable)?;
    }
    if log_id.index() != expected || keys::log_index(&key) != Some(expected) {
        return Err(damaged(disk, format!("log entry {expected} is missing, the next one is {log_id}")));
    }
    if Some(log_id) <= view.last() {
        return Err(damaged(disk, format!("log entry {log_id} is older than the one before it")));
    }
    let entry = Arc::new(entry);
    view.append(std::slice::from_ref(&entry))?;
    view.set_durable(&[(entry, framed.len())]);
    Ok(())
}

fn check(view: &LogView, purged: Option<LogId>, snapshot: Option<LogId>) -> Result<(), String> {
    let last = view.last();
    if purged > snapshot {
        return Err(match snapshot {
            None => "its log is compacted, and the snapshot is missing".to_owned(),
            Some(snapshot) => format!("its log is compacted beyond its snapshot, which ends with {snapshot}"),
        });
    }
    if view.committed > last.max(snapshot) {
        return Err("entries that were committed are missing at the end of its log".to_owned());
    }
    let leader = last.map(|last| *last.committed_leader_id()).filter(|leader| leader.term > 0);
    let voted = view.vote.map(|vote| *vote.leader_id());
    if leader > voted {
        return Err("its vote is missing, or older than its log".to_owned());
    }
    Ok(())
}

fn damaged(disk: &dyn Disk, what: String) -> StoreError {
    StoreError::Damaged { what, path: disk.location().to_owned() }
}
