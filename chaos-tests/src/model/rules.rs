//! The rules of the protocol that can be switched off, one at a time. The model must find what each of them is there for.

use crate::nemesis::words::suggestion;

macro_rules! rules {
    ($($variant:ident $name:literal $off:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($variant,)*
        }

        impl Rule {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What is done instead when it is switched off.
            pub fn without(self) -> &'static str {
                match self {
                    $(Self::$variant => $off,)*
                }
            }
        }
    };
}

rules! {
    Epoch "new-epoch" "a home is changed without a new epoch",
    ServerEpoch "server-checks-epoch" "a server takes frames of every epoch from every director",
    AgentOrder "agent-keeps-order" "an agent follows whatever it was told last, however old",
    DirectorEpoch "director-checks-epoch" "a home passes frames of every epoch",
    Successors "listed-successors" "an agent switches ahead of the commit to a director that is no listed successor",
    NoWayBack "no-way-back" "an agent that switched ahead goes back although the successor's frames have come",
    AheadRemembered "ahead-remembered" "an agent that took frames ahead of the commit knows nothing of it after a restart",
    CommitFirst "commit-before-carrying" "a successor carries as soon as an agent has switched to it, ahead of the commit",
    Lease "lease" "a director carries whether its lease lives or not",
    ReleaseWait "release-wait" "a profile starts on its new server although the old one may still be served",
    ReleaseEnds "release-ends" "a release waits for its agent and its directors for ever, whether their leases have ended or not",
    CatchUp "catch-up" "a lease may be used with tables that are older than it",
    Reinstatement "same-session" "each home logs in with a session identity of its own, so that the former session lives on",
    Fence "fence" "LUN RESET is not sent",
    ResetAnswer "reset-answer" "LUN RESET is sent, and its answer not waited for",
    Confirmation "confirmation" "commands are admitted without a quorum round",
    ConfirmationOrder "confirmation-after-login" "a quorum round that began before the login was answered confirms it",
    CommandInstance "command-instance" "a home passes commands whose session and epoch are not its own",
    Incarnation "one-initiator" "an initiator is admitted while commands of the one before it are under way",
    LeaseFromAsking "lease-from-asking" "a lease counts from when its grant arrives",
    DriftMargin "drift-margin" "the leader waits for as long as the lease, without a margin for clocks",
    ElectionWait "election-wait" "a new leader takes leases that others granted to have ended",
    QuorumRound "quorum-round" "a leader grants without asking a majority whether it still leads",
}

impl std::str::FromStr for Rule {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|it| it.name() == name).copied();
        known.ok_or_else(|| {
            format!("there is no rule '{name}'{}", suggestion(name, Self::ALL.iter().map(|it| it.name())))
        })
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
