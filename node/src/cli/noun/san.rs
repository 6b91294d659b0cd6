//! What `san` has beside its uplinks, and how a SAN looks to people.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use comfy_table::Table;
use twinrail_proto::grpc::v1;

use super::adapter::Content;
use super::cloud::uplinks_text;
use super::stamp_facts;
use crate::cli::failure::Failure;
use crate::cli::output::{Readable, table};
use crate::cli::text::{NOTHING, age, octets, or_nothing, parse_octets, short, yes};

/// On creation all of it; on an update what changes.
#[derive(Args, Debug, Default)]
pub struct SanSettings {
    /// What makes the commands of a former home dead: LUN RESET (right for any array), or the login (only for an array that
    /// answers it when they are).
    #[arg(long, value_enum)]
    fence: Option<Fence>,
    /// iSCSI: directors log in by CHAP as this user.
    #[arg(long, value_name = "USER", requires = "chap_secret_file")]
    chap_user: Option<String>,
    /// The file that holds the CHAP secret: its first line.
    #[arg(long, value_name = "FILE", requires = "chap_user")]
    chap_secret_file: Option<PathBuf>,
    /// iSCSI: directors log in without CHAP.
    #[arg(long, conflicts_with = "chap_user")]
    no_chap: bool,
    /// iSCSI: CRC32C over headers.
    #[arg(long, value_name = "BOOL")]
    header_digest: Option<bool>,
    /// iSCSI: CRC32C over data.
    #[arg(long, value_name = "BOOL")]
    data_digest: Option<bool>,
    /// Of a SAN of files: a disk, as root,size=10GiB or root,size=10GiB,block=4096; may be repeated.
    #[arg(long, value_name = "NAME,size=SIZE", value_parser = disk)]
    disk: Vec<(String, v1::SanDisk)>,
    /// Of a SAN of files: takes away a disk; its file stays.
    #[arg(long, value_name = "NAME")]
    remove_disk: Vec<String>,
    /// Of a SAN of files: shows a disk to a WWPN, as 50:01:43:80:00:00:00:01,lun=0,disk=root; may be repeated.
    #[arg(long, value_name = "WWPN,lun=LUN,disk=NAME", value_parser = mask)]
    mask: Vec<v1::LunMask>,
    /// Of a SAN of files: hides a LUN from a WWPN, as 50:01:43:80:00:00:00:01,lun=0.
    #[arg(long, value_name = "WWPN,lun=LUN", value_parser = hidden)]
    remove_mask: Vec<(String, u32)>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Fence {
    LunReset,
    Login,
}

impl Content for SanSettings {
    type Message = v1::San;

    fn write_into(self, san: &mut v1::San) -> Result<(), Failure> {
        if let Some(fence) = self.fence {
            san.set_fence(match fence {
                Fence::LunReset => v1::SanFence::LunReset,
                Fence::Login => v1::SanFence::Login,
            });
        }
        if self.no_chap {
            san.chap = None;
        }
        if let Some((user, file)) = self.chap_user.zip(self.chap_secret_file) {
            san.chap = Some(v1::Chap { user, secret: first_line(&file)? });
        }
        san.header_digest = self.header_digest.unwrap_or(san.header_digest);
        san.data_digest = self.data_digest.unwrap_or(san.data_digest);
        let hidden = |it: &v1::LunMask, wwpn: &str, lun: u32| it.lun == lun && same_wwn(&it.wwpn, wwpn);
        san.masks.retain(|it| !self.remove_mask.iter().any(|(wwpn, lun)| hidden(it, wwpn, *lun)));
        san.masks.retain(|it| !self.mask.iter().any(|new| hidden(it, &new.wwpn, new.lun)));
        san.masks.extend(self.mask);
        san.disks.retain(|name, _| !self.remove_disk.contains(name));
        san.disks.extend(self.disk);
        Ok(())
    }
}

/// The same digits, however they are written.
fn same_wwn(one: &str, other: &str) -> bool {
    let digits = |text: &str| text.replace([':', '-'], "").to_lowercase();
    digits(one) == digits(other)
}

fn first_line(file: &PathBuf) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| Failure::Usage(format!("--chap-secret-file {}: {error}", file.display())))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// `NAME,key=value,…` into the name and the values of these keys, in their order; None: not there.
fn words<const N: usize>(text: &str, keys: [&str; N]) -> Result<(String, [Option<String>; N]), String> {
    let mut parts = text.split(',');
    let name = parts.next().unwrap_or_default().to_owned();
    let mut values = [const { None }; N];
    for part in parts {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is no key=value"))?;
        let place = keys.iter().position(|it| *it == key);
        let place = place.ok_or_else(|| format!("{key:?} is no key here; there are {}", keys.join(", ")))?;
        if values[place].replace(value.to_owned()).is_some() {
            return Err(format!("{key} is there twice"));
        }
    }
    Ok((name, values))
}

fn number(key: &str, text: Option<String>) -> Result<u32, String> {
    let text = text.ok_or_else(|| format!("{key}= is missing"))?;
    text.parse().map_err(|_| format!("{key}={text} is no number"))
}

/// For clap.
fn disk(text: &str) -> Result<(String, v1::SanDisk), String> {
    let (name, [size, block]) = words(text, ["size", "block"])?;
    let octets = parse_octets(&size.ok_or("size= is missing, as size=10GiB")?)?;
    let block_length = block.map_or(Ok(0), |it| number("block", Some(it)))?;
    Ok((name, v1::SanDisk { octets, block_length }))
}

/// For clap.
fn mask(text: &str) -> Result<v1::LunMask, String> {
    let (wwpn, [lun, disk]) = words(text, ["lun", "disk"])?;
    Ok(v1::LunMask { wwpn, lun: number("lun", lun)?, disk: disk.ok_or("disk= is missing")? })
}

/// For clap.
fn hidden(text: &str) -> Result<(String, u32), String> {
    let (wwpn, [lun]) = words(text, ["lun"])?;
    Ok((wwpn, number("lun", lun)?))
}

fn fence(san: &v1::San) -> &'static str {
    match san.fence() {
        v1::SanFence::Unspecified | v1::SanFence::LunReset => "LUN RESET",
        v1::SanFence::Login => "login",
    }
}

impl Readable for v1::San {
    const HEADINGS: &'static [&'static str] = &["NAME", "UPLINKS", "FENCE", "DISKS", "AGE"];

    fn row(&self, now: SystemTime) -> Vec<String> {
        let uplinks = uplinks_text(self.uplinks.iter().map(|it| (&it.director, &it.port)));
        let disks = if self.disks.is_empty() { NOTHING.to_owned() } else { self.disks.len().to_string() };
        vec![short(&self.name), uplinks, fence(self).to_owned(), disks, age(self.create_time.as_ref(), now)]
    }

    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("name", short(&self.name)),
            ("fence", fence(self).to_owned()),
            ("CHAP user", or_nothing(self.chap.as_ref().map_or("", |it| &it.user))),
            ("header digest", yes(self.header_digest)),
            ("data digest", yes(self.data_digest)),
        ];
        facts.extend(stamp_facts(self.create_time.as_ref(), self.update_time.as_ref(), &self.etag, now));
        facts
    }

    fn parts(&self, _now: SystemTime) -> Vec<(&'static str, Table)> {
        let rows = self.uplinks.iter().map(|it| vec![short(&it.director), it.port.clone()]);
        let mut parts = vec![("uplinks", table(&["DIRECTOR", "PORT"], rows))];
        if !self.disks.is_empty() {
            let rows =
                self.disks.iter().map(|(name, it)| vec![name.clone(), octets(it.octets), it.block_length.to_string()]);
            parts.push(("disks", table(&["NAME", "SIZE", "BLOCK"], rows)));
        }
        if !self.masks.is_empty() {
            let rows = self.masks.iter().map(|it| vec![it.wwpn.clone(), it.lun.to_string(), it.disk.clone()]);
            parts.push(("shown", table(&["WWPN", "LUN", "DISK"], rows)));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_and_masks_in_words() {
        assert_eq!(disk("root,size=1GiB").unwrap(), ("root".into(), v1::SanDisk { octets: 1 << 30, block_length: 0 }));
        assert_eq!(disk("a,size=8192,block=4096").unwrap().1, v1::SanDisk { octets: 8192, block_length: 4096 });
        let shown = mask("50:01:43:80:00:00:00:01,lun=3,disk=root").unwrap();
        assert_eq!((shown.lun, shown.disk.as_str()), (3, "root"));
        for (text, part) in
            [("root", "size="), ("root,size=big", "big"), ("root,sise=1", "sise"), ("a,size=1,size=2", "twice")]
        {
            let said = disk(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        assert!(mask("50,lun=x,disk=a").unwrap_err().contains("lun=x"));
        assert!(hidden("50").unwrap_err().contains("lun="));
    }

    #[test]
    fn an_update_changes_what_it_names() {
        let shown = |wwpn: &str, lun, disk: &str| v1::LunMask { wwpn: wwpn.into(), lun, disk: disk.into() };
        let mut san = v1::San { header_digest: true, ..Default::default() };
        san.masks = vec![shown("50:01:43:80:00:00:00:01", 0, "a"), shown("50:01:43:80:00:00:00:01", 1, "b")];
        let settings = SanSettings {
            mask: vec![shown("5001438000000001", 0, "c")],
            remove_mask: vec![("50-01-43-80-00-00-00-01".into(), 1)],
            data_digest: Some(true),
            ..Default::default()
        };
        settings.write_into(&mut san).unwrap();
        assert_eq!(san.masks, [shown("5001438000000001", 0, "c")]);
        assert!(san.header_digest && san.data_digest);
    }
}
