//! Problems of the datapath as they come and go. Each table that is published brings all problems of that moment: one that
//! lasts is worth one line when it appears and one when it is gone, not a line for each table.

use std::collections::BTreeSet;

use twinrail_datapath::Problem;

use crate::telemetry::error_text;

/// The problems of the last table, in words. There are no more of them than things in the table.
#[derive(Debug, Default)]
pub struct Problems {
    known: BTreeSet<String>,
}

impl Problems {
    /// Logs what is new and what is gone; `what` says of which whole they are a part.
    pub fn tell(&mut self, present: &[Problem], what: &str) {
        let (appeared, gone) = self.update(present.iter().map(|it| error_text(it)).collect());
        for problem in appeared {
            tracing::warn!(problem, "a part of {what} is not in force");
        }
        for problem in gone {
            tracing::info!(problem, "a problem with {what} is gone");
        }
    }

    /// What appeared, and what is gone. A problem that changes is another one.
    fn update(&mut self, present: BTreeSet<String>) -> (Vec<String>, Vec<String>) {
        let appeared = present.difference(&self.known).cloned().collect();
        let gone = self.known.difference(&present).cloned().collect();
        self.known = present;
        (appeared, gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_when_it_appears_changes_and_is_gone() {
        let mut problems = Problems::default();
        let mut update = |present: &[&str]| {
            let (appeared, gone) = problems.update(present.iter().map(ToString::to_string).collect());
            (appeared.join(" "), gone.join(" "))
        };
        let told = |appeared: &str, gone: &str| (appeared.to_owned(), gone.to_owned());
        assert_eq!(update(&["port-down"]), told("port-down", ""));
        assert_eq!(update(&["port-down"]), told("", ""), "it lasts");
        assert_eq!(update(&["no-vlan", "port-down"]), told("no-vlan", ""));
        assert_eq!(update(&["no-vlan", "port-gone"]), told("port-gone", "port-down"));
        assert_eq!(update(&[]), told("", "no-vlan port-gone"));
        assert_eq!(update(&["port-down"]), told("port-down", ""), "it is back");
    }
}
