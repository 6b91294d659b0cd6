//! The store under everything that may happen to it: openraft's own suite, power cuts at every byte, killed processes,
//! damaged files, full disks, and a Raft group that lives on it.

mod crash;
mod damage;
mod group;
mod identity;
mod power_cut;
mod reading;
mod sled_disk;
mod suite;
mod support;
mod wires;
