use std::num::NonZeroU64;

use super::{MAX_MESSAGE, ParseError, be16, be32, be64, require};

pub const MAGIC: u16 = 0x5457;
pub const VERSION: u8 = 1;
pub const HEADER_LENGTH: usize = 16;

/// Tells the messages of one cluster from those of another on the same rails. It keeps accidents apart, not attackers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClusterTag(pub u32);

/// Drawn at random when a process starts: whoever restarts is seen to have restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(NonZeroU64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Hello = 1,
    Frames = 2,
    Fragment = 3,
    /// Sets up a path by RDMA verbs.
    Connection = 4,
}

/// What every message starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub cluster: ClusterTag,
    pub incarnation: Incarnation,
}

impl ClusterTag {
    /// FNV-1a (32 bits) of the cluster's id: the same on every machine and in every version.
    pub fn of(cluster: &str) -> Self {
        Self(cluster.bytes().fold(0x811c_9dc5, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)))
    }
}

impl Incarnation {
    /// `random` with zero, which means "nobody" on the wire, mapped to one.
    pub fn from_random(random: u64) -> Self {
        Self(NonZeroU64::new(random).unwrap_or(NonZeroU64::MIN))
    }

    pub fn get(self) -> u64 {
        self.0.get()
    }

    pub(super) fn from_wire(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl Kind {
    fn from_wire(octet: u8) -> Result<Self, ParseError> {
        match octet {
            1 => Ok(Self::Hello),
            2 => Ok(Self::Frames),
            3 => Ok(Self::Fragment),
            4 => Ok(Self::Connection),
            other => Err(ParseError::Kind(other)),
        }
    }
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[0..2].copy_from_slice(&MAGIC.to_be_bytes());
        bytes[2] = VERSION;
        bytes[3] = self.kind as u8;
        bytes[4..8].copy_from_slice(&self.cluster.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.incarnation.get().to_be_bytes());
        bytes
    }

    /// The header and what follows it.
    pub fn parse(message: &[u8]) -> Result<(Self, &[u8]), ParseError> {
        require("a rail message", message, HEADER_LENGTH)?;
        if message.len() > MAX_MESSAGE {
            return Err(ParseError::TooLarge(message.len()));
        }
        match (be16(message, 0), message[2]) {
            (MAGIC, VERSION) => {}
            (MAGIC, version) => return Err(ParseError::Version(version)),
            (magic, _) => return Err(ParseError::Magic(magic)),
        }
        let header = Self {
            kind: Kind::from_wire(message[3])?,
            cluster: ClusterTag(be32(message, 4)),
            incarnation: Incarnation::from_wire(be64(message, 8)).ok_or(ParseError::NoIncarnation)?,
        };
        Ok((header, &message[HEADER_LENGTH..]))
    }
}
