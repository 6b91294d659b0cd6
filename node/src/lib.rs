//! The program that runs on every machine: director, server agent and client commands.

pub mod agent;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod director;
pub mod link;
pub mod metrics;
mod problems;
mod reminders;
pub mod stop;
pub mod telemetry;
