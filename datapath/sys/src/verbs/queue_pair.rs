use std::io;
use std::mem::{forget, take, zeroed};
use std::ops::Range;
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::completion::{Completion, CompletionQueue};
use super::context::LinkLayer;
use super::domain::Domain;
use super::exposed::RemoteSegment;
use super::receives::SharedReceives;
use super::region::Region;
use super::slab::Slab;
use super::{check_number, check_object};
use crate::pages::Buffer;

/// A reliable connection's end: sends, and receives from a [`SharedReceives`].
///
/// ```text
///   new ──▶ connect (to the peer's end) ──▶ works ──▶ breaks by itself, or `break_off` ──▶ all work is flushed
/// ```
#[derive(Debug)]
pub struct QueuePair {
    pub(super) raw: NonNull<ffi::ibv_qp>,
    /// Buffers that RDMA reads are under way to.
    reading: Mutex<Slab>,
    inline: u32,
    receives: Arc<SharedReceives>,
    /// Where it reports: they outlive it.
    _completions: [Arc<CompletionQueue>; 2],
    domain: Arc<Domain>,
}

// SAFETY: verbs may be called by any thread, and by several at once.
unsafe impl Send for QueuePair {}
// SAFETY: as above.
unsafe impl Sync for QueuePair {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePairSize {
    /// Work requests under way at the same time.
    pub requests: u32,
    /// Segments of one request.
    pub segments: u32,
    /// The largest request whose octets go along with it.
    pub inline: u32,
}

/// How a peer's end is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub queue_pair: u32,
    /// The number of its first packet (24 bits).
    pub first_packet: u32,
    pub gid: [u8; 16],
    pub lid: u16,
}

/// How packets go there. Times and tries are as verbs count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub port: u8,
    pub link_layer: LinkLayer,
    /// The GID that packets come from; None: the subnet alone (LIDs).
    pub gid_index: Option<u8>,
    pub pkey_index: u16,
    pub service_level: u8,
    pub traffic_class: u8,
    /// 1 is 256 octets, 5 is 4096.
    pub mtu: u8,
    /// 4.096 µs × 2^timeout until a packet counts as lost.
    pub timeout: u8,
    /// Losses in a row until the connection breaks.
    pub retries: u8,
    /// Refusals for want of a receive until the connection breaks; 7: it waits for ever.
    pub receiver_retries: u8,
    /// The pause after such a refusal, as verbs code it.
    pub receiver_pause: u8,
    /// RDMA reads under way at a time, each way.
    pub reads: u8,
    /// Whether the peer may reach for what is [`Exposed`](super::Exposed) in the domain.
    pub remote_access: bool,
}

impl QueuePair {
    /// The completion queues: of what is sent, and of what is received.
    pub fn new(
        [sends, receptions]: [&Arc<CompletionQueue>; 2],
        receives: &Arc<SharedReceives>,
        size: QueuePairSize,
    ) -> io::Result<Arc<Self>> {
        let domain = receives.domain();
        if [sends, receptions].iter().any(|it| !Arc::ptr_eq(it.context(), domain.context())) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: all-zero octets are a valid value.
        let mut attributes: ffi::ibv_qp_init_attr = unsafe { zeroed() };
        (attributes.send_cq, attributes.recv_cq) = (sends.raw.as_ptr(), receptions.raw.as_ptr());
        attributes.srq = receives.raw.as_ptr();
        attributes.cap.max_send_wr = size.requests;
        attributes.cap.max_send_sge = size.segments;
        attributes.cap.max_inline_data = size.inline;
        attributes.qp_type = ffi::ibv_qp_type::IBV_QPT_RC;
        // SAFETY: domain, queues and shared receives are there, and of one open device.
        let raw = check_object(unsafe { ffi::ibv_create_qp(domain.raw.as_ptr(), &raw mut attributes) })?;
        Ok(Arc::new(Self {
            raw,
            reading: Mutex::default(),
            inline: attributes.cap.max_inline_data,
            receives: Arc::clone(receives),
            _completions: [Arc::clone(sends), Arc::clone(receptions)],
            domain: Arc::clone(domain),
        }))
    }

    pub fn number(&self) -> u32 {
        // SAFETY: the queue pair is there as long as `self`.
        unsafe { self.raw.as_ref() }.qp_num
    }

    /// The largest request whose octets go along with it: at least what was asked for.
    pub fn inline(&self) -> usize {
        self.inline as usize
    }

    pub fn receives(&self) -> &Arc<SharedReceives> {
        &self.receives
    }

    /// Connects it to the peer's end. It receives when this returns; it may send when the peer receives.
    pub fn connect(&self, first_packet: u32, peer: &Endpoint, route: &Route) -> io::Result<()> {
        self.initialise(route)?;
        self.ready_to_receive(peer, route)?;
        self.ready_to_send(first_packet, route)
    }

    fn initialise(&self, route: &Route) -> io::Result<()> {
        use ffi::ibv_access_flags as flags;
        use ffi::ibv_qp_attr_mask as mask;
        let remote =
            if route.remote_access { flags::IBV_ACCESS_REMOTE_READ | flags::IBV_ACCESS_REMOTE_WRITE } else { flags(0) };
        let mut it = attributes(ffi::ibv_qp_state::IBV_QPS_INIT);
        (it.port_num, it.pkey_index) = (route.port, route.pkey_index);
        it.qp_access_flags = (flags::IBV_ACCESS_LOCAL_WRITE | remote).0;
        self.modify(it, mask::IBV_QP_PKEY_INDEX | mask::IBV_QP_PORT | mask::IBV_QP_ACCESS_FLAGS)
    }

    fn ready_to_receive(&self, peer: &Endpoint, route: &Route) -> io::Result<()> {
        use ffi::ibv_qp_attr_mask as mask;
        let mut it = attributes(ffi::ibv_qp_state::IBV_QPS_RTR);
        it.path_mtu = ffi::ibv_mtu::from(route.mtu);
        (it.dest_qp_num, it.rq_psn) = (peer.queue_pair, peer.first_packet);
        (it.max_dest_rd_atomic, it.min_rnr_timer) = (route.reads, route.receiver_pause);
        (it.ah_attr.dlid, it.ah_attr.sl, it.ah_attr.port_num) = (peer.lid, route.service_level, route.port);
        if let Some(index) = route.gid_index {
            it.ah_attr.is_global = 1;
            it.ah_attr.grh.dgid = ffi::ibv_gid { raw: peer.gid };
            (it.ah_attr.grh.sgid_index, it.ah_attr.grh.hop_limit) = (index, 64);
            it.ah_attr.grh.traffic_class = route.traffic_class;
        }
        let what = mask::IBV_QP_AV
            | mask::IBV_QP_PATH_MTU
            | mask::IBV_QP_DEST_QPN
            | mask::IBV_QP_RQ_PSN
            | mask::IBV_QP_MAX_DEST_RD_ATOMIC
            | mask::IBV_QP_MIN_RNR_TIMER;
        self.modify(it, what)
    }

    fn ready_to_send(&self, first_packet: u32, route: &Route) -> io::Result<()> {
        use ffi::ibv_qp_attr_mask as mask;
        let mut it = attributes(ffi::ibv_qp_state::IBV_QPS_RTS);
        (it.timeout, it.retry_cnt, it.rnr_retry) = (route.timeout, route.retries, route.receiver_retries);
        (it.sq_psn, it.max_rd_atomic) = (first_packet, route.reads);
        let what = mask::IBV_QP_TIMEOUT
            | mask::IBV_QP_RETRY_CNT
            | mask::IBV_QP_RNR_RETRY
            | mask::IBV_QP_SQ_PSN
            | mask::IBV_QP_MAX_QP_RD_ATOMIC;
        self.modify(it, what)
    }

    /// Ends the connection from this side. All work that is under way comes back flushed.
    pub fn break_off(&self) -> io::Result<()> {
        self.modify(attributes(ffi::ibv_qp_state::IBV_QPS_ERR), ffi::ibv_qp_attr_mask(0))
    }

    /// Whether it has broken.
    pub fn is_broken(&self) -> io::Result<bool> {
        // SAFETY: all-zero octets are valid values of both.
        let (mut it, mut initial): (ffi::ibv_qp_attr, ffi::ibv_qp_init_attr) = unsafe { (zeroed(), zeroed()) };
        let what = ffi::ibv_qp_attr_mask::IBV_QP_STATE.0 as i32;
        // SAFETY: the queue pair is there, and both are valid places for the answer.
        check_number(unsafe { ffi::ibv_query_qp(self.raw.as_ptr(), &raw mut it, what, &raw mut initial) })?;
        Ok(it.qp_state == ffi::ibv_qp_state::IBV_QPS_ERR)
    }

    /// Reads from the peer's memory to a stretch of the buffer, which comes back by [`finish_read`](Self::finish_read); at
    /// once when the work cannot be posted. Its completion is always reported.
    pub fn read(
        &self,
        region: &Region,
        buffer: Buffer,
        range: Range<usize>,
        from: RemoteSegment,
    ) -> Result<(), (Buffer, io::Error)> {
        let mut reading = self.reading();
        if !region.is_of(&self.domain) || !reading.has_room() {
            return Err((buffer, io::ErrorKind::InvalidInput.into()));
        }
        let mut segment = region.segment(&buffer, range).raw;
        let id = reading.put(buffer);
        // SAFETY: all-zero octets are a valid value.
        let mut request: ffi::ibv_send_wr = unsafe { zeroed() };
        (request.wr_id, request.sg_list, request.num_sge) = (id, &raw mut segment, 1);
        request.opcode = ffi::ibv_wr_opcode::IBV_WR_RDMA_READ;
        request.send_flags = ffi::ibv_send_flags::IBV_SEND_SIGNALED.0;
        request.wr.rdma = ffi::ibv_send_wr__bindgen_ty_2__bindgen_ty_1 { remote_addr: from.address, rkey: from.key };
        // SAFETY: the request and its segment outlive the call. The memory is owned by `reading` until the completion of this
        // very id is shown, or the queue pair is destroyed.
        let result = unsafe { self.post(&raw mut request) };
        result.map_err(|(_, error)| (reading.take(id).expect("it was just put there"), error))
    }

    /// The buffer of a read that ended; None: this was no read of this queue pair, or was shown before.
    pub fn finish_read(&self, completion: &Completion) -> Option<Buffer> {
        self.reading().take(completion.id())
    }

    /// Posts a chain of requests. Fails with the first that was refused.
    ///
    /// # Safety
    ///
    /// Requests and segments must be valid for the call, and memory that the hardware may write must be owned by a wrapper.
    pub(super) unsafe fn post(&self, first: *mut ffi::ibv_send_wr) -> Result<(), (*mut ffi::ibv_send_wr, io::Error)> {
        // SAFETY: the device is open as long as `self`.
        let operations = unsafe { &(*self.domain.context().raw.as_ptr()).ops };
        let Some(post) = operations.post_send else { return Err((first, io::ErrorKind::Unsupported.into())) };
        let mut refused = null_mut();
        // SAFETY: the queue pair is there; for the rest the caller answers.
        check_number(unsafe { post(self.raw.as_ptr(), first, &raw mut refused) }).map_err(|error| (refused, error))
    }

    fn modify(&self, mut to: ffi::ibv_qp_attr, what: ffi::ibv_qp_attr_mask) -> io::Result<()> {
        let what = what | ffi::ibv_qp_attr_mask::IBV_QP_STATE;
        // SAFETY: the queue pair is there, and the attributes are valid.
        check_number(unsafe { ffi::ibv_modify_qp(self.raw.as_ptr(), &raw mut to, what.0 as i32) })
    }

    fn reading(&self) -> MutexGuard<'_, Slab> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn attributes(state: ffi::ibv_qp_state::Type) -> ffi::ibv_qp_attr {
    // SAFETY: all-zero octets are a valid value.
    let mut it: ffi::ibv_qp_attr = unsafe { zeroed() };
    it.qp_state = state;
    it
}

impl Drop for QueuePair {
    fn drop(&mut self) {
        // SAFETY: it was made once, and nothing is made of it.
        if unsafe { ffi::ibv_destroy_qp(self.raw.as_ptr()) } != 0 {
            // The hardware may still write to them: they are given up.
            forget(take(&mut *self.reading()));
        }
    }
}
