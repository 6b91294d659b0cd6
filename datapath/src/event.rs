use std::net::IpAddr;

use twinrail_proto::domain::{AdapterId, Epoch, Name, Rail};

use crate::liveness::DownCause;
use crate::peer::Machine;
use crate::rail::Nanos;

/// What the datapath tells the control plane, from its own threads. The callback must be cheap: a send to a bounded
/// channel, never a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    PathUp {
        peer: Machine,
        rail: Rail,
    },
    PathDown {
        peer: Machine,
        rail: Rail,
        cause: DownCause,
    },
    /// A director carries this adapter with this epoch from now on: it is in the table, and there is a lease.
    Carrying {
        adapter: AdapterId,
        epoch: Epoch,
    },
    /// The first announcement went out on the LAN.
    Announced {
        adapter: AdapterId,
        epoch: Epoch,
    },
    /// The server takes frames of this epoch.
    ServerReady {
        adapter: AdapterId,
        epoch: Epoch,
    },
    /// A thread did not run for so long. Nothing is carried until a lease is granted that was asked for after this.
    Stalled {
        for_ns: Nanos,
    },
    /// The lease ended, or the datapath stalled: nothing is carried.
    Stopped,
    /// There is a lease (again).
    Started,
    /// A LAN port reported an error: publish the table again to have it opened anew where necessary.
    PortFailed {
        lan: Name,
    },
    /// Somebody on a rail speaks for another cluster. Its messages are dropped and counted; this is said now and then.
    OtherCluster {
        from: IpAddr,
        rail: Rail,
    },
    /// Somebody removed the adapter's device: publish the table again to have it made anew.
    DeviceFailed {
        adapter: AdapterId,
    },
}

/// Where events go.
pub type Events = Box<dyn Fn(Event) + Send + Sync>;
