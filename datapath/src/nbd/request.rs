use bytes::Bytes;

/// What an export asks of the device behind it. Offsets and lengths are octets, in whole blocks of the export, within its
/// size, and lengths are not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Answered with exactly `length` octets: at most 32 MiB.
    Read { offset: u64, length: u32 },
    /// At most 32 MiB. With `fua` it is answered only when the data is on stable storage.
    Write { offset: u64, data: Bytes, fua: bool },
    /// Answered when every write that was answered before is on stable storage.
    Flush,
    /// A hint that the content is not needed any more. Nothing is promised about it afterwards.
    Trim { offset: u64, length: u32, fua: bool },
    /// The range reads as zeros afterwards.
    WriteZeroes { offset: u64, length: u32, how: Zeroing },
    /// A hint that the range will be read soon.
    Cache { offset: u64, length: u32 },
}

/// How a range is to become zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zeroing {
    pub fua: bool,
    /// It may become a hole, so that a later write may find no space. Not so with NO_HOLE.
    pub may_unmap: bool,
    /// FAST_ZERO: where it would take as long as writing zeros, the answer is `NotSupported` at once, and nothing changes.
    pub only_if_fast: bool,
}

impl Request {
    /// Octets that the request or its answer holds in memory.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Read { length, .. } => *length as usize,
            Self::Write { data, .. } => data.len(),
            Self::Flush | Self::Trim { .. } | Self::WriteZeroes { .. } | Self::Cache { .. } => 0,
        }
    }
}
