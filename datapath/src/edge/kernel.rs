//! Edges of the kernel: AF_PACKET sockets on LAN ports, TAP devices for adapters.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use twinrail_datapath_sys::{
    LinkSettings, PacketSocket, ReceiveQueue, SendQueue, StrippedTag, Tap, configure_link, interface_flags,
    interface_index,
};
use twinrail_proto::domain::UplinkState;
use twinrail_proto::rail::VlanTag;

use super::{Arrival, ArrivalTag, Device, DeviceSpec, Devices, Ports, Uplink, UplinkFrame};
use crate::Cause;
use crate::arena::{Arena, Lent};
use crate::error::EdgeError;

/// The longest device name (IFNAMSIZ without the closing zero).
const LONGEST_NAME: usize = 15;

/// Frames that may wait in a device: the kernel drops more. Enough for a burst while the thread is away for some ms.
const DEVICE_QUEUE: u32 = 2000;

/// The largest super-frame that a device gives us. With all headers it must fit into one datagram of a rail with the
/// largest MTU, or else every one would go in two pieces.
const LARGEST_PACKET: u32 = 60_000;

/// Tries of one send: the first may only report that the port had been down before.
const SEND_TRIES: usize = 2;

/// The LAN ports of this machine.
pub struct KernelPorts;

/// TAP devices in the network namespace of the calling thread.
pub struct KernelDevices;

struct KernelUplink {
    socket: PacketSocket,
    index: i32,
}

struct KernelDevice {
    tap: Tap,
    gone: AtomicBool,
}

impl Ports for KernelPorts {
    fn open(&self, device: &str) -> Result<Arc<dyn Uplink>, EdgeError> {
        let failed = |source| EdgeError::OpenPort { device: device.into(), source };
        let socket = PacketSocket::open(device).map_err(failed)?;
        let index = interface_index(device).map_err(failed)?;
        Ok(Arc::new(KernelUplink { socket, index }))
    }
}

impl Uplink for KernelUplink {
    fn send(&self, queue: &mut SendQueue, arena: &Arena, frames: &[UplinkFrame], failed: &mut Vec<(u32, Cause)>) {
        let mut rest = frames;
        while !rest.is_empty() {
            let mut batch = queue.start();
            for frame in rest {
                if !batch.has_room(2) {
                    break;
                }
                batch.message(None, None);
                batch.part(frame.head.bytes());
                if let Some(body) = frame.body {
                    batch.part(arena.piece(body));
                }
            }
            let count = batch.len();
            let (mut at, mut tries) = (0, 0);
            while at < count {
                match batch.send(&self.socket, at) {
                    Ok(sent) => (at, tries) = (at + sent, 0),
                    Err(error) if is_full(&error) => {
                        failed.push((rest[at].adapter, Cause::UplinkFull));
                        (at, tries) = (at + 1, 0);
                    }
                    Err(_) if tries + 1 < SEND_TRIES => tries += 1,
                    Err(_) => {
                        failed.push((rest[at].adapter, Cause::UplinkRefused));
                        (at, tries) = (at + 1, 0);
                    }
                }
            }
            rest = &rest[count..];
        }
    }

    fn receive(&self, queue: &mut ReceiveQueue, buffers: &mut [Lent], into: &mut Vec<Arrival>) -> io::Result<()> {
        let count = queue.receive(&self.socket, buffers.iter_mut().map(|it| &mut it.buffer[..]))?;
        for buffer in 0..count {
            let received = queue.message(buffer);
            let tag = received.tag.map_or(ArrivalTag::None, arrival_tag);
            into.push(Arrival { buffer, length: received.length, truncated: received.truncated, tag });
        }
        Ok(())
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn is_current(&self, device: &str) -> bool {
        interface_index(device).is_ok_and(|it| it == self.index)
    }
}

/// How this machine's LAN port is at this moment; never settling: that is a judgement over time.
pub fn port_state(device: &str) -> UplinkState {
    match interface_flags(device) {
        Ok(flags) if flags.up && flags.running => UplinkState::Up,
        Ok(flags) if flags.up => UplinkState::NoCarrier,
        Ok(_) => UplinkState::Down,
        Err(_) => UplinkState::Missing,
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(105 /* ENOBUFS */)
}

fn arrival_tag(tag: StrippedTag) -> ArrivalTag {
    const VLAN: u16 = 0x8100;
    match tag.protocol {
        VLAN => ArrivalTag::Vlan(VlanTag(tag.control)),
        _ => ArrivalTag::Service,
    }
}

impl Devices for KernelDevices {
    fn create(&self, spec: &DeviceSpec) -> Result<Arc<dyn Device>, EdgeError> {
        let name = &spec.name;
        if name.len() > LONGEST_NAME {
            return Err(EdgeError::LongName { name: name.clone(), length: name.len() });
        }
        if interface_index(name).is_ok() {
            return Err(EdgeError::NameTaken { name: name.clone() });
        }
        let tap = Tap::create(name).map_err(|source| EdgeError::MakeDevice { name: name.clone(), source })?;
        self.change(spec)?;
        Ok(Arc::new(KernelDevice { tap, gone: AtomicBool::new(false) }))
    }

    fn change(&self, spec: &DeviceSpec) -> Result<(), EdgeError> {
        let settings = LinkSettings {
            mac: spec.mac.octets(),
            mtu: u32::from(spec.mtu.get()),
            queue: DEVICE_QUEUE,
            largest_packet: LARGEST_PACKET,
        };
        configure_link(&spec.name, &settings).map_err(|source| EdgeError::Configure { name: spec.name.clone(), source })
    }
}

impl Device for KernelDevice {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.tap.read(buffer);
        if result.as_ref().is_err_and(|it| it.kind() != io::ErrorKind::WouldBlock) {
            self.gone.store(true, Ordering::Relaxed);
        }
        result
    }

    fn write(&self, frame: &[u8]) -> io::Result<()> {
        self.tap.write(frame).map(drop)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.tap.as_fd())
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}
