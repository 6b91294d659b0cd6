//! An archive as the kernel unpacks it into its first root file system: cpio, format `newc` (the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst). Pure.

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const END: &str = "TRAILER!!!";

#[derive(Default)]
pub struct Archive {
    octets: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// A folder; those above it must have been added.
    pub fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER, &[]);
    }

    /// A file that may be executed.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, PROGRAM, content);
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.entry(END, 0, &[]);
        self.octets
    }

    /// The header's thirteen numbers, then the name with its zero, then the content; each part padded to four octets.
    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let (links, length, name_length) = (1, content.len(), path.len() + 1);
        let (inode, nothing) = (self.entries, 0);
        let numbers = [inode, mode, nothing, nothing, links, nothing, length as u32];
        let devices = [nothing; 4];
        let ends = [name_length as u32, nothing];
        self.octets.extend_from_slice(b"070701");
        for number in numbers.iter().chain(&devices).chain(&ends) {
            self.octets.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        self.octets.extend_from_slice(path.as_bytes());
        self.octets.push(0);
        self.pad();
        self.octets.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_as_the_format_says() {
        let mut archive = Archive::default();
        archive.folder("bin");
        archive.file("bin/x", b"12345");
        let octets = archive.finish();
        let text = String::from_utf8(octets).unwrap().replace('\0', ".");
        let expected = [
            "07070100000001000041ED000000000000000000000001000000000000000000000000000000000000000000000000000000040000",
            "0000bin...",
        ];
        assert!(text.starts_with(&expected.concat()), "{text}");
        assert!(
            text.contains("000081ED") && text.contains("bin/x.12345...070701") && text.ends_with("TRAILER!!!...."),
            "{text}"
        );
    }
}
