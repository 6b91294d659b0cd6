//! A file system on a disk of a server, and a program that writes files to it until it is told to stop. It then unmounts, checks
//! the file system, mounts it again and compares every file with the checksum that was taken before it was written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::scenario::eventually;
use super::{Lab, Process};

const WRITES_WITHIN: Duration = Duration::from_secs(20);
/// Unmount, check, and reading back.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Arguments: device, folder. The mount is in the namespace of this program's own mounts, and ends with it. Files are written
/// over and over under 64 names, each with its checksum first noted outside of the disk, so that at the end each name has one.
const SCRIPT: &str = r#"
set -eu
device=$1 folder=$2 mount=$2/mount
mkdir -p "$mount" "$folder/sums"
mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$device"
mount -t ext4 "$device" "$mount"
number=0
while [ ! -e "$folder/stop" ]; do
    number=$((number + 1))
    name=$((number % 64))
    head -c $((4096 + number % 16 * 8192)) /dev/urandom > "$folder/next"
    cp "$folder/next" "$mount/$name"
    (cd "$folder" && sha256sum next | sed "s/next/$name/") > "$folder/sums/$name"
    if [ $((number % 4)) = 0 ]; then sync -f "$mount"; fi
    echo "$number" > "$folder/count.new" && mv "$folder/count.new" "$folder/count"
done
umount "$mount"
e2fsck -f -n "$device"
mount -t ext4 -o ro "$device" "$mount"
cat "$folder"/sums/* > "$folder/all"
(cd "$mount" && sha256sum --check --strict --quiet "$folder/all")
umount "$mount"
"#;

/// A file system with a writer on it.
pub struct FileWriter {
    process: Process,
    folder: PathBuf,
}

impl FileWriter {
    /// Makes the file system on a device of that server, and begins to write.
    pub fn start(lab: &Lab, server: &str, device: &Path) -> Result<Self> {
        let folder = lab.run_dir().join(format!("files-{server}"));
        std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
        let text = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
        let (device, place) = (text(device)?, text(&folder)?);
        let arguments = ["-euc", SCRIPT, "files", &device, &place];
        let process = lab.spawn(server, &format!("files-{server}"), Path::new("bash"), &arguments)?;
        Ok(Self { process, folder })
    }

    /// Files written so far.
    pub fn files(&mut self) -> Result<u64> {
        ensure!(self.process.is_running()?, "the writer ended: see {}", self.process.log().display());
        let count = std::fs::read_to_string(self.folder.join("count")).unwrap_or_default();
        Ok(count.trim().parse().unwrap_or(0))
    }

    /// Waits until so many files more are written.
    pub fn wait_for_files(&mut self, more: u64) -> Result<()> {
        let before = self.files()?;
        eventually(WRITES_WITHIN, "files", || Ok((self.files()? >= before + more).then_some(())))
    }

    /// Ends the writing, unmounts, checks the file system and every file on it. The number of files written.
    pub fn finish(mut self) -> Result<u64> {
        let files = self.files()?;
        std::fs::write(self.folder.join("stop"), "").context("could not ask the writer to stop")?;
        let status = self.process.wait(ENDS_WITHIN)?;
        ensure!(
            status.success(),
            "the file system did not stand the test ({status}): {}",
            self.process.log().display()
        );
        Ok(files)
    }
}
