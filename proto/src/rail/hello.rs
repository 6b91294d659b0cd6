use super::{Incarnation, ParseError, be16, be32, be64, require};

pub const HELLO_LENGTH: usize = 48;

const GOING: u16 = 1;

/// A sign of life on one path, and what the sender knows of the other direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    pub sequence: u64,
    /// How often the sender says hello.
    pub interval_us: u32,
    /// The incarnation of the receiver that the sender hears on this path now; None: it does not hear it. More than a
    /// bit, so that a process just restarted is not told that its predecessor was heard.
    pub hears: Option<Incarnation>,
    /// The sender is about to stop: the path goes down now, not after the missed hellos.
    pub going: bool,
    /// The sender's monotonic clock as it sent this, in ns. Means something only to the sender.
    pub sent: u64,
    /// `sent` of the last hello that the sender received on this path, 0 when there was none.
    pub echo: u64,
    /// How long ago it received that one, in µs.
    pub held_us: u32,
    /// The largest datagram that the sender's end of this path receives whole: the MTU of its side.
    pub receives: u32,
}

impl Hello {
    pub fn encode(&self) -> [u8; HELLO_LENGTH] {
        let mut bytes = [0; HELLO_LENGTH];
        bytes[0..8].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[8..10].copy_from_slice(&(if self.going { GOING } else { 0 }).to_be_bytes());
        bytes[12..16].copy_from_slice(&self.interval_us.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.hears.map_or(0, Incarnation::get).to_be_bytes());
        bytes[24..32].copy_from_slice(&self.sent.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.echo.to_be_bytes());
        bytes[40..44].copy_from_slice(&self.held_us.to_be_bytes());
        bytes[44..48].copy_from_slice(&self.receives.to_be_bytes());
        bytes
    }

    /// Octets after those known here belong to a later version and are left alone.
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        require("a hello", body, HELLO_LENGTH)?;
        Ok(Self {
            sequence: be64(body, 0),
            going: be16(body, 8) & GOING != 0,
            interval_us: be32(body, 12),
            hears: Incarnation::from_wire(be64(body, 16)),
            sent: be64(body, 24),
            echo: be64(body, 32),
            held_us: be32(body, 40),
            receives: be32(body, 44),
        })
    }
}
