use twinrail_proto::rail::ParseError;

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident => $text:literal),* $(,)?) => {
        /// Why a frame or a message was dropped. Every drop has one, and is counted under it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $($(#[$doc])* $name,)*
        }

        impl Cause {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As metrics and logs call it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

causes! {
    /// A message, record or frame ends before it should.
    CutShort => "cut_short",
    /// A length that cannot be true.
    LyingLength => "lying_length",
    /// No rail message of a version and kind that we know.
    NotOurs => "not_ours",
    /// An offload header that cannot be true of its frame.
    BadOffload => "bad_offload",
    /// A fragment that makes no message.
    BadFragment => "bad_fragment",
    /// A fragmented message of which pieces never came.
    Incomplete => "incomplete",
    /// A request for a connection that cannot be true.
    BadConnection => "bad_connection",
    /// A message of another cluster on the same rails.
    OtherCluster => "other_cluster",
    /// Nobody whom we know has this address on this rail.
    UnknownPeer => "unknown_peer",
    /// Frames from a director at a director, or from a server at a server.
    WrongRole => "wrong_role",
    /// Nothing is known of this adapter here.
    UnknownAdapter => "unknown_adapter",
    /// The adapter is bound to another server than the sender.
    WrongServer => "wrong_server",
    /// The sender is not the adapter's home.
    WrongHome => "wrong_home",
    /// An epoch older than the adapter's.
    StaleEpoch => "stale_epoch",
    /// An epoch newer than the adapter's here.
    FutureEpoch => "future_epoch",
    /// The source address is not the adapter's.
    WrongMac => "wrong_mac",
    /// A VLAN, or a tag, that the adapter may not use.
    WrongVlan => "wrong_vlan",
    /// An address that bridges never relay (IEEE 802.1Q, 8.6.3).
    BridgeLocal => "bridge_local",
    /// The server must not send now: its profile is being released.
    Released => "released",
    /// No live lease.
    LeaseExpired => "lease_expired",
    /// Queued while the process had been stopped.
    Stalled => "stalled",
    /// From the uplink, for an address that nobody here has.
    UnknownUnicast => "unknown_unicast",
    /// From the uplink, with the address of an adapter that is carried here.
    Looped => "looped",
    /// No path to the peer is up.
    PathDown => "path_down",
    /// The adapter has no home, or no device.
    NotConnected => "not_connected",
    /// The LAN's port on this director is not open.
    NoUplink => "no_uplink",
    /// The kernel refused the frame at the LAN's port.
    UplinkRefused => "uplink_refused",
    /// The port's queue is full.
    UplinkFull => "uplink_full",
    /// The kernel refused the message on the rail.
    RailRefused => "rail_refused",
    /// The rail's queue is full.
    RailFull => "rail_full",
    /// The kernel refused the frame at the adapter's device.
    DeviceRefused => "device_refused",
    /// The buffer for frames that wait for a server is full: the oldest goes.
    HoldOverflow => "hold_overflow",
    /// A frame waited too long for its server.
    HoldExpired => "hold_expired",
    /// No buffer is free.
    NoBuffer => "no_buffer",
    /// Too large for the rail, even in fragments; or for the buffer that it came into.
    TooLarge => "too_large",
    /// The peer takes this rail for one of another kind: `udp` at one end, `verbs` at the other.
    OtherRail => "other_rail",
    /// A path over verbs was closed: the peer's process is gone, or has no path with us.
    RailClosed => "rail_closed",
    /// A path over verbs was closed: the peer's hardware does not answer.
    RailUnanswered => "rail_unanswered",
    /// A path over verbs was closed: the peer takes nothing, as it posts no receives.
    RailStalled => "rail_stalled",
    /// A path over verbs was closed: somebody reached for memory that is not to be reached, with a stale or false key.
    RailAccess => "rail_access",
    /// A path over verbs was closed: one end sent what the other cannot take.
    RailRequest => "rail_request",
    /// A path over verbs was closed: the peer counts messages that were never sent, or does not count.
    RailCredit => "rail_credit",
    /// A path over verbs was closed: it broke in another way.
    RailBroken => "rail_broken",
}

impl From<ParseError> for Cause {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::CutShort { .. } => Self::CutShort,
            ParseError::LyingLength { .. } => Self::LyingLength,
            ParseError::Magic(_) | ParseError::Version(_) | ParseError::Kind(_) | ParseError::NoIncarnation => {
                Self::NotOurs
            }
            ParseError::TooLarge(_) => Self::TooLarge,
            ParseError::Fragment { .. } => Self::BadFragment,
            ParseError::Connection(_) => Self::BadConnection,
            ParseError::Offload(_) => Self::BadOffload,
        }
    }
}
