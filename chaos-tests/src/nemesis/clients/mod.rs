//! Those who use the cluster while it is under fire, and write down what they saw. Beside the two kinds here, every vNIC has a 1 ms
//! prober and a TCP stream on it ([`crate::lab::card`]), and the disk has the block checker ([`crate::consistency::running`]).

pub mod api;
pub mod spoof;
