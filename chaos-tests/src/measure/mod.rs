//! The programs that measure, each run by `lab <name>` in any namespace. They answer in JSON.
//!
//! ```text
//!   prober      one UDP probe every millisecond to a responder; tells every gap in the answers and every lost probe
//!   responder   answers probes; echoes TCP streams after it verified them
//!   raw-responder
//!               answers probes on a device that is still to come, from its first frame on
//!   tcp-stream  one long TCP connection to a responder, verified at both ends; tells whether it lived and how it stalled
//!   round-trip  one probe at a time: how long an answer takes
//!   frames      64-byte frames as fast as one core can send them
//! ```
//!
//! All times are CLOCK_MONOTONIC in nanoseconds, so that what different processes saw can be put on one line.

pub mod clock;
pub mod echo;
pub mod frames;
pub mod pattern;
pub mod probe_log;
pub mod prober;
pub mod raw_responder;
pub mod report;
pub mod responder;
pub mod round_trip;
pub mod tcp_stream;
