use super::fields::{Reader, at_most};
use super::{CommandError, Kind, MAX_BODY, MAX_DATA, PREFIX_LENGTH, VERSION};
use crate::domain::{AdapterId, Epoch};

/// "TC": what each message of a command stream starts with.
pub const MAGIC: u16 = 0x5443;

/// The first octets of a message: all that is needed to receive the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    pub(super) kind: Kind,
    /// Octets of the body, which follows.
    pub body_length: usize,
    /// Octets of the data, which follow the body in the stream, or are moved apart from it.
    pub data_length: usize,
    pub adapter: AdapterId,
    pub epoch: Epoch,
}

impl Prefix {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        into.extend(MAGIC.to_be_bytes());
        into.extend([VERSION, self.kind as u8]);
        into.extend((self.body_length as u16).to_be_bytes());
        into.extend([0; 2]);
        into.extend((self.data_length as u32).to_be_bytes());
        into.extend(self.adapter.0.to_be_bytes());
        into.extend(self.epoch.0.to_be_bytes());
    }

    /// Of the first [`PREFIX_LENGTH`] octets; what follows them is left alone.
    pub fn parse(octets: &[u8]) -> Result<Self, CommandError> {
        let head = octets.get(..PREFIX_LENGTH);
        let has = octets.len();
        let head = head.ok_or(CommandError::CutShort { field: "the prefix", needs: PREFIX_LENGTH, has })?;
        let mut fields = Reader::new(head);
        let magic = fields.u16("the magic")?;
        let version = fields.u8("the version")?;
        match (magic, version) {
            (MAGIC, VERSION) => {}
            (MAGIC, version) => return Err(CommandError::Version(version)),
            (magic, _) => return Err(CommandError::Magic(magic)),
        }
        let kind = Kind::from_wire(fields.u8("the kind")?)?;
        let body_length = at_most("the body's length", fields.u16("the body's length")?.into(), MAX_BODY as u64)?;
        fields.skip(2)?;
        let data_length = at_most("the data's length", fields.u32("the data's length")?.into(), MAX_DATA.into())?;
        if data_length > 0 && !kind.has_data() {
            return Err(CommandError::LyingLength { field: "the data's length", says: data_length as usize, has: 0 });
        }
        let (adapter, epoch) = (AdapterId(fields.u32("the adapter")?), Epoch(fields.u64("the epoch")?));
        Ok(Self { kind, body_length: body_length as usize, data_length: data_length as usize, adapter, epoch })
    }
}
