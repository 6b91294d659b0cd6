//! LUNs as files of a FUSE file system, which is there for the kernel's loop driver alone: reads and writes go to the same
//! device as those of an export's clients, and wait as long.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyWrite, WriteFlags,
};
use twinrail_datapath::nbd::{self, BlockDevice, Request, Ticket, Zeroing};

use super::loops;

/// Octets of one write at most: as much as one command carries.
const LARGEST_WRITE: u32 = 1 << 20;
/// Requests that the kernel has under way without anybody waiting for each: as deep as a unit's queue.
const BACKGROUND: u16 = 64;
/// What the kernel knows of a file it asks again: the LUNs may be others.
const FORGET_AT_ONCE: Duration = Duration::ZERO;
/// `fallocate`'s modes: what a loop device asks for when blocks are discarded, and when they are zeroed.
const PUNCH_HOLE: i32 = 0x02;
const ZERO_RANGE: i32 = 0x10;

/// A LUN as a file.
#[derive(Clone)]
pub struct Shown {
    /// Of the disk: a file of another generation is another file.
    pub generation: u64,
    pub name: String,
    pub size: u64,
    pub read_only: bool,
    pub device: Arc<dyn BlockDevice>,
}

type Table = Arc<Mutex<BTreeMap<u64, Shown>>>;

/// The mounted file system. Dropping it unmounts it.
pub struct Files {
    session: Option<BackgroundSession>,
    folder: PathBuf,
    table: Table,
}

impl Files {
    /// `source` is what the mount is known by.
    pub fn mount(folder: &Path, source: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let table = Table::default();
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(source.to_owned()),
            MountOption::DefaultPermissions,
            MountOption::NoDev,
            MountOption::NoSuid,
            MountOption::NoExec,
        ];
        let session = fuser::spawn_mount(Luns { table: Arc::clone(&table) }, folder, &config)?;
        Ok(Self { session: Some(session), folder: folder.to_owned(), table })
    }

    pub fn show(&self, lun: u16, shown: Shown) -> PathBuf {
        let path = self.folder.join(&shown.name);
        lock(&self.table).insert(inode(lun, shown.generation), shown);
        path
    }

    pub fn hide(&self, lun: u16, generation: u64) {
        lock(&self.table).remove(&inode(lun, generation));
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.session.take().map(BackgroundSession::umount_and_join) {
            tracing::warn!(%error, folder = ?self.folder, "a vHBA's LUNs are still in use: whoever has them gets errors");
            if let Err(error) = loops::unmount(&self.folder) {
                tracing::warn!(%error, folder = ?self.folder, "the files of a vHBA's LUNs are not unmounted");
            }
        }
        let _ = std::fs::remove_dir(&self.folder);
    }
}

struct Luns {
    table: Table,
}

impl Luns {
    fn find(&self, inode: INodeNo) -> Option<Shown> {
        lock(&self.table).get(&inode.0).cloned()
    }
}

impl Filesystem for Luns {
    fn init(&mut self, _request: &fuser::Request, config: &mut KernelConfig) -> io::Result<()> {
        let refused = |what: &str, most: u32| io::Error::other(format!("the kernel's FUSE has room for {most} {what}"));
        config.set_max_write(LARGEST_WRITE).map_err(|most| refused("octets of a write", most))?;
        config.set_max_background(BACKGROUND).map_err(|most| refused("requests", most.into()))?;
        Ok(())
    }

    fn lookup(&self, _request: &fuser::Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let table = lock(&self.table);
        match table.iter().find(|(_, it)| OsStr::new(&it.name) == name) {
            Some((&inode, shown)) => reply.entry(&FORGET_AT_ONCE, &attributes(inode, shown), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _request: &fuser::Request, inode: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.find(inode) {
            _ if inode == INodeNo::ROOT => reply.attr(&FORGET_AT_ONCE, &root()),
            Some(shown) => reply.attr(&FORGET_AT_ONCE, &attributes(inode.0, &shown)),
            None => reply.error(Errno::ENOENT),
        }
    }

    /// Nothing is cached between the loop device and the LUN: another server may write to it.
    fn open(&self, _request: &fuser::Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES);
    }

    fn readdir(
        &self,
        _request: &fuser::Request,
        _inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let table = lock(&self.table);
        for (index, (&inode, shown)) in table.iter().enumerate().skip(offset as usize) {
            if reply.add(INodeNo(inode), index as u64 + 1, FileType::RegularFile, &shown.name) {
                break;
            }
        }
        reply.ok();
    }

    fn read(
        &self,
        _request: &fuser::Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(shown) = self.find(inode) else { return reply.error(Errno::EIO) };
        let length = shown.size.saturating_sub(offset).min(size.into()) as u32;
        if length == 0 {
            return reply.data(&[]);
        }
        let answer = move |result: Result<Bytes, nbd::Errno>| match result {
            Ok(data) => reply.data(&data),
            Err(errno) => reply.error(system(errno)),
        };
        shown.device.submit(Request::Read { offset, length }, Ticket::answering(answer));
    }

    fn write(
        &self,
        _request: &fuser::Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(shown) = self.find(inode) else { return reply.error(Errno::EIO) };
        let length = data.len() as u32;
        if offset.saturating_add(length.into()) > shown.size {
            return reply.error(Errno::ENOSPC);
        }
        let answer = move |result: Result<Bytes, nbd::Errno>| match result {
            Ok(_) => reply.written(length),
            Err(errno) => reply.error(system(errno)),
        };
        let data = Bytes::copy_from_slice(data);
        shown.device.submit(Request::Write { offset, data, fua: false }, Ticket::answering(answer));
    }

    fn flush(
        &self,
        _request: &fuser::Request,
        _inode: INodeNo,
        _handle: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn fsync(&self, _request: &fuser::Request, inode: INodeNo, _handle: FileHandle, _data: bool, reply: ReplyEmpty) {
        self.submit_empty(inode, Request::Flush, reply);
    }

    /// What cannot be done fast is not done: the loop device then stops asking for discards, and zeroes by writing.
    fn fallocate(
        &self,
        _request: &fuser::Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let zeroes = mode & (PUNCH_HOLE | ZERO_RANGE) != 0;
        let Ok(length) = u32::try_from(length) else { return reply.error(Errno::EOPNOTSUPP) };
        if !zeroes || length == 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let how = Zeroing { fua: false, may_unmap: true, only_if_fast: true };
        self.submit_empty(inode, Request::WriteZeroes { offset, length, how }, reply);
    }
}

impl Luns {
    fn submit_empty(&self, inode: INodeNo, request: Request, reply: ReplyEmpty) {
        let Some(shown) = self.find(inode) else { return reply.error(Errno::EIO) };
        let answer = move |result: Result<Bytes, nbd::Errno>| match result {
            Ok(_) => reply.ok(),
            Err(errno) => reply.error(system(errno)),
        };
        shown.device.submit(request, Ticket::answering(answer));
    }
}

/// Above the root's, and another one for each generation of a LUN.
fn inode(lun: u16, generation: u64) -> u64 {
    (generation << 16 | u64::from(lun)) + 2
}

/// The numbers of NBD are those of Linux.
fn system(errno: nbd::Errno) -> Errno {
    Errno::from_i32(errno.to_u32() as i32)
}

fn attributes(inode: u64, shown: &Shown) -> FileAttr {
    let perm = if shown.read_only { 0o400 } else { 0o600 };
    FileAttr { size: shown.size, blocks: shown.size / 512, kind: FileType::RegularFile, perm, nlink: 1, ..node(inode) }
}

fn root() -> FileAttr {
    FileAttr { kind: FileType::Directory, perm: 0o700, nlink: 2, ..node(INodeNo::ROOT.0) }
}

fn node(inode: u64) -> FileAttr {
    let never = SystemTime::UNIX_EPOCH;
    FileAttr {
        ino: INodeNo(inode),
        size: 0,
        blocks: 0,
        atime: never,
        mtime: never,
        ctime: never,
        crtime: never,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
