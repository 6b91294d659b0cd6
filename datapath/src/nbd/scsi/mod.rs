//! NBD requests as SCSI commands for one logical unit (SBC-3). No I/O, no threads and no clock: whoever drives it carries
//! commands to the unit and answers back.
//!
//! ```text
//!             submit(request, token)                 next_command
//!   export ──────────────────────────▶ Translator ───────────────────▶ the vHBA's command path
//!          ◀────────────────────────── cut, retry ◀──────────────────
//!             next_finished           hold, fall back   completed, refused, lost
//! ```
//!
//! | NBD | SCSI |
//! |---|---|
//! | READ | READ(16), cut at the unit's largest transfer |
//! | WRITE | WRITE(16), the same; FUA by its bit where the unit has it, else by SYNCHRONIZE CACHE(16) before the answer |
//! | FLUSH | SYNCHRONIZE CACHE(16) of the whole unit |
//! | TRIM | UNMAP; a unit that refuses it after all has done its duty, since TRIM is a hint |
//! | WRITE_ZEROES | WRITE SAME(16), which may unmap unless NO_HOLE; where the unit refuses that, without unmapping; then WRITE(16) |
//! | WRITE_ZEROES with FAST_ZERO | only where WRITE SAME(16) may unmap; else `NotSupported` |
//!
//! **Blocks are whole.** What is not aligned to the unit's blocks is refused. Reading a block, changing a part and writing
//! it back would put old octets over what another initiator of a shared unit, or another client, wrote in between: an
//! acknowledged write overwritten by a stale one. The export says its block size, and clients keep to it.
//!
//! How answers are judged is the table of [`judge`].

mod facts;
mod job;
mod probe;
mod translator;
mod verdict;

pub use facts::{UnitFacts, Unmap, WriteSame};
pub use probe::{Probe, ProbeError, Probed};
pub use translator::{CommandTag, Patience, Translator};
pub use verdict::{Verdict, judge};
