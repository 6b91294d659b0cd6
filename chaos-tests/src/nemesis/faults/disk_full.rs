//! The disk of the director that has a small one is full to the last octet.

use std::fs::File;
use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};

use super::{Fault, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::{SMALL_DISK, World};

/// Beside the director's store.
const FILLER: &str = "filler";
const PIECE: usize = 1 << 20;

pub struct DiskFull;

impl Fault for DiskFull {
    fn name(&self) -> &'static str {
        "disk-full"
    }

    fn means(&self) -> &'static str {
        "a director's disk (a small tmpfs of its own) is full, and is emptied later; it may stop, or live on the space that its store has"
    }

    fn inflict(&self, world: &mut World, _: &Step) -> Result<Struck> {
        let (director, _) = SMALL_DISK;
        let path = world.lab.run_dir().join(director).join(FILLER);
        let mut file = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
        let piece = vec![0; PIECE];
        // Whole pieces, and then the last pages one by one.
        for piece in [&piece[..], &piece[..4_096]] {
            while let Err(error) = fill(&mut file, piece) {
                if error.kind() != ErrorKind::Interrupted {
                    break;
                }
            }
        }
        Ok(Struck::lost(director))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        let path = world.lab.run_dir().join(&struck.whom).join(FILLER);
        std::fs::remove_file(&path).with_context(|| format!("could not remove {}", path.display()))?;
        world.revive(&struck.whom).map(drop)
    }
}

/// Writes until it fails.
fn fill(file: &mut File, piece: &[u8]) -> std::io::Result<()> {
    loop {
        file.write_all(piece)?;
    }
}
