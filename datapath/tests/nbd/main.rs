//! The NBD export: its engine by golden octets and by properties, its server by a client of ours and by real peers.

mod golden;
mod peers;
mod properties;
mod refusals;
mod scsi_disk;
mod serving;
mod support;
mod translating;
