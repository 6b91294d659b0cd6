/// Enough for a rail header, a record header, an offload header, addresses and a tag, and for a whole announcement.
const ROOM: usize = 96;

/// The first octets of a message or frame, put together anew, while the rest stays where it was received.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    bytes: [u8; ROOM],
    length: u8,
}

impl Head {
    pub const EMPTY: Self = Self { bytes: [0; ROOM], length: 0 };

    /// The same with these octets after it. Panics beyond its room: what goes into a head has a fixed size.
    #[inline(always)]
    pub fn with(mut self, octets: &[u8]) -> Self {
        let at = usize::from(self.length);
        self.bytes[at..at + octets.len()].copy_from_slice(octets);
        self.length += octets.len() as u8;
        self
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    pub fn len(&self) -> usize {
        usize::from(self.length)
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}
