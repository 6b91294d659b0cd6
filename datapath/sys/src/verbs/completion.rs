use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use super::context::Context;
use super::{check_number, check_object, set_nonblocking};

/// Where the ends of work are reported, with a channel to sleep on.
///
/// To sleep: [`arm`](Self::arm), poll once more, wait for the descriptor, [`clear`](Self::clear), poll.
#[derive(Debug)]
pub struct CompletionQueue {
    pub(super) raw: NonNull<ffi::ibv_cq>,
    channel: NonNull<ffi::ibv_comp_channel>,
    context: Arc<Context>,
}

// SAFETY: verbs may be called by any thread, and by several at once.
unsafe impl Send for CompletionQueue {}
// SAFETY: as above.
unsafe impl Sync for CompletionQueue {}

/// Room for what one poll reports.
#[derive(Debug)]
pub struct Completions {
    entries: Box<[ffi::ibv_wc]>,
    count: usize,
}

/// The end of one work request. Only a poll makes one, so that it proves that the hardware is done with the request.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    raw: ffi::ibv_wc,
}

/// Why a work request came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    #[error("the queue pair had broken before")]
    Flushed,
    #[error("the peer does not answer")]
    RetryExceeded,
    #[error("the peer posts no receives")]
    ReceiverNotReady,
    #[error("a message larger than its buffer")]
    Length,
    #[error("memory that is not registered here")]
    Protection,
    #[error("memory that the peer does not let us reach")]
    RemoteAccess,
    #[error("the peer cannot take the request")]
    RemoteInvalid,
    #[error("the peer failed")]
    RemoteFailed,
    #[error("verbs status {0}")]
    Other(u32),
}

impl CompletionQueue {
    /// Room for at least so many completions: never let more work be under way than that, for an overrun breaks the queue.
    pub fn new(context: &Arc<Context>, entries: u32) -> io::Result<Arc<Self>> {
        let entries = i32::try_from(entries).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the device is open.
        let channel = check_object(unsafe { ffi::ibv_create_comp_channel(context.raw.as_ptr()) })?;
        // SAFETY: the device is open, and so is the channel.
        let raw = unsafe { ffi::ibv_create_cq(context.raw.as_ptr(), entries, null_mut(), channel.as_ptr(), 0) };
        let raw = check_object(raw).inspect_err(|_| {
            // SAFETY: the channel was just made and has no queue.
            unsafe { ffi::ibv_destroy_comp_channel(channel.as_ptr()) };
        })?;
        let queue = Self { raw, channel, context: Arc::clone(context) };
        set_nonblocking(queue.channel_fd())?;
        Ok(Arc::new(queue))
    }

    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Takes what has ended, as much as there is room for; returns how many.
    pub fn poll(&self, into: &mut Completions) -> io::Result<usize> {
        into.count = 0;
        let poll = self.operations().poll_cq.ok_or(io::ErrorKind::Unsupported)?;
        // SAFETY: the queue is there, and `entries` has room for as many as are said.
        let count = unsafe { poll(self.raw.as_ptr(), into.entries.len() as i32, into.entries.as_mut_ptr()) };
        match usize::try_from(count) {
            Ok(count) => into.count = count,
            Err(_) => return Err(io::Error::other("the completion queue is broken")),
        }
        Ok(into.count)
    }

    /// The next completion that is put in makes the descriptor readable. Those before it do not: poll after this.
    pub fn arm(&self) -> io::Result<()> {
        let arm = self.operations().req_notify_cq.ok_or(io::ErrorKind::Unsupported)?;
        // SAFETY: the queue is there.
        check_number(unsafe { arm(self.raw.as_ptr(), 0) })
    }

    /// Takes back what made the descriptor readable.
    pub fn clear(&self) -> io::Result<()> {
        let (mut queue, mut token) = (null_mut(), null_mut());
        let mut events = 0;
        // SAFETY: the channel is there, it does not wait, and both are valid places for pointers. Its only queue is this one.
        while unsafe { ffi::ibv_get_cq_event(self.channel.as_ptr(), &raw mut queue, &raw mut token) } == 0 {
            events += 1;
        }
        let error = io::Error::last_os_error();
        if events > 0 {
            // SAFETY: the queue is there, and so many of its events were taken and not acknowledged.
            unsafe { ffi::ibv_ack_cq_events(self.raw.as_ptr(), events) };
        }
        if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) }
    }

    fn operations(&self) -> &ffi::ibv_context_ops {
        // SAFETY: the device is open as long as `self`.
        unsafe { &(*self.context.raw.as_ptr()).ops }
    }

    fn channel_fd(&self) -> RawFd {
        // SAFETY: the channel is there as long as `self`.
        unsafe { self.channel.as_ref() }.fd
    }
}

/// Readable when a completion was put in since it was armed.
impl AsFd for CompletionQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the channel, which is there as long as `self`.
        unsafe { BorrowedFd::borrow_raw(self.channel_fd()) }
    }
}

impl Drop for CompletionQueue {
    fn drop(&mut self) {
        // SAFETY: both were made once; whatever reports to the queue holds a reference to `self`, so that nothing is left, and
        // every event that was taken is acknowledged.
        unsafe {
            ffi::ibv_destroy_cq(self.raw.as_ptr());
            ffi::ibv_destroy_comp_channel(self.channel.as_ptr());
        }
    }
}

impl Completions {
    pub fn with_room_for(count: usize) -> Self {
        Self { entries: vec![ffi::ibv_wc::default(); count.max(1)].into(), count: 0 }
    }

    pub fn iter(&self) -> impl Iterator<Item = Completion> + '_ {
        self.entries[..self.count].iter().map(|&raw| Completion { raw })
    }

    /// Number `at` of them. Panics when there are fewer.
    pub fn get(&self, at: usize) -> Completion {
        Completion { raw: self.entries[..self.count][at] }
    }

    /// How many fit.
    pub fn room(&self) -> usize {
        self.entries.len()
    }
}

impl Completion {
    /// The caller's token; for work whose buffer a wrapper owns, what that wrapper knows it by.
    pub fn id(&self) -> u64 {
        self.raw.wr_id()
    }

    /// The queue pair of ours that it was.
    pub fn queue_pair(&self) -> u32 {
        self.raw.qp_num
    }

    /// How many octets came. Means something for receives and reads that went well.
    pub fn length(&self) -> usize {
        self.raw.len()
    }

    /// The number that the sender sent along.
    pub fn immediate(&self) -> Option<u32> {
        self.raw.imm_data().map(u32::from_be)
    }

    pub fn result(&self) -> Result<(), WorkError> {
        use ffi::ibv_wc_status as status;
        let Some((code, _)) = self.raw.error() else { return Ok(()) };
        Err(match code {
            status::IBV_WC_WR_FLUSH_ERR => WorkError::Flushed,
            status::IBV_WC_RETRY_EXC_ERR | status::IBV_WC_RESP_TIMEOUT_ERR => WorkError::RetryExceeded,
            status::IBV_WC_RNR_RETRY_EXC_ERR => WorkError::ReceiverNotReady,
            status::IBV_WC_LOC_LEN_ERR => WorkError::Length,
            status::IBV_WC_LOC_PROT_ERR | status::IBV_WC_LOC_ACCESS_ERR => WorkError::Protection,
            status::IBV_WC_REM_ACCESS_ERR => WorkError::RemoteAccess,
            status::IBV_WC_REM_INV_REQ_ERR => WorkError::RemoteInvalid,
            status::IBV_WC_REM_OP_ERR | status::IBV_WC_REM_ABORT_ERR => WorkError::RemoteFailed,
            other => WorkError::Other(other),
        })
    }
}
