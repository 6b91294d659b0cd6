use crate::nbd::Export;
use crate::scsi::Lun;

/// What a logical unit has said of itself, as far as NBD needs it. Lengths are in blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFacts {
    pub lun: Lun,
    /// In octets: a power of two from 512 to 65536.
    pub block_length: u32,
    pub blocks: u64,
    /// In one READ or WRITE; at least 1.
    pub largest_transfer: u32,
    /// The FUA bit means something (DPOFUA: SPC-4, 7.5.8; SBC-3, 6.4.1).
    pub force_unit_access: bool,
    /// What is written may be lost until SYNCHRONIZE CACHE (WCE: SBC-3, 6.4.5).
    pub write_cache: bool,
    pub write_protected: bool,
    pub rotational: bool,
    /// None: the unit has no UNMAP.
    pub unmap: Option<Unmap>,
    /// None: it is known to refuse WRITE SAME(16).
    pub write_same: Option<WriteSame>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmap {
    /// In one command; at least 1.
    pub largest: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteSame {
    /// In one command; at least 1.
    pub largest: u32,
    /// Its UNMAP bit gives blocks back, and they read as zeros (LBPWS and LBPRZ: SBC-3, 6.5.4).
    pub unmaps: bool,
}

impl UnitFacts {
    /// What an export of this unit may promise. `multi_conn` is true: a flush covers the whole unit, whoever wrote.
    pub fn export(&self, name: impl Into<String>) -> Export {
        let size = self.blocks.saturating_mul(self.block_length.into());
        Export {
            read_only: self.write_protected,
            rotational: self.rotational,
            trim: self.unmap.is_some(),
            write_zeroes: true,
            fast_zero: true,
            multi_conn: true,
            ..Export::plain(name, size, self.block_length)
        }
    }

    pub(super) fn may_unmap_zeroes(&self) -> bool {
        self.write_same.is_some_and(|it| it.unmaps)
    }
}
