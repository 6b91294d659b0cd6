//! The words of SCSI, against tables from the standards.

mod cdbs;
mod replays;
mod senses;
