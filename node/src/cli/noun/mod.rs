//! The nouns: for each its verbs as clap reads them, what they ask of the API, and how its resources look to people.

mod adapter;
mod cloud;
mod cluster;
mod director;
mod drain;
mod event;
mod failover;
#[cfg(test)]
mod golden;
mod pool;
mod profile;
mod qos;
mod san;
mod server;
mod settle;
mod template;
mod vhba;

pub use adapter::VnicCommand;
pub use cloud::{LanCommand, SanCommand};
pub use cluster::ClusterCommand;
pub use director::DirectorCommand;
pub use event::EventCommand;
pub use failover::FailoverCommand;
pub use pool::PoolCommand;
pub use profile::ProfileCommand;
pub use qos::QosCommand;
pub use server::ServerCommand;
pub use template::TemplateCommand;
pub use vhba::VhbaCommand;

use std::time::SystemTime;

use prost_types::Timestamp;

use super::text::{age, or_nothing, time};

/// The last facts of every `show`.
fn stamp_facts(
    create_time: Option<&Timestamp>,
    update_time: Option<&Timestamp>,
    etag: &str,
    now: SystemTime,
) -> [(&'static str, String); 3] {
    let both = |it: Option<&Timestamp>| format!("{} ({} ago)", time(it), age(it, now));
    [("created", both(create_time)), ("updated", both(update_time)), ("etag", or_nothing(etag))]
}
