//! Which paths are up, for everybody in this process who wants to know: the datapath's threads say when something
//! changed, and the newest whole picture is in a watch channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use twinrail_datapath::{Machine, PathState};
use twinrail_proto::domain::Rail;

/// All paths of this machine.
#[derive(Clone, Debug, Default)]
pub struct PathBoard {
    paths: BTreeMap<(Machine, Rail), PathState>,
}

pub type PathWatch = watch::Receiver<Arc<PathBoard>>;

impl PathBoard {
    pub fn new(states: Vec<PathState>) -> Self {
        Self { paths: states.into_iter().map(|state| ((state.peer.clone(), state.rail), state)).collect() }
    }

    pub fn up(&self, peer: &Machine, rail: Rail) -> bool {
        self.paths.get(&(peer.clone(), rail)).is_some_and(|state| state.up)
    }

    /// The rails on which the peer is reached, `preferred` first.
    pub fn rails_up(&self, peer: &Machine, preferred: Rail) -> Vec<Rail> {
        let other = match preferred {
            Rail::A => Rail::B,
            Rail::B => Rail::A,
        };
        [preferred, other].into_iter().filter(|&rail| self.up(peer, rail)).collect()
    }

    pub fn alive(&self, peer: &Machine) -> bool {
        Rail::ALL.into_iter().any(|rail| self.up(peer, rail))
    }

    pub fn iter(&self) -> impl Iterator<Item = &PathState> {
        self.paths.values()
    }
}

/// Returns when the path was up and went down. A path that is not up yet is waited for: a server's first call to a director
/// goes out before that director knows whose hellos to answer.
pub async fn path_ended(mut watch: PathWatch, peer: Machine, rail: Rail) {
    let _ = watch.wait_for(|board| board.up(&peer, rail)).await;
    path_lost(watch, peer, rail).await;
}

/// Returns when the path is down (at once if it is), or never when nobody watches paths any more.
pub async fn path_lost(mut watch: PathWatch, peer: Machine, rail: Rail) {
    if watch.wait_for(|board| !board.up(&peer, rail)).await.is_err() {
        std::future::pending::<()>().await;
    }
}
