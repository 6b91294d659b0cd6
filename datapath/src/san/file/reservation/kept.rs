//! Reservations that outlive a power loss (APTPL; SPC-4, 5.13.5): one small file beside the disk's own.
//!
//! ```text
//!   twinrail reservations 1
//!   registered 50:01:43:80:00:00:00:01 000000000001 00000000deadbeef      WWPN, session id, key
//!   reserved 50:01:43:80:00:00:00:01 000000000001 5                       by whom, type
//!   crc 1234abcd                                                          CRC-32 of all above
//! ```
//!
//! It is written to a new file, made durable and renamed, so that a power cut leaves the old or the new one. A damaged one
//! keeps the disk from opening.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Kind, REGISTRATIONS, Reservation, Reservations};
use crate::san::file::disk::sync_folder_of;
use crate::san::file::error::FileSanError;
use crate::san::{Identity, SessionId};

const TITLE: &str = "twinrail reservations 1";

/// Where one disk's reservations are kept.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
}

impl Keeper {
    /// Beside the disk's file, with `.reservations` at the end of its name.
    pub fn beside(disk: &Path) -> Self {
        Self { path: with_suffix(disk, ".reservations") }
    }

    /// What was kept; nothing, when there is no file.
    pub fn load(&self) -> Result<Reservations, FileSanError> {
        let path = || self.path.clone();
        match fs::read(&self.path) {
            Ok(octets) => parse(&octets).map_err(|reason| FileSanError::DamagedReservations { path: path(), reason }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Reservations::default()),
            Err(source) => Err(FileSanError::File { operation: "read", path: path(), source }),
        }
    }

    /// Makes durable what is to be kept: all of it, or, without APTPL, nothing.
    pub fn store(&self, reservations: &Reservations) -> io::Result<()> {
        if !reservations.kept || reservations.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Err(_) => Ok(()),
                Ok(()) => sync_folder_of(&self.path),
            };
        }
        let new = with_suffix(&self.path, ".new");
        let mut file = File::create(&new)?;
        file.write_all(print(reservations).as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        sync_folder_of(&self.path)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn print(reservations: &Reservations) -> String {
    let mut text = format!("{TITLE}\n");
    for (nexus, key) in &reservations.registered {
        text += &format!("registered {} {key:016x}\n", print_identity(*nexus));
    }
    if let Some(Reservation { kind, by }) = reservations.reservation {
        text += &format!("reserved {} {}\n", print_identity(by), kind as u8);
    }
    let checksum = crc32fast::hash(text.as_bytes());
    text + &format!("crc {checksum:08x}\n")
}

fn print_identity(identity: Identity) -> String {
    let session: String = identity.session.0.iter().map(|it| format!("{it:02x}")).collect();
    format!("{} {session}", identity.wwpn)
}

fn parse(octets: &[u8]) -> Result<Reservations, &'static str> {
    let text = std::str::from_utf8(octets).map_err(|_| "it is no text")?;
    let end = text.rfind("crc ").ok_or("it has no checksum")?;
    let (content, checksum) = text.split_at(end);
    if checksum != format!("crc {:08x}\n", crc32fast::hash(content.as_bytes())) {
        return Err("its checksum is wrong");
    }
    let mut lines = content.lines();
    if lines.next() != Some(TITLE) {
        return Err("it is of another version");
    }
    let mut reservations = Reservations { kept: true, ..Reservations::default() };
    for line in lines {
        take_line(&mut reservations, line).ok_or("it has a line that makes no sense")?;
    }
    Ok(reservations)
}

fn take_line(reservations: &mut Reservations, line: &str) -> Option<()> {
    let words: Vec<&str> = line.split(' ').collect();
    let &[what, wwpn, session, last] = words.as_slice() else { return None };
    let session = u64::from_str_radix(session, 16).ok()?.to_be_bytes();
    let [0, 0, session @ ..] = session else { return None };
    let nexus = Identity { wwpn: wwpn.parse().ok()?, session: SessionId(session) };
    match what {
        "registered" if reservations.registered.len() < REGISTRATIONS => {
            reservations.registered.insert(nexus, u64::from_str_radix(last, 16).ok()?);
        }
        "reserved" => {
            let kind = Kind::from_bits(last.parse().ok()?)?;
            let holder = kind.for_all_registrants() || reservations.is_registered(nexus);
            reservations.reservation = Some(Reservation { kind, by: nexus }).filter(|_| holder);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Keys};
    use super::*;

    fn nexus(last: u8) -> Identity {
        let wwpn = "50:01:43:80:00:00:00:01".parse().expect("a WWPN");
        Identity { wwpn, session: SessionId([0x80, 0, 0, 0, 0, last]) }
    }

    fn registered() -> Reservations {
        let mut reservations = Reservations::default();
        for (by, key) in [(nexus(1), 0xdead_beef), (nexus(2), 7)] {
            let action = Action::Register { ignore_key: false, aptpl: true };
            reservations.change(by, action, Keys { own: 0, service: key }).expect("registered");
        }
        let action = Action::Reserve(Kind::WriteExclusiveRegistrantsOnly);
        reservations.change(nexus(2), action, Keys { own: 7, service: 0 }).expect("reserved");
        reservations
    }

    #[test]
    fn what_is_kept_comes_back_but_for_the_generation() {
        let before = registered();
        let after = parse(print(&before).as_bytes());
        assert_eq!(after, Ok(Reservations { generation: 0, ..before }));
    }

    #[test]
    fn every_damaged_octet_is_noticed() {
        let good = print(&registered()).into_bytes();
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 0x10;
            assert!(parse(&bad).is_err(), "octet {index}");
            assert!(parse(&good[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn a_power_cut_while_writing_leaves_the_old_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::beside(&folder.path().join("disk"));
        let before = registered();
        keeper.store(&before).expect("stored");
        fs::write(folder.path().join("disk.reservations.new"), "twinrail res").expect("a torn file");
        assert_eq!(keeper.load().expect("loaded"), Reservations { generation: 0, ..before.clone() });
        keeper.store(&Reservations { kept: false, ..before }).expect("stored");
        assert_eq!(keeper.load().expect("loaded"), Reservations::default());
    }
}
