//! Who the directors are, for everybody in this process: from the configuration until the replicated state says it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use twinrail_proto::domain::{Director, DirectorRole, Name, RailAddresses};

use crate::config::InitialDirector;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: u64,
    pub role: DirectorRole,
    pub rails: RailAddresses,
}

/// The known directors by name; cheap to clone, one for the process.
#[derive(Clone, Debug, Default)]
pub struct Members {
    inner: Arc<RwLock<Arc<BTreeMap<Name, Member>>>>,
}

impl Members {
    pub fn from_config(directors: &[InitialDirector]) -> Self {
        let members = directors
            .iter()
            .map(|it| (it.name.clone(), Member { id: it.id, role: it.role, rails: it.rails() }))
            .collect();
        Self { inner: Arc::new(RwLock::new(Arc::new(members))) }
    }

    /// The replicated state knows better, as soon as it knows anybody.
    pub fn update<'a>(&self, directors: impl Iterator<Item = &'a Director>) {
        let members: BTreeMap<Name, Member> =
            directors.map(|it| (it.name.clone(), Member { id: it.id.0, role: it.role, rails: it.rails })).collect();
        if !members.is_empty() {
            *self.inner.write() = Arc::new(members);
        }
    }

    pub fn all(&self) -> Arc<BTreeMap<Name, Member>> {
        self.inner.read().clone()
    }

    pub fn name_of(&self, id: u64) -> Option<Name> {
        self.all().iter().find(|(_, member)| member.id == id).map(|(name, _)| name.clone())
    }

    pub fn id_of(&self, name: &Name) -> Option<u64> {
        self.all().get(name).map(|member| member.id)
    }
}
