//! The table at the end.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::lab::card::Seen;
use crate::lab::cluster::Vnic;
use crate::measure::clock::milliseconds;

const HEADER: [&str; 8] =
    ["vNIC", "MAC before", "MAC after", "home before", "home after", "longest gap ms", "probes lost", "TCP connection"];
/// The columns of numbers.
const NUMBERS: [usize; 2] = [5, 6];

/// One row a vNIC: as it was before the faults, and what became of it.
pub fn print(rows: &[(Seen, Vnic)]) {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(HEADER);
    for index in NUMBERS {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (seen, after) in rows {
        let before = &seen.card.vnic;
        table.add_row([
            seen.card.short_name(),
            before.mac.clone(),
            after.mac.clone(),
            before.home().to_owned(),
            after.home().to_owned(),
            format!("{:.0}", milliseconds(seen.probes.longest_gap)),
            format!("{} of {}", seen.probes.lost, seen.probes.sent),
            if seen.transfer.lived { "lived" } else { "died" }.to_owned(),
        ]);
    }
    println!("{table}");
}
