//! gRPC over the rails, between directors and from agents to directors: a channel for each (director, rail), used only
//! while that path is up, thrown away the moment it goes down. No call waits for a TCP connection whose path is dead.

mod channels;
mod paths;

pub use channels::{CLUSTER_KEY, DIRECTOR_KEY, Identity, LinkError, Links, STORE_KEY};
pub use paths::{PathBoard, PathWatch, path_ended, path_lost};
