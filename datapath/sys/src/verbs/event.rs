use std::io;
use std::mem::zeroed;
use std::ptr::NonNull;

/// What happened to a device, beside the completion of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsyncEvent {
    /// To the queue pair of this number.
    QueuePair {
        number: u32,
        event: QueuePairEvent,
    },
    PortUp {
        port: u8,
    },
    PortDown {
        port: u8,
    },
    /// LID, P_Keys, GIDs or the subnet manager of the port.
    PortChanged {
        port: u8,
    },
    /// A completion queue overran, or a shared receive queue failed: what uses it is lost.
    QueueFailed,
    /// The device works no more.
    DeviceFailed,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueuePairEvent {
    /// The peer's first message came.
    Established,
    /// The peer reached for memory that it may not reach: a stale or a false key.
    AccessError,
    /// The peer sent what makes no sense here.
    RequestError,
    /// It broke in another way.
    Failed,
    /// It takes no more from the shared receive queue.
    LastReceive,
    Other,
}

impl AsyncEvent {
    pub(super) fn next(context: NonNull<ffi::ibv_context>) -> io::Result<Option<Self>> {
        // SAFETY: all-zero octets are a valid value.
        let mut raw: ffi::ibv_async_event = unsafe { zeroed() };
        // SAFETY: the device is open, and `raw` is a valid place for the event.
        if unsafe { ffi::ibv_get_async_event(context.as_ptr(), &raw mut raw) } != 0 {
            return match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                error => Err(error),
            };
        }
        // SAFETY: the event was just taken, and is acknowledged only below.
        let event = unsafe { Self::read(&raw) };
        // SAFETY: as above; it is acknowledged once.
        unsafe { ffi::ibv_ack_async_event(&raw mut raw) };
        Ok(Some(event))
    }

    /// # Safety
    ///
    /// The event must not be acknowledged: what it names is not destroyed before.
    unsafe fn read(raw: &ffi::ibv_async_event) -> Self {
        let queue_pair = |event| {
            // SAFETY: these events name a queue pair, whose destruction waits for the acknowledgement.
            let number = unsafe { (*raw.element.qp).qp_num };
            Self::QueuePair { number, event }
        };
        // SAFETY: an int is valid whatever the octets are; it is used only for events that name a port.
        let port = unsafe { raw.element.port_num } as u8;
        match raw.event_type {
            ffi::IBV_EVENT_COMM_EST => queue_pair(QueuePairEvent::Established),
            ffi::IBV_EVENT_QP_ACCESS_ERR => queue_pair(QueuePairEvent::AccessError),
            ffi::IBV_EVENT_QP_REQ_ERR => queue_pair(QueuePairEvent::RequestError),
            ffi::IBV_EVENT_QP_FATAL | ffi::IBV_EVENT_PATH_MIG_ERR => queue_pair(QueuePairEvent::Failed),
            ffi::IBV_EVENT_QP_LAST_WQE_REACHED => queue_pair(QueuePairEvent::LastReceive),
            ffi::IBV_EVENT_SQ_DRAINED | ffi::IBV_EVENT_PATH_MIG => queue_pair(QueuePairEvent::Other),
            ffi::IBV_EVENT_PORT_ACTIVE => Self::PortUp { port },
            ffi::IBV_EVENT_PORT_ERR => Self::PortDown { port },
            ffi::IBV_EVENT_LID_CHANGE
            | ffi::IBV_EVENT_PKEY_CHANGE
            | ffi::IBV_EVENT_SM_CHANGE
            | ffi::IBV_EVENT_CLIENT_REREGISTER
            | ffi::IBV_EVENT_GID_CHANGE => Self::PortChanged { port },
            ffi::IBV_EVENT_CQ_ERR | ffi::IBV_EVENT_SRQ_ERR => Self::QueueFailed,
            ffi::IBV_EVENT_DEVICE_FATAL => Self::DeviceFailed,
            _ => Self::Other,
        }
    }
}
