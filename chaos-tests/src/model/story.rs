//! Ways through a model as lines that people read, and that can be gone again.

use stateright::{Expectation, Model};

use super::{action, failover, lease};

/// A model whose steps can be told. In one state no two have the same line.
pub trait Told: Model {
    fn tell(state: &Self::State, action: Self::Action) -> String;
}

impl Told for failover::Failover {
    fn tell(state: &Self::State, action: Self::Action) -> String {
        action::tell(state, action)
    }
}

impl Told for lease::LeaseModel {
    fn tell(state: &Self::State, action: Self::Action) -> String {
        lease::tell(state, action)
    }
}

/// What came of a story that was gone again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Lines that could not happen; the way went on without them.
    pub impossible: Vec<String>,
    /// The property that does not hold where it ended; the way ends where the first one does not.
    pub broken: Option<&'static str>,
}

/// Goes the way that the lines tell, from one of the model's beginnings.
pub fn replay<M: Told>(model: &M, beginning: M::State, lines: &[impl AsRef<str>]) -> Ending {
    let mut state = beginning;
    let mut impossible = Vec::new();
    for line in lines {
        let broken = broken(model, &state);
        if broken.is_some() {
            return Ending { impossible, broken };
        }
        match step(model, &state, line.as_ref()) {
            Some(next) => state = next,
            None => impossible.push(line.as_ref().to_owned()),
        }
    }
    Ending { impossible, broken: broken(model, &state) }
}

/// The story without the lines that it does not need, to the same end.
pub fn shorten<M: Told>(model: &M, beginning: impl Fn() -> M::State, mut lines: Vec<String>) -> Vec<String> {
    let end = replay(model, beginning(), &lines).broken;
    let mut place = lines.len();
    while place > 0 {
        place -= 1;
        let mut shorter = lines.clone();
        shorter.remove(place);
        let ending = replay(model, beginning(), &shorter);
        if ending.impossible.is_empty() && ending.broken == end {
            lines = shorter;
            place = lines.len();
        }
    }
    lines
}

fn step<M: Told>(model: &M, state: &M::State, line: &str) -> Option<M::State> {
    let (mut actions, mut again) = (Vec::new(), Vec::new());
    model.actions(state, &mut actions);
    model.actions(state, &mut again);
    let place = actions.into_iter().position(|it| M::tell(state, it) == line)?;
    model.next_state(state, again.swap_remove(place))
}

fn broken<M: Told>(model: &M, state: &M::State) -> Option<&'static str> {
    let always = model.properties().into_iter().filter(|it| it.expectation == Expectation::Always);
    always.into_iter().find(|it| !(it.condition)(model, state)).map(|it| it.name)
}
