//! What the flight recorders of all machines say together: whether any frame of an older epoch went out after one of a newer
//! epoch had.
//!
//! Every director records what it sent to the LAN, every server what it delivered to a device, by adapter and epoch, with the
//! time of the first and the last frame: on the machine's one monotonic clock, in a file that outlives SIGKILL.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use twinrail_datapath::{FlightRecord, Recorded, read_flight_records};

use super::Lab;
use super::config::flight_file;
use super::layout::MachineKind;
use crate::measure::clock::Nanos;

/// First and last frame of one epoch, over all machines.
#[derive(Clone, Copy, Debug)]
struct Flight {
    first: Nanos,
    last: Nanos,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlightReport {
    pub frames: u64,
    /// Pairs of epochs that followed each other on one adapter in one direction.
    pub successions: u64,
}

impl Lab {
    /// Every frame that every machine recorded so far.
    pub fn flight_records(&self) -> Result<Vec<FlightRecord>> {
        Ok(self.flights()?.into_values().flatten().collect())
    }

    /// The same, by machine.
    pub fn flights(&self) -> Result<BTreeMap<String, Vec<FlightRecord>>> {
        let mut all = BTreeMap::new();
        for machine in self.machines.values().filter(|machine| machine.kind != MachineKind::LanHost) {
            let path = flight_file(&self.run_dir, &machine.name);
            if path.exists() {
                let records = read_flight_records(&path);
                let records = records.with_context(|| format!("the flight record of {}", machine.name))?;
                all.insert(machine.name.clone(), records);
            }
        }
        Ok(all)
    }

    /// Fails if a frame of an older epoch reached a server or the LAN after one of a newer epoch did.
    pub fn check_flights(&self) -> Result<FlightReport> {
        check(&self.flight_records()?)
    }
}

fn check(records: &[FlightRecord]) -> Result<FlightReport> {
    let (report, late) = examine(records);
    ensure!(late.is_empty(), "{}", late[0]);
    Ok(report)
}

/// What was looked at, and every frame of an older epoch that went out after one of a newer epoch had, in words.
pub fn examine(records: &[FlightRecord]) -> (FlightReport, Vec<String>) {
    let (mut report, mut late) = (FlightReport::default(), Vec::new());
    let mut flights: BTreeMap<_, BTreeMap<u64, Flight>> = BTreeMap::new();
    for record in records {
        report.frames += record.frames;
        let epochs = flights.entry((record.adapter, direction(record.what))).or_default();
        let new = Flight { first: record.first_ns, last: record.last_ns };
        let known = epochs.entry(record.epoch.0).or_insert(new);
        *known = Flight { first: known.first.min(new.first), last: known.last.max(new.last) };
    }
    for ((adapter, direction), epochs) in &flights {
        for ((older, before), (newer, after)) in epochs.iter().zip(epochs.iter().skip(1)) {
            report.successions += 1;
            if before.last > after.first {
                let by = (before.last - after.first) / 1_000;
                late.push(format!(
                    "adapter {adapter:?}, {direction}: a frame of epoch {older} went out {by} us after the first of epoch {newer}"
                ));
            }
        }
    }
    (report, late)
}

/// Announcements are frames to the LAN too.
fn direction(what: Recorded) -> &'static str {
    match what {
        Recorded::ToLan | Recorded::Announced => "to the LAN",
        Recorded::ToDevice => "to the server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinrail_proto::domain::{AdapterId, Epoch};

    fn record(epoch: u64, what: Recorded, first_ns: Nanos, last_ns: Nanos) -> FlightRecord {
        FlightRecord { adapter: AdapterId(1), epoch: Epoch(epoch), what, first_ns, last_ns, frames: 10 }
    }

    #[test]
    fn epochs_that_follow_each_other_are_well() {
        let records = [
            record(1, Recorded::ToLan, 10, 20),
            record(2, Recorded::Announced, 20, 25),
            record(2, Recorded::ToLan, 30, 40),
            record(1, Recorded::ToDevice, 5, 35),
        ];
        assert_eq!(check(&records).unwrap(), FlightReport { frames: 40, successions: 1 });
    }

    #[test]
    fn an_older_frame_after_a_newer_one_is_found() {
        let late = [record(2, Recorded::ToDevice, 30, 40), record(1, Recorded::ToDevice, 10, 31)];
        assert!(check(&late).is_err());
        let after_announcement = [record(1, Recorded::ToLan, 10, 31), record(2, Recorded::Announced, 30, 30)];
        assert!(check(&after_announcement).is_err());
    }
}
