//! Rule 1: no two adapters hold the same MAC or WWN, and nobody holds one that rests in quarantine.

use std::collections::BTreeMap;

use twinrail_proto::domain::{MacSource, WwnSource};

use crate::state::State;

pub(super) fn check(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut macs, mut wwns) = (BTreeMap::new(), BTreeMap::new());
    for profile in state.profiles().values().map(|versioned| &versioned.value) {
        for vnic in profile.vnics.values() {
            if let Some(other) = macs.insert(vnic.mac, vnic.id) {
                problems.push(format!("{} is held by adapters {other} and {}", vnic.mac, vnic.id));
            }
            if state.quarantined_macs().contains_key(&vnic.mac) {
                problems.push(format!("{} is held by adapter {} and rests", vnic.mac, vnic.id));
            }
            if matches!(vnic.mac_source, MacSource::Fixed(mac) if mac != vnic.mac) {
                problems.push(format!("adapter {} has another MAC than it was given", vnic.id));
            }
        }
        for vhba in profile.vhbas.values() {
            for wwn in [vhba.wwpn, vhba.wwnn] {
                if let Some(other) = wwns.insert(wwn, vhba.id) {
                    problems.push(format!("{wwn} is held by adapters {other} and {}", vhba.id));
                }
                if state.quarantined_wwns().contains_key(&wwn) {
                    problems.push(format!("{wwn} is held by adapter {} and rests", vhba.id));
                }
            }
            let (wwpn, wwnn) = (vhba.wwpn, vhba.wwnn);
            if matches!(vhba.wwn_source, WwnSource::Fixed { wwpn: port, wwnn: node } if (port, node) != (wwpn, wwnn)) {
                problems.push(format!("adapter {} has other names than it was given", vhba.id));
            }
        }
    }
    problems
}
