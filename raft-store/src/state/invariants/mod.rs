//! What is true of every state, one file for each. A violation is a programming error: nothing a client sends can cause one.

mod adapters;
mod bindings;
mod homes;
mod identities;
mod index;
mod limits;
mod machines;
mod pools;
mod references;
mod revisions;
mod templates;

use super::State;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub struct Violation {
    /// The invariant's file.
    pub invariant: &'static str,
    pub detail: String,
}

type Check = fn(&State) -> Vec<String>;

const ALL: [(&str, Check); 11] = [
    ("adapters", adapters::check),
    ("bindings", bindings::check),
    ("homes", homes::check),
    ("identities", identities::check),
    ("index", index::check),
    ("limits", limits::check),
    ("machines", machines::check),
    ("pools", pools::check),
    ("references", references::check),
    ("revisions", revisions::check),
    ("templates", templates::check),
];

impl State {
    /// Checks all invariants; time in proportion to the state.
    pub fn validate(&self) -> Result<(), Vec<Violation>> {
        let violations: Vec<Violation> = ALL
            .into_iter()
            .flat_map(|(invariant, check)| check(self).into_iter().map(move |detail| Violation { invariant, detail }))
            .collect();
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }
}
