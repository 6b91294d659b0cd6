//! The CDBs that initiators of ours send.

use super::{Cdb, Opcode};

/// Writes fields of big-endian octets into a CDB of `N` octets.
struct Fields<const N: usize>([u8; N]);

impl<const N: usize> Fields<N> {
    fn new(opcode: Opcode) -> Self {
        let mut octets = [0; N];
        octets[0] = opcode.0;
        Self(octets)
    }

    fn put<const M: usize>(mut self, offset: usize, octets: [u8; M]) -> Self {
        self.0[offset..offset + M].copy_from_slice(&octets);
        self
    }

    fn build(self) -> Cdb {
        Cdb::new(&self.0).expect("each constructor has the length of its opcode")
    }
}

/// The FUA bit in the second octet (SBC-3, 5.8 and 5.30).
const FUA: u8 = 0x08;

impl Cdb {
    /// SPC-4, 6.47.
    pub fn test_unit_ready() -> Self {
        Fields::<6>::new(Opcode::TEST_UNIT_READY).build()
    }

    /// SPC-4, 6.39, in fixed form.
    pub fn request_sense(allocation: u8) -> Self {
        Fields::<6>::new(Opcode::REQUEST_SENSE).put(4, [allocation]).build()
    }

    /// SPC-4, 6.6: standard data.
    pub fn inquiry(allocation: u16) -> Self {
        Fields::<6>::new(Opcode::INQUIRY).put(3, allocation.to_be_bytes()).build()
    }

    /// SPC-4, 6.6: a page of vital product data.
    pub fn inquiry_page(page: u8, allocation: u16) -> Self {
        Fields::<6>::new(Opcode::INQUIRY).put(1, [1, page]).put(3, allocation.to_be_bytes()).build()
    }

    /// SPC-4, 6.13, of all pages or one; without block descriptors.
    pub fn mode_sense_6(page: u8, allocation: u8) -> Self {
        Fields::<6>::new(Opcode::MODE_SENSE_6).put(1, [0x08, page & 0x3f]).put(4, [allocation]).build()
    }

    /// SPC-4, 6.33, of all logical units that are no well-known ones.
    pub fn report_luns(allocation: u32) -> Self {
        Fields::<12>::new(Opcode::REPORT_LUNS).put(6, allocation.to_be_bytes()).build()
    }

    /// SBC-3, 5.15.
    pub fn read_capacity_10() -> Self {
        Fields::<10>::new(Opcode::READ_CAPACITY_10).build()
    }

    /// SBC-3, 5.16.
    pub fn read_capacity_16(allocation: u32) -> Self {
        let fields = Fields::<16>::new(Opcode::SERVICE_ACTION_IN_16).put(1, [Self::READ_CAPACITY_16]);
        fields.put(10, allocation.to_be_bytes()).build()
    }

    /// SBC-3, 5.11.
    pub fn read_16(lba: u64, blocks: u32) -> Self {
        Fields::<16>::new(Opcode::READ_16).put(2, lba.to_be_bytes()).put(10, blocks.to_be_bytes()).build()
    }

    /// SBC-3, 5.33.
    pub fn write_16(lba: u64, blocks: u32, force_unit_access: bool) -> Self {
        let flags = if force_unit_access { FUA } else { 0 };
        let fields = Fields::<16>::new(Opcode::WRITE_16).put(1, [flags]);
        fields.put(2, lba.to_be_bytes()).put(10, blocks.to_be_bytes()).build()
    }

    /// SBC-3, 5.23, of all blocks.
    pub fn synchronize_cache_16() -> Self {
        Fields::<16>::new(Opcode::SYNCHRONIZE_CACHE_16).build()
    }

    /// SBC-3, 5.2: `blocks` to compare with, then as many to write.
    pub fn compare_and_write(lba: u64, blocks: u8) -> Self {
        Fields::<16>::new(Opcode::COMPARE_AND_WRITE).put(2, lba.to_be_bytes()).put(13, [blocks]).build()
    }

    /// SBC-3, 5.40, with one block of data, or (`unmap`) such that the blocks may be deallocated.
    pub fn write_same_16(lba: u64, blocks: u32, unmap: bool) -> Self {
        let fields = Fields::<16>::new(Opcode::WRITE_SAME_16).put(1, [if unmap { 0x08 } else { 0 }]);
        fields.put(2, lba.to_be_bytes()).put(10, blocks.to_be_bytes()).build()
    }

    /// SBC-3, 5.25: `length` octets of parameters follow.
    pub fn unmap(length: u16) -> Self {
        Fields::<10>::new(Opcode::UNMAP).put(7, length.to_be_bytes()).build()
    }

    /// SPC-4, 6.15.
    pub fn persistent_reserve_in(service_action: u8, allocation: u16) -> Self {
        let fields = Fields::<10>::new(Opcode::PERSISTENT_RESERVE_IN).put(1, [service_action & 0x1f]);
        fields.put(7, allocation.to_be_bytes()).build()
    }

    /// SPC-4, 6.16: `length` octets of parameters follow. `kind` is the TYPE field; the scope is the logical unit.
    pub fn persistent_reserve_out(service_action: u8, kind: u8, length: u32) -> Self {
        let fields = Fields::<10>::new(Opcode::PERSISTENT_RESERVE_OUT);
        fields.put(1, [service_action & 0x1f, kind & 0x0f]).put(5, length.to_be_bytes()).build()
    }
}
