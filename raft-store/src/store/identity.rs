//! Whose store this is. The record is written when the store is made and never again; it is also the sign that the
//! store was made: where it is missing beside other records, the store is damaged, not new.

use serde::{Deserialize, Serialize};
use twinrail_proto::domain::DirectorId;

use super::disk::{Change, Disk};
use super::{StoreError, keys, record};

/// What the caller says of itself, and what the store then says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub cluster: String,
    pub director: DirectorId,
    /// Random, drawn by the caller, kept from the first open on. The replicated state remembers which store claimed a
    /// director's id, so that an empty or a second store under the same id is noticed.
    pub store_id: String,
}

/// Answers the identity that is recorded: the store id of `wanted` counts only for a new store.
pub fn claim(disk: &dyn Disk, wanted: Identity) -> Result<Identity, StoreError> {
    let path = || disk.location().to_owned();
    let Some(framed) = disk.get(keys::IDENTITY)? else {
        return format(disk, wanted);
    };
    let found: Identity = record::unseal("the identity record", keys::IDENTITY, &framed, disk.location())?;
    if found.cluster != wanted.cluster {
        return Err(StoreError::OtherCluster { path: path(), found: found.cluster, wanted: wanted.cluster });
    }
    if found.director != wanted.director {
        return Err(StoreError::OtherDirector { path: path(), found: found.director, wanted: wanted.director });
    }
    Ok(found)
}

fn format(disk: &dyn Disk, identity: Identity) -> Result<Identity, StoreError> {
    let used = !disk.range(&[], keys::END, 1)?.is_empty() || !disk.file_names()?.is_empty();
    if used {
        let what = "it has contents, but the record that says whose it is is missing".to_owned();
        return Err(StoreError::Damaged { what, path: disk.location().to_owned() });
    }
    let value = record::seal("the identity record", keys::IDENTITY, &identity)?;
    disk.commit(vec![Change::Put { key: keys::IDENTITY.to_vec(), value }])?;
    Ok(identity)
}
