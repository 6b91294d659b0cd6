//! RDMA verbs: one wrapper for each object, made in `new`, destroyed in `Drop`.
//!
//! ```text
//!   Context ◀── Domain ◀── Region (some Pages, for local use)     Exposed (a buffer that peers read and write)
//!      ▲           ▲
//!      │           ├────── SharedReceives ◀─┐
//!      └── CompletionQueue ◀────────────────┴── QueuePair        WorkList: what is posted to one, many at a time
//! ```
//!
//! An arrow is an `Arc`: nothing is destroyed before what was made of it.
//!
//! Guarantees, whatever a caller does:
//! * Memory that the hardware may write is owned by the wrapper while it may: a buffer that is posted for a receive or an RDMA
//!   read comes back with its [`Completion`], which nobody can make up; one that peers may write ([`Exposed`]) is
//!   seen only through copies until it is closed.
//! * Memory that the hardware may read stays mapped and registered as long as the [`Region`] that names it. A segment that
//!   outlives its region is refused by the hardware.
//! * Work requests carry the caller's token; those of the wrappers' own are told apart by [`OWNED`].

mod completion;
mod context;
mod domain;
mod event;
mod exposed;
mod queue_pair;
mod receives;
mod region;
mod slab;
mod work;

pub use completion::{Completion, CompletionQueue, Completions, WorkError};
pub use context::{Context, GidEntry, GidKind, Limits, LinkLayer, Port, device_names};
pub use domain::Domain;
pub use event::{AsyncEvent, QueuePairEvent};
pub use exposed::{Exposed, RemoteSegment};
pub use queue_pair::{Endpoint, QueuePair, QueuePairSize, Route};
pub use receives::SharedReceives;
pub use region::{Region, Segment};
pub use work::{WorkBatch, WorkList};

/// Set in the id of every work request whose buffer a wrapper owns. Tokens of callers do not have it.
pub const OWNED: u64 = 1 << 63;

/// Turns the result of a verb that returns an error number into the error it stands for.
fn check_number(result: std::os::raw::c_int) -> std::io::Result<()> {
    match result {
        0 => Ok(()),
        // Some verbs return -1 and leave the number in errno.
        number if number < 0 => Err(std::io::Error::last_os_error()),
        number => Err(std::io::Error::from_raw_os_error(number)),
    }
}

/// The same for a verb that returns a new object, or null.
fn check_object<T>(object: *mut T) -> std::io::Result<std::ptr::NonNull<T>> {
    std::ptr::NonNull::new(object).ok_or_else(std::io::Error::last_os_error)
}

/// Makes reads of the descriptor come back at once.
fn set_nonblocking(fd: std::os::raw::c_int) -> std::io::Result<()> {
    // SAFETY: no pointers are passed.
    let flags = crate::check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    // SAFETY: as above.
    crate::check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}
