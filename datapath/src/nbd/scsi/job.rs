use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};

use super::UnitFacts;
use super::probe::TRANSFER;
use crate::nbd::{Errno, Request};
use crate::scsi::{Cdb, Command, Response};

/// One NBD request on its way: what of it has not been made into commands yet, and what came back.
#[derive(Debug)]
pub(super) struct Job<T> {
    pub token: T,
    kind: Kind,
    first: u64,
    /// The next block to be cut off, and the one after the last.
    next: u64,
    end: u64,
    /// Commands that are waiting or under way.
    pub pieces: usize,
    pub error: Option<Errno>,
    /// A SYNCHRONIZE CACHE has to come after the rest.
    pub sync: bool,
    gathered: Gathered,
}

#[derive(Clone, Debug)]
enum Kind {
    Read,
    Write { data: Bytes, fua: bool },
    Unmap,
    Zero { may_unmap: bool, only_if_fast: bool },
    Nothing,
}

/// What was read. One command's data is passed on without being copied.
#[derive(Debug)]
enum Gathered {
    Nothing,
    Whole(Bytes),
    Parts(BytesMut),
}

/// One command of a job, with what has to be known when its answer comes.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub job: u64,
    pub command: Command,
    pub purpose: Purpose,
    /// How often the unit has said "again".
    pub attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its data belongs so many octets into the request's.
    Read {
        at: usize,
    },
    Write,
    Unmap,
    /// WRITE SAME.
    Same {
        lba: u64,
        unmapping: bool,
    },
    Synchronize,
}

impl Purpose {
    pub fn writes(self) -> bool {
        !matches!(self, Self::Read { .. })
    }
}

impl<T> Job<T> {
    /// The request is in whole blocks of the unit.
    pub fn new(token: T, request: Request, facts: &UnitFacts) -> Self {
        let (offset, length, fua, kind) = match request {
            Request::Read { offset, length } => (offset, length, false, Kind::Read),
            Request::Write { offset, data, fua } => {
                let fua_bit = fua && facts.force_unit_access;
                (offset, data.len() as u32, fua && !fua_bit, Kind::Write { data, fua: fua_bit })
            }
            Request::Flush => (0, 0, true, Kind::Nothing),
            Request::Trim { offset, length, fua } => (offset, length, fua, Kind::Unmap),
            Request::WriteZeroes { offset, length, how } => {
                (offset, length, how.fua, Kind::Zero { may_unmap: how.may_unmap, only_if_fast: how.only_if_fast })
            }
            Request::Cache { .. } => (0, 0, false, Kind::Nothing),
        };
        let block = u64::from(facts.block_length);
        let (first, end) = (offset / block, (offset + u64::from(length)) / block);
        let gathered = Gathered::Nothing;
        Self { token, kind, first, next: first, end, pieces: 0, error: None, sync: fua, gathered }
    }

    /// The next command; None: there is none, or none is of use any more.
    pub fn cut(&mut self, id: u64, facts: &UnitFacts) -> Option<Piece> {
        let left = self.end - self.next;
        if left == 0 || self.error.is_some() {
            return None;
        }
        let most = |largest: u32| left.min(largest.into()) as u32;
        let lba = self.next;
        let (blocks, command, purpose) = match &self.kind {
            Kind::Read => {
                let blocks = most(facts.largest_transfer);
                (blocks, read(facts, lba, blocks), Purpose::Read { at: self.octets_before(lba, facts) })
            }
            Kind::Write { data, fua } => {
                let blocks = most(facts.largest_transfer);
                let at = self.octets_before(lba, facts);
                let data = data.slice(at..at + blocks as usize * facts.block_length as usize);
                (blocks, write(facts, lba, data, *fua), Purpose::Write)
            }
            Kind::Unmap => {
                let blocks = most(facts.unmap?.largest);
                (blocks, unmap(facts, lba, blocks), Purpose::Unmap)
            }
            Kind::Zero { may_unmap, .. } => match facts.write_same {
                Some(same) => {
                    let (blocks, unmapping) = (most(same.largest), *may_unmap && same.unmaps);
                    (blocks, write_same(facts, lba, blocks, unmapping), Purpose::Same { lba, unmapping })
                }
                None => {
                    let blocks = most(facts.largest_transfer);
                    let data = zeros(blocks as usize * facts.block_length as usize);
                    (blocks, write(facts, lba, data, false), Purpose::Write)
                }
            },
            Kind::Nothing => return None,
        };
        self.next += u64::from(blocks);
        self.pieces += 1;
        Some(Piece { job: id, command, purpose, attempts: 0 })
    }

    fn octets_before(&self, lba: u64, facts: &UnitFacts) -> usize {
        (lba - self.first) as usize * facts.block_length as usize
    }

    /// From this block on once more, in another way. What came after it in flight is done twice, which zeros may be.
    pub fn cut_again_from(&mut self, lba: u64) {
        self.next = self.next.min(lba);
    }

    /// FAST_ZERO was asked for, and cannot be had.
    pub fn is_too_slow(&self, facts: &UnitFacts) -> bool {
        match self.kind {
            Kind::Zero { may_unmap, only_if_fast } => only_if_fast && !(may_unmap && facts.may_unmap_zeroes()),
            Kind::Read | Kind::Write { .. } | Kind::Unmap | Kind::Nothing => false,
        }
    }

    /// Nothing is to be cut off any more.
    pub fn is_cut_up(&self, facts: &UnitFacts) -> bool {
        let refused_hint = matches!(self.kind, Kind::Unmap) && facts.unmap.is_none();
        self.next == self.end || self.error.is_some() || refused_hint
    }

    /// Takes what a READ has brought. False: it is not what was asked for.
    pub fn gather(&mut self, at: usize, asked: u32, response: &Response, facts: &UnitFacts) -> bool {
        let data = &response.data_in;
        if data.len() != asked as usize {
            return false;
        }
        let whole = (self.end - self.first) as usize * facts.block_length as usize;
        if data.len() == whole {
            self.gathered = Gathered::Whole(data.clone());
            return true;
        }
        if let Gathered::Nothing = self.gathered {
            self.gathered = Gathered::Parts(BytesMut::zeroed(whole));
        }
        if let Gathered::Parts(parts) = &mut self.gathered {
            parts[at..at + data.len()].copy_from_slice(data);
        }
        true
    }

    pub fn finish(self) -> (T, Result<Bytes, Errno>) {
        let data = match self.gathered {
            Gathered::Nothing => Bytes::new(),
            Gathered::Whole(data) => data,
            Gathered::Parts(parts) => parts.freeze(),
        };
        (self.token, self.error.map_or(Ok(data), Err))
    }
}

impl Piece {
    pub fn synchronize(job: u64, facts: &UnitFacts) -> Self {
        let command = Command::without_data(facts.lun, Cdb::synchronize_cache_16());
        Self { job, command, purpose: Purpose::Synchronize, attempts: 0 }
    }
}

fn read(facts: &UnitFacts, lba: u64, blocks: u32) -> Command {
    Command::reading(facts.lun, Cdb::read_16(lba, blocks), blocks * facts.block_length)
}

fn write(facts: &UnitFacts, lba: u64, data: Bytes, fua: bool) -> Command {
    let blocks = data.len() as u32 / facts.block_length;
    Command::sending(facts.lun, Cdb::write_16(lba, blocks, fua), data)
}

fn write_same(facts: &UnitFacts, lba: u64, blocks: u32, unmap: bool) -> Command {
    Command::sending(facts.lun, Cdb::write_same_16(lba, blocks, unmap), zeros(facts.block_length as usize))
}

/// One descriptor (SBC-3, 5.25.2): no NBD request has more blocks than it can name.
fn unmap(facts: &UnitFacts, lba: u64, blocks: u32) -> Command {
    const LENGTH: u16 = 24;
    let mut list = [0; LENGTH as usize];
    list[..2].copy_from_slice(&(LENGTH - 2).to_be_bytes());
    list[2..4].copy_from_slice(&16u16.to_be_bytes());
    list[8..16].copy_from_slice(&lba.to_be_bytes());
    list[16..20].copy_from_slice(&blocks.to_be_bytes());
    Command::sending(facts.lun, Cdb::unmap(LENGTH), list.to_vec())
}

/// Shared by all who write zeros.
fn zeros(length: usize) -> Bytes {
    static ZEROS: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; TRANSFER as usize]));
    if length <= ZEROS.len() { ZEROS.slice(..length) } else { Bytes::from(vec![0; length]) }
}
