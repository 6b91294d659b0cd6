use std::ffi::CString;
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use super::event::AsyncEvent;
use super::{check_number, check_object, set_nonblocking};

/// The RDMA devices of this machine. None, with no error: its kernel has RDMA, but no device.
pub fn device_names() -> io::Result<Vec<String>> {
    let devices = ibverbs::devices()?;
    Ok(devices.iter().filter_map(|it| it.name()).map(|it| it.to_string_lossy().into_owned()).collect())
}

/// An open RDMA device.
#[derive(Debug)]
pub struct Context {
    pub(super) raw: NonNull<ffi::ibv_context>,
}

// SAFETY: verbs may be called by any thread, and by several at once.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    InfiniBand,
    Ethernet,
}

/// A port at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    pub number: u8,
    pub active: bool,
    pub link_layer: LinkLayer,
    /// Where an InfiniBand subnet finds it; 0 on Ethernet.
    pub lid: u16,
    /// As verbs number it: 1 is 256 octets, 5 is 4096.
    pub mtu: u8,
    pub gids: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GidKind {
    InfiniBand,
    RoceV1,
    RoceV2,
}

/// An address of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GidEntry {
    pub port: u8,
    pub index: u8,
    pub gid: [u8; 16],
    pub kind: GidKind,
    /// The kernel's number of the net device that it belongs to; 0: none.
    pub interface: u32,
}

/// How much of each object the device allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub ports: u8,
    pub work_requests: u32,
    pub completions: u32,
    pub shared_receives: u32,
    /// RDMA reads that may be under way to a queue pair of ours.
    pub reads: u8,
}

/// GIDs that are asked for at once: more than any port's table holds.
const GIDS: usize = 1024;

impl Context {
    pub fn open(device: &str) -> io::Result<Arc<Self>> {
        let name = CString::new(device)?;
        let mut count = 0;
        // SAFETY: `count` is a valid place for the number.
        let list = check_object(unsafe { ffi::ibv_get_device_list(&raw mut count) })?;
        // SAFETY: the list has `count` devices, whose names are strings, and is given back once, after the device was opened.
        let opened = unsafe {
            let devices = std::slice::from_raw_parts(list.as_ptr(), count.max(0) as usize);
            let found = devices.iter().find(|&&it| std::ffi::CStr::from_ptr(ffi::ibv_get_device_name(it)) == &*name);
            let opened = found.map(|&it| check_object(ffi::ibv_open_device(it)));
            ffi::ibv_free_device_list(list.as_ptr());
            opened
        };
        let context = Self { raw: opened.ok_or(io::ErrorKind::NotFound)?? };
        set_nonblocking(context.async_fd())?;
        Ok(Arc::new(context))
    }

    pub fn limits(&self) -> io::Result<Limits> {
        // SAFETY: all-zero octets are a valid value.
        let mut it: ffi::ibv_device_attr = unsafe { zeroed() };
        // SAFETY: the device is open, and `it` is a valid place for the answer.
        check_number(unsafe { ffi::ibv_query_device(self.raw.as_ptr(), &raw mut it) })?;
        Ok(Limits {
            ports: it.phys_port_cnt,
            work_requests: it.max_qp_wr.max(0) as u32,
            completions: it.max_cqe.max(0) as u32,
            shared_receives: it.max_srq_wr.max(0) as u32,
            reads: it.max_qp_rd_atom.clamp(0, 255) as u8,
        })
    }

    pub fn port(&self, number: u8) -> io::Result<Port> {
        // SAFETY: all-zero octets are a valid value.
        let mut it: ffi::ibv_port_attr = unsafe { zeroed() };
        // SAFETY: the device is open; the call writes a prefix of `it`, which is what its compatible type stands for.
        check_number(unsafe { ffi::ibv_query_port(self.raw.as_ptr(), number, (&raw mut it).cast()) })?;
        let ethernet = u32::from(it.link_layer) == ffi::IBV_LINK_LAYER_ETHERNET;
        Ok(Port {
            number,
            active: it.state == ffi::ibv_port_state::IBV_PORT_ACTIVE,
            link_layer: if ethernet { LinkLayer::Ethernet } else { LinkLayer::InfiniBand },
            lid: it.lid,
            mtu: it.active_mtu as u8,
            gids: it.gid_tbl_len.max(0) as u32,
        })
    }

    /// The addresses of all ports.
    pub fn gids(&self) -> io::Result<Vec<GidEntry>> {
        // SAFETY: all-zero octets are a valid value.
        let mut entries = vec![unsafe { zeroed::<ffi::ibv_gid_entry>() }; GIDS];
        // SAFETY: the device is open, and `entries` has room for as many entries of this size as are said.
        let count = unsafe {
            let size = size_of::<ffi::ibv_gid_entry>();
            ffi::_ibv_query_gid_table(self.raw.as_ptr(), entries.as_mut_ptr(), GIDS, 0, size)
        };
        let count = usize::try_from(count).map_err(|_| io::Error::from_raw_os_error(-count as i32))?;
        Ok(entries[..count].iter().map(gid_entry).collect())
    }

    pub fn has_pkey(&self, port: u8, index: u16) -> bool {
        let mut key = 0;
        // SAFETY: the device is open, and `key` is a valid place for the answer.
        let found = unsafe { ffi::ibv_query_pkey(self.raw.as_ptr(), port, i32::from(index), &raw mut key) } == 0;
        found && key != 0
    }

    /// The next thing that happened to a port or an object of the device; None: nothing did. Does not wait.
    pub fn next_event(&self) -> io::Result<Option<AsyncEvent>> {
        AsyncEvent::next(self.raw)
    }

    fn async_fd(&self) -> std::os::fd::RawFd {
        // SAFETY: the device is open.
        unsafe { self.raw.as_ref() }.async_fd
    }
}

fn gid_entry(it: &ffi::ibv_gid_entry) -> GidEntry {
    GidEntry {
        port: it.port_num as u8,
        index: it.gid_index as u8,
        // SAFETY: a GID is sixteen octets, however it is looked at.
        gid: unsafe { it.gid.raw },
        kind: match it.gid_type {
            ffi::IBV_GID_TYPE_ROCE_V1 => GidKind::RoceV1,
            ffi::IBV_GID_TYPE_ROCE_V2 => GidKind::RoceV2,
            _ => GidKind::InfiniBand,
        },
        interface: it.ndev_ifindex,
    }
}

/// Readable when there is an event.
impl AsFd for Context {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the device is.
        unsafe { BorrowedFd::borrow_raw(self.async_fd()) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the device was opened once; whatever was made of it holds a reference to `self`, so that nothing is left.
        unsafe { ffi::ibv_close_device(self.raw.as_ptr()) };
    }
}
