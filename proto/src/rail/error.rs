/// Why a message from a rail was refused. Each is counted under its own cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("{what} is cut short: it needs {needs} octets and {has} are there")]
    CutShort { what: &'static str, needs: usize, has: usize },
    #[error("{what} says it has {says} octets, but {has} are there")]
    LyingLength { what: &'static str, says: usize, has: usize },
    #[error("no rail message: it starts with {0:#06x}")]
    Magic(u16),
    #[error("version {0} of the rail messages is not known")]
    Version(u8),
    #[error("kind {0} of a rail message is not known")]
    Kind(u8),
    #[error("a message of {0} octets is larger than any that is sent")]
    TooLarge(usize),
    #[error("the sender gives no incarnation")]
    NoIncarnation,
    #[error("fragment {index} of {count} with pieces of {piece} octets makes no message")]
    Fragment { index: u16, count: u16, piece: u16 },
    #[error("connection message: {0}")]
    Connection(&'static str),
    #[error("offload header: {0}")]
    Offload(&'static str),
}
