//! PERSISTENT RESERVE IN (SPC-4, 6.15): what is registered and reserved, as octets.

use super::{Kind, LOGICAL_UNIT_SCOPE, Reservations};
use crate::san::Identity;

/// Service actions (SPC-4, table 201).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Keys,
    Reservation,
    Capabilities,
    FullStatus,
}

/// REPORT CAPABILITIES (table 208): no compatible handling of RESERVE(6), SPEC_I_PT not taken; ALL_TG_PT (there is one port)
/// and APTPL taken.
const ATP_C_AND_PTPL_C: u8 = 0x05;
const TYPE_MASK_VALID: u8 = 0x80;
const PTPL_ACTIVE: u8 = 0x01;
/// All six types (table 209).
const TYPE_MASK: [u8; 2] = [0xea, 0x01];

/// The only target port.
const RELATIVE_TARGET_PORT: [u8; 2] = [0, 1];
/// TransportID of Fibre Channel (SPC-4, table 502).
const TRANSPORT_ID: usize = 24;
const HOLDER: u8 = 0x01;
/// ALL_TG_PT.
const ALL_PORTS: u8 = 0x02;

impl Report {
    /// None: reserved.
    pub fn from_bits(service_action: u8) -> Option<Self> {
        Some(match service_action {
            0 => Self::Keys,
            1 => Self::Reservation,
            2 => Self::Capabilities,
            3 => Self::FullStatus,
            _ => return None,
        })
    }
}

/// The parameter data, whole.
pub fn report(reservations: &Reservations, what: Report) -> Vec<u8> {
    let body = match what {
        Report::Capabilities => return capabilities(reservations),
        Report::Keys => reservations.registered.values().flat_map(|key| key.to_be_bytes()).collect(),
        Report::Reservation => reservation(reservations),
        Report::FullStatus => reservations.registered.keys().flat_map(|&it| full_status(reservations, it)).collect(),
    };
    let mut data = reservations.generation.to_be_bytes().to_vec();
    data.extend((body.len() as u32).to_be_bytes());
    data.extend::<Vec<u8>>(body);
    data
}

fn capabilities(reservations: &Reservations) -> Vec<u8> {
    let active = if reservations.kept { PTPL_ACTIVE } else { 0 };
    let [first, second] = TYPE_MASK;
    vec![0, 8, ATP_C_AND_PTPL_C, TYPE_MASK_VALID | active, first, second, 0, 0]
}

/// Table 206. Of a type for all registrants no key is the holder's: 0.
fn reservation(reservations: &Reservations) -> Vec<u8> {
    let Some(reservation) = reservations.reservation else { return Vec::new() };
    let key = reservations.registered.get(&reservation.by).filter(|_| !reservation.kind.for_all_registrants());
    let mut data = key.copied().unwrap_or(0).to_be_bytes().to_vec();
    data.extend([0, 0, 0, 0, 0, scope_and_type(reservation.kind), 0, 0]);
    data
}

/// Table 211.
fn full_status(reservations: &Reservations, nexus: Identity) -> Vec<u8> {
    let held = reservations.reservation.filter(|_| reservations.is_holder(nexus));
    let mut data = reservations.registered[&nexus].to_be_bytes().to_vec();
    data.extend([0; 4]);
    data.push(ALL_PORTS | held.map_or(0, |_| HOLDER));
    data.push(held.map_or(0, |it| scope_and_type(it.kind)));
    data.extend([0; 4]);
    data.extend(RELATIVE_TARGET_PORT);
    data.extend((TRANSPORT_ID as u32).to_be_bytes());
    data.extend([0; 8]);
    data.extend(nexus.wwpn.to_u64().to_be_bytes());
    data.extend([0; 8]);
    data
}

fn scope_and_type(kind: Kind) -> u8 {
    LOGICAL_UNIT_SCOPE << 4 | kind as u8
}
