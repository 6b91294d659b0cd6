use std::io;
use std::marker::PhantomData;
use std::mem::zeroed;
use std::ptr::null_mut;

use super::OWNED;
use super::exposed::RemoteSegment;
use super::queue_pair::QueuePair;
use super::region::Segment;

/// Room for requests that are posted together, kept from batch to batch.
#[derive(Default)]
pub struct WorkList {
    requests: Vec<ffi::ibv_send_wr>,
    segments: Vec<ffi::ibv_sge>,
}

// SAFETY: the pointers in it are set right before each post and followed only then.
unsafe impl Send for WorkList {}

impl WorkList {
    /// An empty batch. Octets that go along with a request live for `'a`.
    pub fn start<'a>(&'a mut self) -> WorkBatch<'a> {
        self.requests.clear();
        self.segments.clear();
        WorkBatch { list: self, inline: 0, octets: PhantomData }
    }
}

/// Requests that are being put together. All of them go to one queue pair, in this order.
pub struct WorkBatch<'a> {
    list: &'a mut WorkList,
    /// The longest of those whose octets go along.
    inline: usize,
    octets: PhantomData<&'a [u8]>,
}

impl<'a> WorkBatch<'a> {
    pub fn len(&self) -> usize {
        self.list.requests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends a message from registered memory, which must stay as it is until the completion of this or a later request.
    /// `reported`: its completion is; that of one that fails always is. Panics when the token has [`OWNED`] set.
    pub fn send(&mut self, token: u64, segments: &[Segment], immediate: Option<u32>, reported: bool) {
        let first = self.list.segments.len();
        self.list.segments.extend(segments.iter().map(|it| it.raw));
        self.add(token, first, send_opcode(immediate), immediate, reported);
    }

    /// Sends a message whose octets are taken when it is posted. All of them together must fit [`QueuePair::inline`].
    pub fn send_inline(&mut self, token: u64, parts: &[&'a [u8]], immediate: Option<u32>, reported: bool) {
        let first = self.list.segments.len();
        let parts = parts.iter().filter(|it| !it.is_empty());
        let segment = |it: &&[u8]| ffi::ibv_sge { addr: it.as_ptr() as u64, length: it.len() as u32, lkey: 0 };
        self.list.segments.extend(parts.map(segment));
        self.inline = self.list.segments[first..].iter().map(|it| it.length as usize).sum::<usize>().max(self.inline);
        self.add(token, first, send_opcode(immediate), immediate, reported);
        let request = self.list.requests.last_mut().expect("it was just added");
        request.send_flags |= ffi::ibv_send_flags::IBV_SEND_INLINE.0;
    }

    /// Writes registered memory of ours to a peer's. As with [`send`](Self::send) it must stay as it is.
    pub fn write(&mut self, token: u64, segments: &[Segment], to: RemoteSegment, reported: bool) {
        let first = self.list.segments.len();
        self.list.segments.extend(segments.iter().map(|it| it.raw));
        self.add(token, first, ffi::ibv_wr_opcode::IBV_WR_RDMA_WRITE, None, reported);
        let request = self.list.requests.last_mut().expect("it was just added");
        request.wr.rdma = ffi::ibv_send_wr__bindgen_ty_2__bindgen_ty_1 { remote_addr: to.address, rkey: to.key };
    }

    fn add(&mut self, token: u64, first: usize, opcode: u32, immediate: Option<u32>, reported: bool) {
        assert!(token & OWNED == 0, "a token that looks like an id of the wrappers");
        // SAFETY: all-zero octets are a valid value.
        let mut request: ffi::ibv_send_wr = unsafe { zeroed() };
        (request.wr_id, request.opcode) = (token, opcode);
        request.num_sge = (self.list.segments.len() - first) as i32;
        request.__bindgen_anon_1.imm_data = immediate.unwrap_or(0).to_be();
        if reported {
            request.send_flags = ffi::ibv_send_flags::IBV_SEND_SIGNALED.0;
        }
        self.list.requests.push(request);
    }

    /// Posts the requests. Returns how many the queue pair took, and why not all, where it did not.
    pub fn post(self, to: &QueuePair) -> (usize, io::Result<()>) {
        if self.inline > to.inline() {
            return (0, Err(io::ErrorKind::InvalidInput.into()));
        }
        let count = self.list.requests.len();
        if count == 0 {
            return (0, Ok(()));
        }
        let (requests, mut segment) = (self.list.requests.as_mut_ptr(), self.list.segments.as_mut_ptr());
        for at in 0..count {
            // SAFETY: `at` is below the number of requests, and their segments follow each other in the list.
            unsafe {
                let request = requests.add(at);
                (*request).sg_list = segment;
                (*request).next = if at + 1 < count { requests.add(at + 1) } else { null_mut() };
                segment = segment.add((*request).num_sge as usize);
            }
        }
        // SAFETY: requests and segments are chained above and outlive the call; the hardware only reads what they name: octets
        // that are borrowed for 'a are taken within the call, all else is registered memory.
        match unsafe { to.post(requests) } {
            Ok(()) => (count, Ok(())),
            Err((refused, error)) => {
                let taken = (0..count).find(|&at| requests.wrapping_add(at) == refused).unwrap_or(0);
                (taken, Err(error))
            }
        }
    }
}

fn send_opcode(immediate: Option<u32>) -> u32 {
    match immediate {
        Some(_) => ffi::ibv_wr_opcode::IBV_WR_SEND_WITH_IMM,
        None => ffi::ibv_wr_opcode::IBV_WR_SEND,
    }
}
