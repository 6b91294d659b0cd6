use std::collections::BTreeMap;

use twinrail_proto::domain::{Name, Rail};

/// Which paths of this server are up. Directors never heard of have none.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Paths(BTreeMap<Name, [bool; 2]>);

impl Paths {
    pub fn set(&mut self, director: &Name, rail: Rail, up: bool) {
        let paths = self.0.entry(director.clone()).or_default();
        paths[rail.index()] = up;
        if *paths == [false; 2] {
            self.0.remove(director);
        }
    }

    pub fn reaches(&self, director: &Name) -> bool {
        self.0.contains_key(director)
    }
}
