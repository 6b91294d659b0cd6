//! How much one command may ask for. The block limits page (SBC-3, 6.5.3) tells them; a command beyond ends in CHECK
//! CONDITION and changes nothing.

/// READ, WRITE, VERIFY: octets that are held in memory for one command.
pub const TRANSFER: u64 = 8 << 20;
/// COMPARE AND WRITE: blocks; the field has eight bits, and more than a few are for nobody.
pub const COMPARE: u32 = 32;
/// WRITE SAME: octets. They are written out, and other commands wait for that long.
pub const WRITE_SAME: u64 = 64 << 20;
/// UNMAP: blocks in all descriptors together. A hole costs no time, whatever its length.
pub const UNMAP_BLOCKS: u32 = u32::MAX;
/// UNMAP: descriptors in one list.
pub const UNMAP_DESCRIPTORS: u32 = 256;
