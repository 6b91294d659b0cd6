use super::{ParseError, be16, be32, be64, require};

pub const CONNECTION_LENGTH: usize = 48;

/// Taken messages are counted in 16 bits, and a count must not be mistaken for the one a round before.
pub const MAX_WINDOW: u16 = 1 << 14;

const CONNECT: u8 = 1;
const ACCEPT: u8 = 2;
const CALL: u8 = 3;
const PROBE: u8 = 4;

/// Queue pair numbers and packet numbers have 24 bits.
const LARGEST_NUMBER: u32 = 0xff_ffff;

/// How two machines set up a path by RDMA verbs: small datagrams beside it, at the addresses of the rail.
///
/// ```text
///   lower address ── connect ──▶ higher address          higher ── call ──▶ lower      "I have no connection with you"
///                 ◀── accept ──                          either ── probe ─▶ other      says nothing: an answer by the
///   the lower one sends first                                                          kernel says that nobody is there
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    Connect(Offer),
    /// Repeats the number of the offer that it answers.
    Accept(Offer),
    Call,
    Probe,
}

/// One end of a path: what the other end needs to know to reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Drawn for each try, so that an answer to an earlier one is not taken for one to this.
    pub number: u64,
    /// The port's address: all of InfiniBand and RoCE have one.
    pub gid: [u8; 16],
    /// Its address in an InfiniBand subnet; 0: none (RoCE).
    pub lid: u16,
    /// The largest packet of the port, as verbs code it: 1 is 256 octets, 5 is 4096.
    pub mtu: u8,
    /// How many messages each of the other's queue pairs may send beyond those that were taken.
    pub window: u16,
    /// The queue pairs: one for each sending thread.
    pub queue_pairs: [QueuePairOffer; 2],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueuePairOffer {
    pub number: u32,
    /// The number of its first packet.
    pub first_packet: u32,
}

impl Connection {
    pub fn encode(&self) -> [u8; CONNECTION_LENGTH] {
        let mut bytes = [0; CONNECTION_LENGTH];
        let (code, offer) = match self {
            Self::Connect(offer) => (CONNECT, Some(offer)),
            Self::Accept(offer) => (ACCEPT, Some(offer)),
            Self::Call => (CALL, None),
            Self::Probe => (PROBE, None),
        };
        bytes[0] = code;
        if let Some(Offer { number, gid, lid, mtu, window, queue_pairs: [first, second] }) = offer {
            bytes[1] = *mtu;
            bytes[2..4].copy_from_slice(&lid.to_be_bytes());
            bytes[4..6].copy_from_slice(&window.to_be_bytes());
            bytes[8..16].copy_from_slice(&number.to_be_bytes());
            bytes[16..32].copy_from_slice(gid);
            bytes[32..36].copy_from_slice(&first.number.to_be_bytes());
            bytes[36..40].copy_from_slice(&first.first_packet.to_be_bytes());
            bytes[40..44].copy_from_slice(&second.number.to_be_bytes());
            bytes[44..48].copy_from_slice(&second.first_packet.to_be_bytes());
        }
        bytes
    }

    /// Octets after those known here belong to a later version and are left alone.
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        require("a connection message", body, CONNECTION_LENGTH)?;
        match body[0] {
            CONNECT => Ok(Self::Connect(Offer::parse(body)?)),
            ACCEPT => Ok(Self::Accept(Offer::parse(body)?)),
            CALL => Ok(Self::Call),
            PROBE => Ok(Self::Probe),
            _ => Err(ParseError::Connection("no such request")),
        }
    }
}

impl Offer {
    fn parse(body: &[u8]) -> Result<Self, ParseError> {
        let queue_pair = |at| QueuePairOffer { number: be32(body, at), first_packet: be32(body, at + 4) };
        let offer = Self {
            number: be64(body, 8),
            gid: std::array::from_fn(|at| body[16 + at]),
            lid: be16(body, 2),
            mtu: body[1],
            window: be16(body, 4),
            queue_pairs: [queue_pair(32), queue_pair(40)],
        };
        let numbers = offer.queue_pairs.iter().flat_map(|it| [it.number, it.first_packet]);
        if numbers.max() > Some(LARGEST_NUMBER) {
            return Err(ParseError::Connection("a queue pair or packet number of more than 24 bits"));
        }
        if !(1..=5).contains(&offer.mtu) {
            return Err(ParseError::Connection("an MTU that no port has"));
        }
        if offer.window == 0 || offer.window > MAX_WINDOW {
            return Err(ParseError::Connection("a window that nothing fits, or that cannot be counted"));
        }
        Ok(offer)
    }
}
