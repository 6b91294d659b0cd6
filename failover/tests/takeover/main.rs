//! Two homes of one vHBA and an array with slow writes, in every order of events that chance finds: what the fence is for.

mod agent;
mod array;
mod home;
mod properties;
mod world;
