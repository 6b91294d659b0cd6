//! The guarantees of the placement module, as properties over random worlds, and its choices in examples.

mod choices;
mod gathering;
mod properties;
mod speed;
mod world;
