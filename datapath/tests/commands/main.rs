//! Commands between an agent and its homes: one agent, two directors, one array, and wires that fail, on a virtual clock.

mod array;
mod home;
mod pair;
mod refusals;
mod replay;
mod timeouts;
mod wire;
mod world;
