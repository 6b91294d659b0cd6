//! What is derived is what would be derived anew.

use crate::state::State;
use crate::state::index::Index;

pub(super) fn check(state: &State) -> Vec<String> {
    let fresh = Index::build(&state.record);
    let Index { adapters, occupants, macs, wwns, answers } = &state.index;
    let parts = [
        ("adapters", *adapters == fresh.adapters),
        ("occupants", *occupants == fresh.occupants),
        ("MACs", *macs == fresh.macs),
        ("WWNs", *wwns == fresh.wwns),
        ("answers", *answers == fresh.answers),
    ];
    let wrong = parts.into_iter().filter(|(_, equal)| !equal);
    wrong.map(|(part, _)| format!("the index of {part} differs from the record")).collect()
}
