//! Storage networks outside.

pub mod iscsi;
