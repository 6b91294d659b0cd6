use std::fmt;

/// A number that wraps: CmdSN, StatSN, DataSN, R2TSN (RFC 7143, 4.2.2.1; compared as RFC 1982, 32 bits).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Serial(pub u32);

impl Serial {
    pub fn next(self) -> Self {
        self.plus(1)
    }

    pub fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// Whether this one comes before the other. Two that are 2^31 apart come in neither order.
    pub fn is_before(self, other: Self) -> bool {
        (other.0.wrapping_sub(self.0) as i32) > 0
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        let last = Serial(u32::MAX);
        assert!(last.is_before(last.next()) && !last.next().is_before(last) && !last.is_before(last));
        assert!(Serial(5).is_before(Serial(6)) && !Serial(0).is_before(Serial(0x8000_0000)));
    }
}
