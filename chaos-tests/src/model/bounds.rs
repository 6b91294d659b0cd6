//! How much of everything there may be. Within its bounds a model is checked exhaustively; they are part of what is claimed.

use super::state::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub vnic: bool,
    pub vhba: bool,
    /// A second one is where the profile moves to.
    pub servers: u8,
    pub home_changes: u8,
    pub moves: u8,
    /// Directors that die and come back.
    pub kills: u8,
    /// Leases that lapse, or grants that come too late. `u8::MAX`: any number.
    pub lapses: u8,
    /// Sessions that the array or the network ends.
    pub breaks: u8,
    pub agent_restarts: u8,
    /// An agent that restarts may find on its disk what was there before its last change.
    pub lost_saves: bool,
    pub ahead: bool,
    /// Frames under way at a time.
    pub ups: u8,
    pub downs: u8,
    pub writes: Value,
}

impl Bounds {
    pub const NONE: Self = Self {
        vnic: false,
        vhba: false,
        servers: 1,
        home_changes: 0,
        moves: 0,
        kills: 0,
        lapses: 0,
        breaks: 0,
        agent_restarts: 0,
        lost_saves: false,
        ahead: false,
        ups: 0,
        downs: 0,
        writes: 0,
    };
}
