//! What each block may hold, from what was written and how that was answered. Pure: no I/O, no clock, no chance.
//!
//! ```text
//!              begin_write            acknowledged
//!   idle ───────────────────▶ writing ───────────────▶ idle: holds this write, and nothing else
//!    ▲ │                         └───── unknown ─────▶ idle: holds this write or what it held; the first read decides
//!    │ │ begin_read
//!    └─┴──────── reading        a block is written or read, never both: so what a read must give is certain
//! ```
//!
//! A read that gives something else is a [`Violation`], and the block is taken to hold what was read from then on: one event is
//! counted once.

use super::block::{Found, Sequence, Stamp, examine};

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Acknowledged,
    /// An error: it may have been done or not.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An older write is there again, after a newer one was acknowledged.
    Stale,
    /// An acknowledged write was never seen: the block holds what it held before.
    Lost,
    /// Parts of several writes, another block's content, or what nobody wrote.
    Torn,
}

/// A read that gave what it must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub kind: Kind,
    pub block: usize,
    pub expected: Vec<Sequence>,
    pub found: Found,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Activity {
    #[default]
    Idle,
    Writing(Sequence),
    Reading(u32),
}

#[derive(Clone, Debug, Default)]
struct Block {
    activity: Activity,
    /// What it may hold, oldest first: one, or more after writes of unknown outcome. Never empty.
    holds: Vec<Sequence>,
    /// What it may have held before the last acknowledged write; empty as soon as that was seen.
    before: Vec<Sequence>,
}

/// A disk of so many blocks, all zeros at first.
#[derive(Clone, Debug)]
pub struct Model {
    blocks: Vec<Block>,
    last: Sequence,
}

impl Model {
    pub fn new(blocks: usize) -> Self {
        Self { blocks: vec![Block { holds: vec![0], ..Block::default() }; blocks], last: 0 }
    }

    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    pub fn may_write(&self, block: usize) -> bool {
        self.blocks[block].activity == Activity::Idle
    }

    pub fn may_read(&self, block: usize) -> bool {
        !matches!(self.blocks[block].activity, Activity::Writing(_))
    }

    /// A write begins, on an idle block: what to write.
    pub fn begin_write(&mut self, block: usize, epoch: u64) -> Stamp {
        assert!(self.may_write(block), "block {block} is in use");
        self.last += 1;
        self.blocks[block].activity = Activity::Writing(self.last);
        Stamp { sequence: self.last, block: block as u64, epoch }
    }

    pub fn end_write(&mut self, block: usize, outcome: Outcome) {
        let it = &mut self.blocks[block];
        let Activity::Writing(sequence) = std::mem::take(&mut it.activity) else {
            panic!("block {block} is not written");
        };
        match outcome {
            Outcome::Acknowledged => it.before = std::mem::replace(&mut it.holds, vec![sequence]),
            Outcome::Unknown => it.holds.push(sequence),
        }
    }

    pub fn begin_read(&mut self, block: usize) {
        let it = &mut self.blocks[block];
        it.activity = match it.activity {
            Activity::Idle => Activity::Reading(1),
            Activity::Reading(readers) => Activity::Reading(readers + 1),
            Activity::Writing(_) => panic!("block {block} is written"),
        };
    }

    /// A read ends: with what it gave, or None when it failed.
    pub fn end_read(&mut self, block: usize, image: Option<&[u8]>) -> Option<Violation> {
        let it = &mut self.blocks[block];
        it.activity = match it.activity {
            Activity::Reading(1) => Activity::Idle,
            Activity::Reading(readers) => Activity::Reading(readers - 1),
            _ => panic!("block {block} is not read"),
        };
        image.and_then(|image| self.judge(block, examine(image)))
    }

    fn judge(&mut self, block: usize, found: Found) -> Option<Violation> {
        let last = self.last;
        let it = &mut self.blocks[block];
        let sequence = match found {
            Found::Nothing => Some(0),
            Found::Whole(stamp) if stamp.block == block as u64 && stamp.sequence <= last => Some(stamp.sequence),
            Found::Whole(_) | Found::Torn(_) => None,
        };
        let kind = match sequence {
            Some(sequence) if it.holds.contains(&sequence) => None,
            Some(sequence) if it.before.contains(&sequence) => Some(Kind::Lost),
            Some(_) => Some(Kind::Stale),
            None => Some(Kind::Torn),
        };
        let violation = kind.map(|kind| Violation { kind, block, expected: it.holds.clone(), found });
        // What no write made cannot be expected again: then the next read is judged as this one was.
        if let Some(sequence) = sequence {
            it.holds = vec![sequence];
            it.before.clear();
        }
        violation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(model: &mut Model, outcome: Outcome) -> Vec<u8> {
        let stamp = model.begin_write(0, 1);
        model.end_write(0, outcome);
        stamp.image()
    }

    fn read(model: &mut Model, image: &[u8]) -> Option<Kind> {
        model.begin_read(0);
        model.end_read(0, Some(image)).map(|it| it.kind)
    }

    #[test]
    fn an_acknowledged_write_is_what_is_read() {
        let mut model = Model::new(2);
        assert_eq!(read(&mut model, &[0; 4096]), None, "nothing was written yet");
        let image = write(&mut model, Outcome::Acknowledged);
        assert_eq!(read(&mut model, &image), None);
        assert_eq!(read(&mut model, &image), None);
    }

    #[test]
    fn a_write_that_never_showed_is_lost() {
        let mut model = Model::new(1);
        let old = write(&mut model, Outcome::Acknowledged);
        assert_eq!(read(&mut model, &old), None);
        write(&mut model, Outcome::Acknowledged);
        assert_eq!(read(&mut model, &old), Some(Kind::Lost));
        assert_eq!(read(&mut model, &old), None, "counted once");
    }

    #[test]
    fn an_older_write_that_is_back_is_stale() {
        let mut model = Model::new(1);
        let older = write(&mut model, Outcome::Acknowledged);
        let old = write(&mut model, Outcome::Acknowledged);
        let new = write(&mut model, Outcome::Acknowledged);
        assert_eq!(read(&mut model, &older), Some(Kind::Stale), "not what was there just before");
        write(&mut model, Outcome::Acknowledged);
        assert_eq!(read(&mut model, &new), Some(Kind::Stale));
        let newest = write(&mut model, Outcome::Acknowledged);
        assert_eq!(read(&mut model, &newest), None);
        assert_eq!(read(&mut model, &old), Some(Kind::Stale), "the newest was seen");
    }

    #[test]
    fn an_unknown_outcome_is_old_or_new_until_it_is_read() {
        for new_is_there in [true, false] {
            let mut model = Model::new(1);
            let old = write(&mut model, Outcome::Acknowledged);
            let new = write(&mut model, Outcome::Unknown);
            let (seen, other) = if new_is_there { (new, old) } else { (old, new) };
            assert_eq!(read(&mut model, &seen), None);
            assert_eq!(read(&mut model, &other), Some(Kind::Stale), "it was pinned");
        }
    }

    #[test]
    fn an_unknown_write_may_not_come_after_one_that_was_acknowledged() {
        let mut model = Model::new(1);
        write(&mut model, Outcome::Acknowledged);
        let unknown = write(&mut model, Outcome::Unknown);
        let new = write(&mut model, Outcome::Acknowledged);
        assert_eq!(read(&mut model, &new), None);
        assert_eq!(read(&mut model, &unknown), Some(Kind::Stale));
    }

    #[test]
    fn what_nobody_wrote_here_is_torn() {
        let mut model = Model::new(2);
        let image = write(&mut model, Outcome::Acknowledged);
        let elsewhere = model.begin_write(1, 1).image();
        let never = Stamp { sequence: 99, block: 0, epoch: 1 }.image();
        let half = [&image[..2048], &[0; 2048]].concat();
        for wrong in [&elsewhere, &never, &half] {
            assert_eq!(read(&mut model, wrong), Some(Kind::Torn));
        }
        assert_eq!(read(&mut model, &image), None);
    }

    #[test]
    fn a_read_that_failed_proves_nothing() {
        let mut model = Model::new(1);
        write(&mut model, Outcome::Unknown);
        model.begin_read(0);
        assert!(!model.may_write(0) && model.may_read(0));
        assert_eq!(model.end_read(0, None), None);
        assert_eq!(read(&mut model, &[0; 4096]), None, "still old or new");
    }
}
