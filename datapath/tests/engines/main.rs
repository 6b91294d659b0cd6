//! The real engines over rails and edges in memory, on a virtual clock.

mod fencing;
mod switching;
mod world;
