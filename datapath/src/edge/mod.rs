//! The edges: where frames leave and enter the datapath. An [`Uplink`] is a director's port on a LAN, a [`Device`] an
//! adapter's network device on a server. Twins: `kernel` (AF_PACKET, TAP) and `memory` (queues, for tests and simulation).

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use twinrail_datapath_sys::{ReceiveQueue, SendQueue};
use twinrail_proto::domain::{MacAddress, Mtu};
use twinrail_proto::rail::VlanTag;

use crate::Cause;
use crate::arena::{Arena, Lent, Piece};
use crate::error::EdgeError;
use crate::head::Head;

pub mod kernel;
pub mod memory;

/// A frame for the LAN: offload header and frame, first the head, then the body.
#[derive(Clone, Copy)]
pub struct UplinkFrame {
    /// Whose it is: the adapter's place in the table of the moment.
    pub adapter: u32,
    pub head: Head,
    pub body: Option<Piece>,
}

/// A frame from the LAN, in one of the lent buffers.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Which of the buffers.
    pub buffer: usize,
    /// Offload header and frame together.
    pub length: usize,
    pub truncated: bool,
    pub tag: ArrivalTag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrivalTag {
    None,
    /// Taken out of the frame.
    Vlan(VlanTag),
    /// The tag of a provider's bridge, which no adapter may see.
    Service,
}

/// A director's port on a LAN. Both threads use it at the same time.
pub trait Uplink: Send + Sync {
    /// Sends the frames in order; those that did not go are added to `failed`, with the cause.
    fn send(&self, queue: &mut SendQueue, arena: &Arena, frames: &[UplinkFrame], failed: &mut Vec<(u32, Cause)>);
    /// Receives frames into the buffers, without waiting.
    fn receive(&self, queue: &mut ReceiveQueue, buffers: &mut [Lent], into: &mut Vec<Arrival>) -> io::Result<()>;
    /// What to wait on; None: ask again.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
    /// Whether it still is the device of this name: devices go away and come back as other ones.
    fn is_current(&self, device: &str) -> bool;
}

/// An adapter's network device on the server. One thread reads, another one writes.
pub trait Device: Send + Sync {
    /// One frame with its offload header; `WouldBlock`: there is none.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&self, frame: &[u8]) -> io::Result<()>;
    fn fd(&self) -> Option<BorrowedFd<'_>>;
    /// Somebody else removed it.
    fn is_gone(&self) -> bool;
}

/// What a device is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    pub name: String,
    pub mac: MacAddress,
    pub mtu: Mtu,
}

/// Opens the ports of a director.
pub trait Ports: Send + Sync {
    fn open(&self, device: &str) -> Result<Arc<dyn Uplink>, EdgeError>;
}

/// Makes the devices of a server.
pub trait Devices: Send + Sync {
    fn create(&self, spec: &DeviceSpec) -> Result<Arc<dyn Device>, EdgeError>;
    /// Changes address and MTU of one that is there.
    fn change(&self, spec: &DeviceSpec) -> Result<(), EdgeError>;
}
