/// Why a message of a command stream was refused. After any of these the stream has no meaning: its connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("no message of a command stream: it starts with {0:#06x}")]
    Magic(u16),
    #[error("version {0} of the command stream is not known")]
    Version(u8),
    #[error("kind {0} of a message is not known")]
    Kind(u8),
    #[error("{field} is cut short: it needs {needs} octets and {has} are there")]
    CutShort { field: &'static str, needs: usize, has: usize },
    #[error("{field} says {says} octets, but {has} are there")]
    LyingLength { field: &'static str, says: usize, has: usize },
    #[error("{field} is {says}; {most} is the most")]
    TooLarge { field: &'static str, says: u64, most: u64 },
    #[error("{field} is {says}; {least} is the least")]
    TooSmall { field: &'static str, says: u64, least: u64 },
    #[error("{field} cannot be {value}")]
    Unknown { field: &'static str, value: u64 },
    #[error("{field} is no name")]
    NoName { field: &'static str },
}
