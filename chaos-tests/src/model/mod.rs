//! A model of the failover protocol, small enough for all its states to be gone through: who is the home of an adapter, under
//! which epoch and lease, whom its server follows, and what reaches the LAN, the server and the array when anything may be
//! late, lost, dead or back again.
//!
//! ```text
//!            record (one entry a change)          three directors                    servers
//!   commit ─▶ home, epoch, server, releasing ─▶ tables, lease, failover::takeover ◀─▶ failover::agent
//!                │                                   │            │                     │ frames, commands
//!                └ failover::release ◀── leases ─────┘            └──▶ the array ◀──────┘
//! ```
//!
//! What decides is the product's own: [`twinrail_failover::agent`] at each server, [`twinrail_failover::takeover`] at each home,
//! [`twinrail_failover::release`] at the leader, [`twinrail_failover::lease`] in a model of its own ([`lease`]). They are part of the states, so the model
//! cannot drift from them. What stands around them in `node` (which frame a table admits, when a grant counts, which command belongs to
//! which session) is written again here, in a few lines each, and that is what rules switch off ([`rules`]).
//!
//! What it leaves out, and why nothing is lost, or what is:
//! * **Consensus.** The record is one list; each director shows any prefix of it, and one that starts again begins with its first entry. That a
//!   majority agrees on such a list is Raft's part. Anybody may be made the home at any time, for no reason at all: more than any
//!   detector or plan would do.
//! * **Time.** Nothing has a duration. A lease lapses when it likes, and has certainly ended for the leader when it has lapsed and no
//!   grant is under way; that clocks which differ by the margin allow no more is what [`lease`] checks. Waits of agents and
//!   takeovers are over when they like.
//! * **Being cut off** is messages that do not arrive, and these may always wait. Messages are not doubled; frames are lost by not arriving.
//! * **One change of homes takes the vNIC and the vHBA along**, one LUN, one block, one write at a time. Reads ask for no more
//!   than the block: that it never falls behind what was acknowledged.
//! * **REPORT LUNS, TEST UNIT READY and attaching** take no time. Logins, LUN RESETs, writes and all answers do.
//! * **Frames that a server gave to its former home before it switched**, or before it let go and said so, may pass late: the
//!   product fences them by time alone. The events `frame-under-way` and `frame-under-way-move` count them.
//! * **Announcements** on the LAN, and what its switch makes of them, are the simulator's part ([`crate::sim`]).
//! * **Switching ahead of the commit** is in the design and not in the product yet. Here it is what the design says: the agent sends
//!   to a listed successor under the next epoch, which that one admits when the commit has made it the home.

pub mod action;
pub mod bounds;
pub mod check;
pub mod failover;
mod following;
pub mod heal;
mod initiator;
pub mod lease;
mod names;
pub mod properties;
pub mod rules;
pub mod scopes;
pub mod state;
mod storage;
pub mod story;
