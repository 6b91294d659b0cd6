//! Wraps another SAN and makes of it the array that a takeover must be able to deal with; seeded, and the faults may change
//! while it runs.
//!
//! ```text
//!   login 1 ─▶ branch 1: inner session 1 ── held: WRITE … WRITE        still executed when login 1 is long over,
//!   login 2 ─▶ branch 2: inner session 2                                unless a LUN RESET comes first
//! ```
//!
//! A slow array has taken a write, holds it up, and executes it late, whoever has logged in since. So each login is one of its
//! own inside (another session id), and the inner session lives on until what is held is executed. As on an array without
//! a fence, logging in again ends the former session and none of its held commands; ABORT TASK (SET) reaches those of its
//! own session; CLEAR TASK SET and LOGICAL UNIT RESET reach all of them. Persistent registrations that the inner SAN ties
//! to a session are lost with it.
//!
//! What is due is executed by the poll of any session, or by [`ChaosSan::drive`].

mod branch;
mod session;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::session::ChaosSession;
use self::state::State;
use super::{Character, Identity, San, Session, SessionEnd, SessionId};
use crate::rail::Nanos;

/// What goes wrong. Chances are from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SanFaults {
    /// A write is held up before it is executed.
    pub slow_write: f64,
    /// For so long.
    pub slow_write_for: Nanos,
    /// A login is answered so much later.
    pub login_after: Nanos,
    /// A login is answered only when nothing of the former session is held any more, as some arrays have it.
    pub login_waits_for_writes: bool,
    /// The session ends with this command. The command was taken.
    pub end_session: f64,
    /// A command is executed, and its answer never comes.
    pub lose_answer: f64,
}

/// The SAN that misbehaves. A clone is the same one.
#[derive(Clone)]
pub struct ChaosSan {
    inner: Arc<dyn San>,
    state: Arc<Mutex<State>>,
}

impl ChaosSan {
    pub fn new(inner: Arc<dyn San>, seed: u64, faults: SanFaults) -> Self {
        Self { inner, state: Arc::new(Mutex::new(State::new(seed, faults))) }
    }

    /// From now on these.
    pub fn set(&self, faults: SanFaults) {
        lock(&self.state).faults = faults;
    }

    /// Executes what is due of sessions that are over, and says when to come again.
    pub fn drive(&self, now: Nanos) -> Option<Nanos> {
        let mut state = lock(&self.state);
        state.drive_ghosts(now);
        state.next_deadline(None)
    }

    /// Writes that are held up now.
    pub fn held(&self) -> usize {
        lock(&self.state).held()
    }
}

impl San for ChaosSan {
    /// A login is no fence here, whatever the inner SAN promises.
    fn character(&self) -> Character {
        let inner = self.inner.character();
        let description = format!("{}; spoilt for tests", inner.description);
        Character { login_fences: false, description, ..inner }
    }

    fn log_in(&self, identity: Identity, now: Nanos) -> Result<Box<dyn Session>, SessionEnd> {
        let mut state = lock(&self.state);
        let number = state.next_number();
        let [_, _, session @ ..] = number.to_be_bytes();
        let inner = self.inner.log_in(Identity { session: SessionId(session), ..identity }, now)?;
        let (epoll, event) = session::waiting(&*inner).map_err(|error| SessionEnd::Unavailable(error.to_string()))?;
        state.admit(number, identity, inner, Arc::clone(&event), now);
        Ok(Box::new(ChaosSession::new(Arc::clone(&self.state), number, epoll, event)))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
