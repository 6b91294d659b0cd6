/// Why a request failed, in the words that NBD has for it ("Error values").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u32)]
pub enum Errno {
    #[error("operation not permitted")]
    Permission = 1,
    #[error("input/output error")]
    Io = 5,
    #[error("invalid argument")]
    Invalid = 22,
    #[error("no space left on device")]
    NoSpace = 28,
    /// A request for more than the server sends in one reply.
    #[error("value too large")]
    Overflow = 75,
    /// Only for WRITE_ZEROES with FAST_ZERO: it would not be fast.
    #[error("operation not supported")]
    NotSupported = 95,
    #[error("server is shutting down")]
    Shutdown = 108,
}

impl Errno {
    /// As it travels.
    pub fn to_u32(self) -> u32 {
        self as u32
    }
}
