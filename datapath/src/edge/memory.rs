//! Edges in memory, for tests and simulation: what the datapath sends can be taken out, and frames can be put in.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use twinrail_datapath_sys::{ReceiveQueue, SendQueue};
use twinrail_proto::rail::VlanTag;

use super::{Arrival, ArrivalTag, Device, DeviceSpec, Devices, Ports, Uplink, UplinkFrame};
use crate::Cause;
use crate::arena::{Arena, Lent};
use crate::error::EdgeError;

/// Frames that may wait in a queue; more are dropped as a full device drops them.
const QUEUE: usize = 4096;

/// Frames with their offload headers, one way.
type Queue = Mutex<VecDeque<Vec<u8>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A LAN port or a device: a queue each way.
#[derive(Default)]
pub struct MemoryEdge {
    inwards: Queue,
    outwards: Queue,
}

impl MemoryEdge {
    /// A frame for the datapath, with its offload header; tags inline, as on a wire.
    pub fn put(&self, frame: Vec<u8>) {
        let mut queue = lock(&self.inwards);
        if queue.len() < QUEUE {
            queue.push_back(frame);
        }
    }

    /// The next frame that the datapath sent.
    pub fn take(&self) -> Option<Vec<u8>> {
        lock(&self.outwards).pop_front()
    }
}

impl Uplink for MemoryEdge {
    fn send(&self, _: &mut SendQueue, arena: &Arena, frames: &[UplinkFrame], failed: &mut Vec<(u32, Cause)>) {
        let mut queue = lock(&self.outwards);
        for UplinkFrame { adapter, head, body } in frames {
            match queue.len() < QUEUE {
                true => queue.push_back([head.bytes(), body.map_or(&[], |it| arena.piece(it))].concat()),
                false => failed.push((*adapter, Cause::UplinkFull)),
            }
        }
    }

    /// Takes a VLAN tag out of the frame, as the kernel does. Offload headers count from the frame without it.
    fn receive(&self, _: &mut ReceiveQueue, buffers: &mut [Lent], into: &mut Vec<Arrival>) -> io::Result<()> {
        let mut queue = lock(&self.inwards);
        for (buffer, lent) in buffers.iter_mut().enumerate() {
            let Some(mut frame) = queue.pop_front() else { break };
            let mut tag = ArrivalTag::None;
            if frame.get(22..24) == Some(&[0x81, 0x00]) && frame.len() >= 26 {
                tag = ArrivalTag::Vlan(VlanTag(u16::from_be_bytes([frame[24], frame[25]])));
                frame.drain(22..26);
            }
            let length = frame.len().min(lent.buffer.len());
            lent.buffer[..length].copy_from_slice(&frame[..length]);
            into.push(Arrival { buffer, length, truncated: length < frame.len(), tag });
        }
        Ok(())
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn is_current(&self, _device: &str) -> bool {
        true
    }
}

impl Device for MemoryEdge {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let frame = lock(&self.inwards).pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let length = frame.len().min(buffer.len());
        buffer[..length].copy_from_slice(&frame[..length]);
        Ok(length)
    }

    fn write(&self, frame: &[u8]) -> io::Result<()> {
        let mut queue = lock(&self.outwards);
        if queue.len() >= QUEUE {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        queue.push_back(frame.to_vec());
        Ok(())
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn is_gone(&self) -> bool {
        false
    }
}

/// Edges by name, made when they are first asked for. A clone sees the same ones.
#[derive(Clone, Default)]
pub struct MemoryEdges {
    edges: Arc<Mutex<BTreeMap<String, Arc<MemoryEdge>>>>,
}

impl MemoryEdges {
    pub fn edge(&self, name: &str) -> Arc<MemoryEdge> {
        Arc::clone(lock(&self.edges).entry(name.into()).or_default())
    }
}

impl Ports for MemoryEdges {
    fn open(&self, device: &str) -> Result<Arc<dyn Uplink>, EdgeError> {
        Ok(self.edge(device))
    }
}

impl Devices for MemoryEdges {
    fn create(&self, spec: &DeviceSpec) -> Result<Arc<dyn Device>, EdgeError> {
        Ok(self.edge(&spec.name))
    }

    fn change(&self, _spec: &DeviceSpec) -> Result<(), EdgeError> {
        Ok(())
    }
}
