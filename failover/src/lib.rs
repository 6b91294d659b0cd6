//! Decisions: who carries what, who is lost, who may act. No clock, no sockets, no tasks, no randomness: time is an
//! argument, and every decision returns what is to be done as a value. The same code runs in the director, in the
//! server agent and on the simulator's virtual clock.
//!
//! ```text
//!            paths, reports             state, standing, reach              acknowledgements, leases
//!                  │                             │                                    │
//!             ┌────▼─────┐  Lost, PathsLost ┌────▼──────┐                        ┌────▼────┐
//!   director  │ detector ├─────────────────▶│ placement │ ─▶ Plan ─▶ ChangeHomes │ release │ ─▶ CompleteRelease
//!             └────┬─────┘                  └───────────┘                        └────▲────┘
//!                  │ standing    ┌──────────┐             ┌───────┐ certainly_ended   │
//!                  └────────────▶│ election │             │ lease ├───────────────────┘
//!                                └──────────┘             └───┬───┘
//!                                                             └─▶ may_carry, on every director
//!             assignments, lease, sessions ─▶ takeover ─▶ LogIn, ResetLun, Replay, Admit, Stop, Released
//!   server    assignments, paths ─▶ agent ─▶ Create, Switch, Remove, AcknowledgeRelease
//! ```
//!
//! | module | decides | rule of the design |
//! |---|---|---|
//! | [`detector`] | which director is lost, which server has lost its paths | 5 (liveness) |
//! | [`placement`] | where adapters live, and who succeeds | 2, 4 |
//! | [`lease`] | how long a director may carry, and when it has certainly stopped | 3 |
//! | [`release`] | when a profile that leaves a server may start on another | 5 |
//! | [`agent`] | which home a server's adapters follow | 2, 4, 5 |
//! | [`takeover`] | what a vHBA's new home does before its first command | 6 |
//! | [`uplinks`] | which LAN ports of a director can be relied upon | 2 |
//! | [`election`] | which survivor stands for election, and when | 4 (speed) |

pub mod agent;
pub mod detector;
pub mod election;
pub mod lease;
pub mod placement;
pub mod release;
mod standing;
pub mod takeover;
mod time;
pub mod uplinks;

pub use standing::Standing;
pub use time::Moment;
