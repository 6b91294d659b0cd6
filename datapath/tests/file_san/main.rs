//! The SAN of files: what its logical units answer, what they leave on the disk, and who is kept from it.

mod commands;
mod model;
mod refusals;
mod reopen;
mod reservations;
mod sessions;
mod support;
