//! Where Twinrail is tried: the lab, the programs that measure in it, what others reach, the demo.
//!
//! ```text
//!   lab        network namespaces, processes and faults        measure    1 ms prober, echo, TCP transfer, round trips
//!     └──────────┬──────────────────┬───────────────────────────────┘
//!             baseline            demo, tests/                  baseline   VXLAN, etcd, keepalived, in the same lab
//!                └──── bench ───────┘                           bench      Twinrail beside them, as ratios of one run
//!                                                               consistency   what a disk may and may not read back
//!                                                               target     the SAN of files, for initiators not ours
//!                                                               nemesis       faults from a seed, real clients, a report
//!   sim        whole clusters on a virtual clock, without any of the above
//!   model      the failover protocol, small enough for all its states to be gone through
//!   guest      a Debian kernel with RDMA under QEMU, in which the lab runs too
//! ```
//!
//! Everything but `sim` and `model` runs the real `twinrail` binary in the kernel's real network stacks. Traffic stays inside network
//! namespaces that the lab made itself; nothing of the host's network is touched, and everything is removed at the
//! end, whatever the end is (see [`lab::janitor`]).

pub mod baseline;
pub mod bench;
pub mod consistency;
pub mod demo;
pub mod guest;
pub mod lab;
pub mod measure;
pub mod model;
pub mod nemesis;
pub mod sim;
pub mod target;
