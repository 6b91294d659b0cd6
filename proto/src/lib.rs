//! Words and wire: the vocabulary that every other crate shares, the gRPC API, and the rail messages.
//!
//! ```text
//!   domain   checked types: names, MACs, WWNs, epochs, and the resources made of them
//!   rail     the binary messages between servers and directors (no gRPC there)
//!   grpc     package twinrail.v1 (public) and twinrail.internal.v1, and the conversions (feature `grpc`)
//! ```
//!
//! Nothing in this crate does I/O, reads a clock or draws a random number.

pub mod domain;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod rail;
