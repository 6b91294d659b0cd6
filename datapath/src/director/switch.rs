//! The decisions on a frame at a director: whether its server may send it, and where it goes. Pure: a table in, a verdict
//! out.

use twinrail_proto::rail::{RecordHeader, is_group};

use super::forwarding::{Adapter, Forwarding, Port};
use crate::Cause;
use crate::frame::FrameView;
use crate::peer::Machine;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// To this adapter, and nowhere else.
    Adapter(u32),
    /// Out by the LAN's port.
    Uplink,
    /// To every adapter of the VLAN but the sender; from an adapter, also out by the port.
    Flood,
}

/// The adapter that a record is for, if this peer may send as it now. The cause of a refusal comes with the adapter, where
/// one is known, so that it is counted there too.
pub(crate) fn admit<'t>(
    table: &'t Forwarding,
    peer: u32,
    header: &RecordHeader,
) -> Result<(u32, &'t Adapter), (Option<&'t Adapter>, Cause)> {
    let index = table.index_of(header.adapter).ok_or((None, Cause::UnknownAdapter))?;
    let adapter = table.adapter(index);
    let refused = |cause| Err((Some(adapter), cause));
    if adapter.peer != Some(peer) {
        return match table.peers.entry(peer).machine {
            Machine::Director(_) => refused(Cause::WrongRole),
            Machine::Server(_) => refused(Cause::WrongServer),
        };
    }
    match header.epoch {
        epoch if epoch < adapter.epoch => refused(Cause::StaleEpoch),
        epoch if epoch > adapter.epoch => refused(Cause::FutureEpoch),
        _ if !adapter.carry => refused(Cause::Released),
        _ => Ok((index, adapter)),
    }
}

/// The VLAN of a frame that the adapter's server sent, if it may send that frame.
pub(crate) fn ingress(adapter: &Adapter, view: &FrameView) -> Result<u16, Cause> {
    if view.ethernet.source != adapter.mac.octets() {
        return Err(Cause::WrongMac);
    }
    if view.ethernet.has_service_tag() {
        return Err(Cause::WrongVlan);
    }
    if view.ethernet.is_bridge_local() {
        return Err(Cause::BridgeLocal);
    }
    adapter.membership.ingress(view.ethernet.tag).ok_or(Cause::WrongVlan)
}

pub(crate) fn route_from_adapter(port: &Port, view: &FrameView, vlan: u16) -> Route {
    if is_group(&view.ethernet.destination) {
        return Route::Flood;
    }
    port.station(vlan, &view.ethernet.destination).map_or(Route::Uplink, Route::Adapter)
}

pub(crate) fn route_from_uplink(port: &Port, view: &FrameView, vlan: u16) -> Result<Route, Cause> {
    if !is_group(&view.ethernet.destination) {
        return port.station(vlan, &view.ethernet.destination).map(Route::Adapter).ok_or(Cause::UnknownUnicast);
    }
    if view.ethernet.is_bridge_local() {
        return Err(Cause::BridgeLocal);
    }
    // A flooded frame of an adapter that is carried here came back by a loop, or from its former home.
    if port.station(vlan, &view.ethernet.source).is_some() {
        return Err(Cause::Looped);
    }
    Ok(Route::Flood)
}
