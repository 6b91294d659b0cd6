//! The disks of a vHBA on its server: finds out which logical units there are, and carries the requests of their clients.
//!
//! ```text
//!   clients of exports ── BlockDevice ──▶ queue ──▶ one thread for the vHBA ═══ rails ═══▶ home director
//!                      ◀── Ticket ────────────────  Disk for each LUN (nbd::scsi::Translator)
//!                                                   Discovery (REPORT LUNS, INQUIRY, probe)
//!                                                   commands::TcpInitiator
//! ```
//!
//! * **I/O waits, whatever becomes of directors**, and goes on where one carries the vHBA. A request fails when no home had
//!   it for `io_timeout`, counted from when it came or from when the home was lost, whichever is later.
//! * **Nothing goes to a unit that was not seen.** A disk that is remembered from before a restart takes requests at once,
//!   and holds them until its unit has said the same of itself as then.
//! * **A disk never changes under its clients.** When another unit takes a LUN, or the same one with another size, that is
//!   a new generation; requests of the former one fail.
//! * **The thread is woken only when it sleeps**; all that has come by then is done in one go.

mod discovery;
mod disk;
mod engine;
mod inbound;
pub mod limits;
mod status;
mod thread;
mod unit;
mod vhba;

pub use status::{Counts, DiskState, Path};
pub use unit::Unit;
pub use vhba::{Changed, Vhba, VhbaConfig};
