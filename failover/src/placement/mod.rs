//! Placement: where adapters live, and who succeeds when a home dies.
//!
//! ```text
//!   View (directors, adapters, reach)
//!      │
//!      ▼                            choose: for each adapter that needs a home
//!   Board: who may carry what, ───▶ even:   undo what is needlessly uneven      ───▶ Plan
//!   how much everybody has          succession: who comes next, best first
//! ```
//!
//! | function | when | moves |
//! |---|---|---|
//! | [`place`] | a profile is bound | gives each adapter a home |
//! | [`keep_or_place`] | a released profile comes to its new server | keeps the home where it can carry there too |
//! | [`on_director_lost`], [`drain`] | a director is lost, or is to be emptied | all that it has |
//! | [`on_uplink_lost`] | a living director's port on a LAN does not work | what it has of that LAN |
//! | [`on_paths_lost`] | a server lost all paths to a living director | what that server has there |
//! | [`refresh`] | anything else changed | what has no home, or one that cannot serve; successors out of date |
//! | [`rebalance`] | the operator asks | as few as make it even, and those on spares |
//! | [`move_to`] | the operator moves one adapter | that one, or says why not |
//!
//! Guarantees, all of them tested as properties:
//! * **Fit**: nothing goes to a witness, a drained, lost or doubted director, one without a working uplink to the
//!   adapter's cloud, or one that the adapter's server is known not to reach.
//! * **Spares stand in**: a spare is chosen only for a cloud that some active director is there for, and only while none of
//!   those can carry (lost, cut off, drained, its uplink down).
//! * **Complete**: what can be carried is carried. What cannot keeps the home that it has ([`Plan::stranded`]): taking it
//!   away would help nobody, and its director may come back.
//! * **Spread before load**: the adapters of one server prefer different homes, so that one loss does not take
//!   all; then the director with the least load; then the first by name. Where all directors are alike, loads end within one of
//!   each other if everything was placed here.
//! * **Sticky**: what has a home that can serve is not moved, except by [`drain`], [`rebalance`] and [`move_to`].
//! * **Succession is kept**: when a home is lost, the first successor in the committed list that can carry gets the adapter
//!   (an agent may have switched to it already), and only what makes the loads uneven goes elsewhere.
//! * **Deterministic**: the order of the view does not matter. A second `refresh` or `rebalance` after the first was
//!   applied finds nothing to do.
//! * Adapters whose profile is being released are left alone: only the end of the release says where they go (rule 5).

mod board;
mod choose;
mod directors;
mod evacuate;
mod even;
mod fitness;
mod place;
mod plan;
mod rebalance;
mod refresh;
mod succession;
mod view;

pub use evacuate::{drain, on_director_lost, on_paths_lost, on_uplink_lost};
pub use fitness::Unfit;
pub use place::{MoveRefused, keep_or_place, move_to, place};
pub use plan::Plan;
pub use rebalance::rebalance;
pub use refresh::refresh;
pub use view::{AdapterView, DirectorView, Reach, View};
