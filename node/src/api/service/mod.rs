//! The services: one file each, but for those that have the five standard methods and no other.

mod adapter;
mod cluster;
mod director;
mod event;
mod failover;
mod plain;
mod profile;
mod standard;
