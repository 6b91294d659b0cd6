use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use twinrail_proto::domain::{Epoch, Wwn};

/// The number of a logical unit: the eight octets that REPORT LUNS lists (SAM-5, clause 4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lun(pub [u8; 8]);

/// Who logs in, in every epoch alike, so that the target ends the session of the home before (RFC 7143, clause 6.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub wwpn: Wwn,
    /// An iSCSI ISID (RFC 7143, clause 11.12.5) where the SAN is iSCSI.
    pub session: [u8; 6],
}

/// What makes every earlier command dead at the target, as the SAN's administrator declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FencedBy {
    /// LUN RESET, once it is answered: what holds for an array of which nothing is known.
    LunReset,
    /// The login itself: it is answered only when every command of the former session has ended (session reinstatement as
    /// RFC 7143, clause 6.3.5, asks for). LUNs that appear later in the session are reset all the same.
    Login,
}

/// What the vHBA had registered at a logical unit (persistent reservations, SPC-4, clause 5.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Registration {
    pub key: u64,
    /// The type of the reservation, if the vHBA held one beside its registration.
    pub held: Option<u8>,
}

/// This director is the vHBA's home.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assignment {
    pub epoch: Epoch,
    pub identity: Identity,
    pub fenced_by: FencedBy,
    pub registrations: BTreeMap<Lun, Registration>,
}

/// Counts the logins of one [`super::Takeover`]; tells what was heard in one session from what comes late of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginNumber(pub u64);

/// What happens to a vHBA at its home.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The applied state names this director as home. The same again changes nothing.
    Assigned(Assignment),
    /// This director may carry: its lease runs, and what was committed when it began to run is applied.
    LeaseLive,
    LeaseLapsed,
    /// Answers [`super::Effect::Confirm`] with its number: a quorum round that began *after* that effect granted a lease, and
    /// everything that it found committed is applied here. So [`Event::NewerEpoch`] came before, if there is one.
    Confirmed {
        number: u64,
    },
    /// Somebody (the applied state, an agent, a director) names this epoch, and does not say that the home is here.
    NewerEpoch(Epoch),
    /// A planned move: the home of this epoch is to finish what is in flight, and let go.
    LetGo(Epoch),
    /// The initiator itself has changed what it has registered.
    RegistrationChanged {
        lun: Lun,
        registration: Option<Registration>,
    },
    /// Something was heard in the session (or in the attempt) that [`super::Effect::LogIn`] with this number began.
    Session {
        login: LoginNumber,
        heard: Heard,
    },
    /// Time has passed.
    Tick,
}

/// What comes out of one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    LoggedIn,
    LoginRefused {
        cause: LoginRefusal,
        retry_after: Option<Duration>,
    },
    /// The login was not answered within the time of the session's driver, which has given it up.
    LoginTimedOut,
    /// The logout was answered.
    LoggedOut,
    /// The session ended without being asked to, for whatever reason.
    Lost,
    /// The answer to REPORT LUNS: all that are shown now.
    LunsReported(BTreeSet<Lun>),
    /// A unit attention said that other LUNs may be shown now.
    LunsChanged,
    /// TEST UNIT READY, or a registration, ended with a unit attention.
    UnitAttention(Lun),
    /// TEST UNIT READY ended with GOOD, or with anything that is no unit attention: none is pending any more. Whether the unit
    /// is ready is between it and the initiator.
    Ready(Lun),
    Reset {
        lun: Lun,
        answer: ResetAnswer,
    },
    /// LUN RESET was not answered within the time of the session's driver, which goes on waiting for it.
    ResetUnanswered(Lun),
    Registered(Lun),
    /// The target did not take the registration, or the reservation with it.
    RegistrationRefused(Lun),
    /// Everything that the last [`super::Effect::Replay`] named was answered or given back.
    Replayed,
    /// Nothing that was sent in this session is unanswered; said after a hold.
    Drained,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoginRefusal {
    /// The target does not admit this initiator until somebody changes something.
    Denied,
    /// The target does not take logins now.
    Unavailable,
}

/// How LUN RESET was answered (SAM-5, clause 7.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetAnswer {
    /// Every command that came before it is dead or finished.
    Complete,
    /// Not done, for whatever reason: no command is known to be dead.
    Rejected,
    NoSuchLun,
}
