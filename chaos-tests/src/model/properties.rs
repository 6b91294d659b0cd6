//! What must hold always, and what must happen sometimes so that this means something.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! named {
    ($(#[$doc:meta])* $kind:ident: $($variant:ident $name:literal $what:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind {
            $($variant,)*
        }

        impl $kind {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)*
                }
            }
        }
    };
}

named! {
    /// Always.
    Property:
    OneHome "one-home" "each epoch has one home and one server, in the record and in the directors' tables",
    Epochs "epochs-grow" "the epochs of the record, and those that a server follows, never go back",
    Following "following" "a server sends to nobody but homes of the record and their listed successors",
    LanOrder "lan-order" "no home passes a frame of an epoch that it, the frame's server, or the move to another server has left behind",
    ServerOrder "server-order" "nothing of an older epoch reaches a server that follows a newer one, or is sent to one that has let go",
    SanAlone "san-alone" "the array never holds writes of two homes at once, and takes none of an older after one of a newer",
    Admission "admission" "a home admits commands only if none was committed after it when its login was answered",
    Blocks "acknowledged-writes" "what was acknowledged is on the block, or something newer",
    Serves "serves-again" "whatever has happened, when faults end a home serves again: whether the dead come back, and a leaving server speaks, or not",
    LeaseOver "lease-over" "a director does not carry when its lease has certainly ended for the leader",
}

named! {
    /// Sometimes.
    Event:
    HomeChanged "home-changed" "a home is changed",
    HomeAlive "two-leases" "a former home that does not know it has its lease, while the new one has its own",
    Passed "frame-passed" "a frame passes to the LAN",
    PassedNext "frame-passed-next" "a frame passes to the LAN at another home than the first",
    UnderWay "frame-under-way" "a frame passes at its former home after its server went on: tolerated for as long as a frame takes",
    UnderWayMove "frame-under-way-move" "the same after the profile went to another server, because the one before has acknowledged: tolerated likewise",
    Refused "frame-refused" "a home refuses a frame because of its epoch",
    NoLease "no-lease" "a home refuses a frame because its lease has lapsed",
    Delivered "frame-delivered" "a server takes a frame",
    ServerRefused "server-refused" "a server refuses a frame because of its epoch, or its home",
    OldAssignment "old-assignment" "an agent refuses an assignment that is older than what it knows",
    Ahead "ahead" "an agent switches ahead of the commit",
    AheadConfirmed "ahead-confirmed" "the commit confirms an agent that switched ahead",
    AheadOverruled "ahead-overruled" "the commit overrules an agent that switched ahead",
    MovedByAgent "moved-by-agent" "a release ends because the agent has acknowledged it",
    MovedByLease "moved-by-lease" "a release ends although its agent and a director are silent, because that one's lease has ended",
    GrantWaits "grant-waits" "a grant is newer than the tables of its director",
    LoginOverLogin "login-over-login" "a login ends the session of another director",
    OldLogin "old-login" "the login of a former home ends the session of the present one",
    ResetKills "reset-kills" "LUN RESET ends a write of another session",
    Admitted "admitted" "a new home admits commands",
    Replayed "replayed" "an initiator sends a write again that had no answer",
    OldCommand "old-command" "a home refuses a command of another session",
    LateWrite "late-write" "the array executes a write whose session has ended",
    AgentRestarted "agent-restarted" "an agent starts again",
    DirectorRestarted "director-restarted" "a director starts again, with tables as they were at the beginning",
    LateGrant "late-grant" "a grant comes when the lease that it gives is over",
    OldLeader "old-leader" "a leader that is none any more is asked for a lease",
    LeaseEnded "lease-ended" "a leader finds that a lease has certainly ended",
}

/// How often each event was seen in a run.
#[derive(Clone, Debug)]
pub struct Seen(Arc<Vec<AtomicU64>>);

impl Default for Seen {
    fn default() -> Self {
        Self(Arc::new(Event::ALL.iter().map(|_| AtomicU64::new(0)).collect()))
    }
}

impl Seen {
    pub fn note(&self, event: Event) {
        self.0[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self, event: Event) -> u64 {
        self.0[event as usize].load(Ordering::Relaxed)
    }
}
