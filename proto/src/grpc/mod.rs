//! The gRPC API: packages `twinrail.v1` (public) and `twinrail.internal.v1` (directors and agents among themselves).
//!
//! ```text
//!   proto/proto/**/*.proto ──build.rs──▶ v1, internal::v1     messages, clients, servers
//!                             │
//!                             └────────▶ FILE_DESCRIPTOR_SET  what reflection and JSON read (public package only)
//! ```

#[allow(clippy::all, rustdoc::all)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/twinrail.rs"));
}

pub use generated::twinrail::*;

/// The public package as `FileDescriptorSet` bytes, with the comments of the .proto files.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/twinrail_descriptor.bin"));

pub mod convert;
pub mod json;
