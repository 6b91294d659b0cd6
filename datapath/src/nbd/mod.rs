//! Disks as NBD exports on a unix socket: what fio, QEMU, nbdcopy and the kernel's nbd client attach. The protocol is
//! `doc/proto.md` of NetworkBlockDevice/nbd: fixed newstyle, simple and structured replies.
//!
//! ```text
//!   client ══ socket ══ thread ── Engine ──▶ BlockDevice::submit(request, ticket)
//!     ...                  ▲                         │ any time, any thread
//!   client ══ socket ══    └──── Ticket::complete ◀──┘
//! ```
//!
//! * **A device may hold a request for as long as it likes**: while directors change, say. The socket stays up, and the
//!   client waits.
//! * **Every request is answered once.** A ticket that is dropped answers with an input/output error.
//! * **Several clients at once**, each with a thread of its own; what one sends never delays another.
//! * [`Engine`] is the protocol without I/O; [`Server`] is the socket and the threads; [`scsi`] makes requests into commands
//!   for a LUN.

mod device;
mod engine;
mod errno;
mod export;
pub mod limits;
mod memory;
mod request;
pub mod scsi;
mod server;
mod wire;

pub use device::{BlockDevice, Ticket};
pub use engine::{End, Engine, Output, Tag};
pub use errno::Errno;
pub use export::{Export, ExportError, Exports};
pub use memory::MemoryDevice;
pub use request::{Request, Zeroing};
pub use server::{Offer, Owner, Server, ServerConfig, ServerError, SocketError};
