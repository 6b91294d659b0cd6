use super::{Header, PduError, Serial};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetNumbers {
    pub stat_sn: Serial,
    pub exp_cmd_sn: Serial,
    pub max_cmd_sn: Serial,
}

/// How the data that moved differs from what the initiator expected, in octets (RFC 7143, 11.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Residual {
    #[default]
    None,
    /// So much less moved.
    Under(u32),
    /// So much more would have moved.
    Over(u32),
}

const OVERFLOW: u8 = 0x04;
const UNDERFLOW: u8 = 0x02;

impl TargetNumbers {
    pub(super) fn put(self, header: &mut Header) {
        header.put_u32(24, self.stat_sn.0);
        header.put_u32(28, self.exp_cmd_sn.0);
        header.put_u32(32, self.max_cmd_sn.0);
    }

    pub(super) fn parse(header: &Header) -> Self {
        Self { stat_sn: Serial(header.u32(24)), exp_cmd_sn: Serial(header.u32(28)), max_cmd_sn: Serial(header.u32(32)) }
    }
}

impl Residual {
    pub(super) fn put(self, header: &mut Header) {
        let (flag, count) = match self {
            Self::None => (0, 0),
            Self::Under(count) => (UNDERFLOW, count),
            Self::Over(count) => (OVERFLOW, count),
        };
        header.0[1] |= flag;
        header.put_u32(44, count);
    }

    pub(super) fn parse(pdu: &'static str, header: &Header) -> Result<Self, PduError> {
        let count = header.u32(44);
        match (header.flag(OVERFLOW), header.flag(UNDERFLOW)) {
            (false, false) => Ok(Self::None),
            (false, true) => Ok(Self::Under(count)),
            (true, false) => Ok(Self::Over(count)),
            (true, true) => {
                let must = "overflow and underflow exclude each other";
                Err(PduError::Field { pdu, field: "flags", value: header.0[1].into(), must })
            }
        }
    }
}
