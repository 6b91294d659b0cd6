//! Runs a model through all its states.

use std::time::{Duration, Instant};

use stateright::{Checker, Model, Path, Property as Checked};

use super::action::Action;
use super::failover::Failover;
use super::heal::End;
use super::properties::Property;
use super::state::State;
use super::story::{Told, shorten};

impl Model for Failover {
    type State = State;
    type Action = Action;

    /// Where d1 has begun to serve s1.
    fn init_states(&self) -> Vec<State> {
        let beginning = self.beginning();
        vec![self.heal(&beginning, End::Everybody).expect("the beginning leads to a home that serves")]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(self.possible(state));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.after(state, action)
    }

    fn properties(&self) -> Vec<Checked<Self>> {
        macro_rules! hold {
            ($($property:ident),*) => {
                vec![$((
                    Property::$property,
                    Checked::always(Property::$property.name(), |_, it: &State| it.violated != Some(Property::$property)),
                )),*]
            };
        }
        let mut all = hold!(OneHome, Epochs, Following, LanOrder, ServerOrder, SanAlone, Admission, Blocks);
        all.push((Property::Serves, Checked::always(Property::Serves.name(), |it: &Self, state| it.heals(state))));
        all.into_iter().filter(|it| self.only.is_none_or(|only| only == it.0)).map(|it| it.1).collect()
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub states: usize,
    /// With those that were reached again.
    pub steps: usize,
    pub depth: usize,
    pub took: Duration,
    /// Of each property that does not hold, how that comes.
    pub broken: Vec<(&'static str, Vec<String>)>,
}

/// Goes through all states, or until every property was broken.
pub fn check<M>(model: &M, threads: usize) -> Outcome
where
    M: Told + Clone + Send + Sync + 'static,
    M::State: Clone + std::fmt::Debug + std::hash::Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static,
{
    let started = Instant::now();
    let checker = model.clone().checker().threads(threads).spawn_bfs().join();
    let took = started.elapsed();
    let found = checker.discoveries();
    let mut broken: Vec<_> = found.into_iter().map(|(name, path)| (name, story(model, path))).collect();
    broken.sort();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    Outcome { states, steps, depth, took, broken }
}

fn story<M: Told>(model: &M, path: Path<M::State, M::Action>) -> Vec<String>
where
    M::State: Clone,
{
    let way = path.into_vec();
    let Some(beginning) = way.first().map(|it| it.0.clone()) else { return Vec::new() };
    let lines = way.into_iter().filter_map(|(state, action)| Some(M::tell(&state, action?))).collect();
    shorten(model, || beginning.clone(), lines)
}
