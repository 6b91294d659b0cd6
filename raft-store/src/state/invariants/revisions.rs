//! Revisions and times are in order, and everything is under its own name.

use twinrail_proto::domain::{Director, FailoverReceipt, Lan, Pool, Profile, QosPolicy, San, Server, Template};

use crate::state::State;
use crate::state::kept::Kept;

pub(super) fn check(state: &State) -> Vec<String> {
    let record = &state.record;
    let mut problems = Vec::new();
    problems.extend(table::<Director>(state));
    problems.extend(table::<Server>(state));
    problems.extend(table::<Lan>(state));
    problems.extend(table::<San>(state));
    problems.extend(table::<Pool>(state));
    problems.extend(table::<QosPolicy>(state));
    problems.extend(table::<Template>(state));
    problems.extend(table::<Profile>(state));
    problems.extend(table::<FailoverReceipt>(state));
    if !record.audit.iter().is_sorted_by_key(|entry| (entry.revision, entry.at)) {
        problems.push("the audit trail is out of order".to_owned());
    }
    let newest_answer = record.answers.keys().next_back();
    if newest_answer.is_some_and(|&newest| newest > record.revision) {
        problems.push("an answer is newer than the state".to_owned());
    }
    problems
}

fn table<T: Kept>(state: &State) -> Vec<String> {
    let wrong = T::table(&state.record).iter().filter(|(name, it)| {
        let revisions = it.created <= it.modified && it.modified <= state.revision();
        let times = it.created_at <= it.modified_at && it.modified_at <= state.last_at();
        !revisions || !times || *name != it.value.name()
    });
    wrong.map(|(name, _)| format!("{} has revisions, times or a name out of order", T::key(name))).collect()
}
