//! Deliberate bugs: each takes away one thing that keeps the cluster right, in what stands around the deciding code here. A
//! harness that does not find them proves nothing. None of them is in the product.

macro_rules! bugs {
    ($($variant:ident $name:literal $what:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $($variant,)*
        }

        impl Bug {
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

bugs! {
    NoLease "no-lease" "a director carries whether its lease lives or not",
    LeaseFromGrant "lease-from-grant" "a lease counts from when the grant arrives, not from when it was asked for",
    GrantWithoutQuorum "grant-without-quorum" "a leader grants leases without asking a majority whether it still leads",
    ReleaseAtOnce "release-at-once" "a release is completed before the old server has let go",
    NoFence "no-fence" "a vHBA's new home does not reset its LUNs",
    NoConfirmation "no-confirmation" "a vHBA's home admits commands without a round through a quorum after its login",
    AgentIgnoresEpoch "agent-ignores-epoch" "a server takes frames of every epoch from every director",
    NoStallGuard "no-stall-guard" "a director that was stopped goes on with its lease, and with what its sockets had queued",
    NoIsolation "no-isolation" "a director lets a server send with any source address",
    ApplyReadsClock "apply-reads-clock" "applying a command reads the clock of the machine",
    LostFsync "lost-fsync" "disks say that they have flushed before they have",
    VoteNotPersisted "vote-not-persisted" "a director's vote is not on its disk when it is given",
    AckBeforeFlush "acknowledge-before-flush" "a follower acknowledges entries before they are on its disk",
    NewIdEachTry "new-id-each-try" "a call that is tried again comes with another request id, and acts again",
    SnapshotForgetsAnswers "snapshot-without-request-ids" "a snapshot leaves out which requests were answered",
    ReadWithoutQuorum "read-without-quorum" "a leader answers reads without asking a majority whether it still leads",
    AnnounceOnce "announce-once" "a home announces an adapter only the first time",
    AnnounceUnheard "announce-unheard" "a home goes on announcing an adapter while it does not hear the server",
    MacReusedAtOnce "mac-reused-at-once" "a released MAC may be drawn again at once",
    HomeWithoutEpoch "home-without-epoch" "a change of home does not change the epoch that directors and agents see",
    WatchSkips "watch-skips" "a watch that goes on after an interruption skips one revision",
}

impl Bug {
    /// The faults that show it; none named: of every kind. A server and its home must be cut off together for a release that
    /// did not wait for them to do harm.
    pub fn kinds(self) -> Vec<String> {
        match self {
            Self::ReleaseAtOnce => vec!["split".to_owned()],
            _ => Vec::new(),
        }
    }
}

impl std::str::FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|it| it.name() == name).copied();
        known.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|it| it.name()).collect();
            format!("there is no bug '{name}'; there are: {}", names.join(", "))
        })
    }
}

impl std::fmt::Display for Bug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
