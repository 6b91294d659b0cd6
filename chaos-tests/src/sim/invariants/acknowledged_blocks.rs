//! A block holds what was acknowledged last, and nothing older comes back; a write of unknown outcome is there or not until a
//! read decides. The model is that of [`crate::consistency::model`], without the images.

use std::collections::BTreeMap;

use twinrail_proto::domain::AdapterId;

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct AcknowledgedBlocks {
    blocks: BTreeMap<(AdapterId, u8), Block>,
}

#[derive(Debug)]
struct Block {
    /// What it may hold.
    holds: Vec<u64>,
    /// Writes of which nothing is known yet.
    under_way: Vec<u64>,
    /// When a write began or ended last: a read that began before says nothing.
    changed: Nanos,
}

impl Default for Block {
    fn default() -> Self {
        Self { holds: vec![0], under_way: Vec::new(), changed: 0 }
    }
}

impl Invariant for AcknowledgedBlocks {
    fn name(&self) -> &'static str {
        "acknowledged-blocks"
    }

    fn observe(&mut self, at: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match *observation {
            Observation::BlockWrite { adapter, block, value, ended } => {
                let it = self.blocks.entry((adapter, block)).or_default();
                it.changed = at;
                it.under_way.retain(|other| *other != value);
                match ended {
                    None => it.under_way.push(value),
                    Some(true) => it.holds = vec![value],
                    Some(false) => it.holds.push(value),
                }
                Ok(())
            }
            Observation::BlockRead { adapter, block, value, since } => {
                let it = self.blocks.entry((adapter, block)).or_default();
                if since <= it.changed || !it.under_way.is_empty() {
                    return Ok(());
                }
                if !it.holds.contains(&value) {
                    let holds = &it.holds;
                    return Err(format!("block {block} of vHBA {adapter} gave {value:#x}; it may hold {holds:x?}"));
                }
                it.holds = vec![value];
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
