use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use twinrail_datapath_sys::punch_hole;

use super::DiskConfig;
use super::error::FileSanError;

/// Octets written at once when one block fills a range.
const FILL: usize = 1 << 20;

/// How large a disk is. Both are above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub block_length: u32,
    pub blocks: u64,
}

/// The medium: blocks in a file that this process alone has.
#[derive(Debug)]
pub struct Disk {
    file: File,
    geometry: Geometry,
    /// Something was written since the last sync.
    unsynced: bool,
    /// A sync failed. The kernel forgets what it could not write, so that a later sync that succeeds proves nothing.
    failed: bool,
}

impl Geometry {
    /// Those of a disk that can exist: a file's offsets have 63 bits.
    pub fn of(config: &DiskConfig) -> Result<Self, FileSanError> {
        let DiskConfig { name, octets, block_length, .. } = config;
        let reason = match (*octets, *block_length) {
            (_, length) if length != 512 && length != 4096 => "blocks have 512 or 4096 octets",
            (0, _) => "it would be empty",
            (octets, length) if octets % u64::from(length) != 0 => "that is no whole number of blocks",
            (octets, _) if octets > i64::MAX as u64 => "no file is that large",
            (octets, length) => return Ok(Self { block_length: length, blocks: octets / u64::from(length) }),
        };
        Err(FileSanError::Geometry { name: name.clone(), octets: *octets, block_length: *block_length, reason })
    }

    pub fn octets(self, blocks: u64) -> u64 {
        blocks * u64::from(self.block_length)
    }
}

impl Disk {
    /// Opens and locks the file. What was there stays; what is new reads as zeros.
    pub fn open(config: &DiskConfig) -> Result<Self, FileSanError> {
        let geometry = Geometry::of(config)?;
        let path = &config.path;
        let failure = |operation| move |source| FileSanError::File { operation, path: path.clone(), source };
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failure("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FileSanError::InUse(path.clone())),
            Err(TryLockError::Error(source)) => return Err(failure("lock")(source)),
        }
        let found = file.metadata().map_err(failure("look at"))?.len();
        if found > config.octets {
            return Err(FileSanError::Larger { path: path.clone(), found, wanted: config.octets });
        }
        if found < config.octets {
            file.set_len(config.octets).and_then(|()| file.sync_all()).map_err(failure("set the size of"))?;
            sync_folder_of(path).map_err(failure("make durable the folder of"))?;
        }
        Ok(Self { file, geometry, unsynced: false, failed: false })
    }

    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Nothing that it says can be trusted any more.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The range must be on the disk, here and below.
    pub fn read(&self, lba: u64, blocks: u32) -> io::Result<Bytes> {
        let mut data = vec![0; self.geometry.octets(blocks.into()) as usize];
        self.file.read_exact_at(&mut data, self.offset(lba, blocks.into()))?;
        Ok(data.into())
    }

    /// Whole blocks.
    pub fn write(&mut self, lba: u64, data: &[u8]) -> io::Result<()> {
        let blocks = data.len() as u64 / u64::from(self.geometry.block_length);
        let offset = self.offset(lba, blocks);
        self.unsynced |= blocks > 0;
        self.file.write_all_at(data, offset)
    }

    /// Writes one block to each of the range.
    pub fn fill(&mut self, lba: u64, blocks: u64, block: &[u8]) -> io::Result<()> {
        let at_once = (FILL / block.len()).min(usize::try_from(blocks).unwrap_or(usize::MAX));
        let many = block.repeat(at_once);
        let mut done = 0;
        while done < blocks {
            let now = (blocks - done).min(at_once as u64);
            self.write(lba + done, &many[..now as usize * block.len()])?;
            done += now;
        }
        Ok(())
    }

    /// Gives the range's storage back; it reads as zeros.
    pub fn unmap(&mut self, lba: u64, blocks: u64) -> io::Result<()> {
        if blocks == 0 {
            return Ok(());
        }
        self.unsynced = true;
        match punch_hole(&self.file, self.offset(lba, blocks), self.geometry.octets(blocks)) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.fill(lba, blocks, &vec![0; self.geometry.block_length as usize])
            }
            result => result,
        }
    }

    /// Everything written so far is on the medium after it.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier sync failed"));
        }
        if self.unsynced {
            self.file.sync_data().inspect_err(|_| self.failed = true)?;
            self.unsynced = false;
        }
        Ok(())
    }

    fn offset(&self, lba: u64, blocks: u64) -> u64 {
        assert!(lba.checked_add(blocks).is_some_and(|end| end <= self.geometry.blocks), "blocks beyond the disk's end");
        self.geometry.octets(lba)
    }
}

/// Makes a file's name as durable as its content.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failed_sync_no_later_one_succeeds() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = DiskConfig { name: "a".into(), path: folder.path().join("a"), octets: 4096, block_length: 512 };
        let mut disk = Disk::open(&config).expect("a disk");
        disk.write(0, &[1; 512]).expect("written");
        disk.failed = true;
        assert!(disk.sync().is_err());
        assert!(disk.has_failed() && disk.sync().is_err());
    }

    /// Longer than what is written at once, and no multiple of it.
    #[test]
    fn a_long_range_is_filled_to_its_last_block_and_no_further() {
        let folder = tempfile::tempdir().expect("a folder");
        let octets = 3 * FILL as u64;
        let config = DiskConfig { name: "a".into(), path: folder.path().join("a"), octets, block_length: 4096 };
        let mut disk = Disk::open(&config).expect("a disk");
        let blocks = (2 * FILL / 4096) as u64 + 7;
        disk.fill(1, blocks, &[9; 4096]).expect("filled");
        let first_of = |lba| disk.read(lba, 1).expect("read")[0];
        assert_eq!([0, 1, blocks, blocks + 1].map(first_of), [0, 9, 9, 0]);
    }
}
