//! What others reach, in the same lab and measured by the same programs: none of it needs Twinrail.
//!
//! * [`etcd`]: three processes of Debian's etcd-server, written to over gRPC;
//! * [`vxlan`]: kernel VXLAN with a bridge (what one would take instead of a director), and one veth pair;
//! * [`keepalived`]: a virtual address between two machines, at its default and its smallest interval.

pub mod etcd;
pub mod keepalived;
pub mod vxlan;
