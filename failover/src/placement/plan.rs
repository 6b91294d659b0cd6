use twinrail_proto::domain::{AdapterId, HomeMove};

/// What is to be committed. Every adapter is named at most once, in the order of the ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// New homes: the epoch of each of these adapters grows.
    pub moves: Vec<HomeMove>,
    /// New successors with the same home (`to` is the present one): no epoch grows and no traffic is touched. Not urgent:
    /// commit them after the moves, in a command of their own.
    pub successors: Vec<HomeMove>,
    /// Adapters whose home cannot serve and that nobody else can carry either. They keep the home that they have.
    pub stranded: Vec<AdapterId>,
}

impl Plan {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.successors.is_empty()
    }

    pub(super) fn sorted(mut self) -> Self {
        self.moves.sort_by_key(|it| it.adapter);
        self.successors.sort_by_key(|it| it.adapter);
        self.stranded.sort();
        self
    }
}
