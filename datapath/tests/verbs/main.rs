//! Rails over RDMA verbs, tried on real devices: all of it needs two RDMA devices that reach each other, and is run in the
//! guest (`rdma_rxe` at both ends of a veth pair), one test at a time. `TWINRAIL_TEST_RDMA` names them, as in `rxe_1,rxe_2`.
//!
//! Without RDMA nothing here can be tried, so that every test is ignored unless it is asked for.

#![cfg(feature = "verbs")]

mod bad_peers;
mod cycles;
mod delivery;
mod liveness;
mod machine;
mod raw_peer;
