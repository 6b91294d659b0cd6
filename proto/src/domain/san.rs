use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Name, Wwn};

/// Most disks of one SAN of files: each has a thread and an open file at its director.
pub const MAX_SAN_DISKS: usize = 256;
/// Most LUNs that one WWPN is shown, by a SAN of files or through a vHBA's mask: each takes some requests of every fence.
pub const MAX_LUNS: usize = 256;
/// Most WWPNs to which one SAN of files shows something.
pub const MAX_MASKED_WWPNS: usize = 1_024;
/// The longest iSCSI name (RFC 7143, section 4.2.7.1).
const MAX_ISCSI_NAME: usize = 223;
/// Octets of a folder's path (Linux: PATH_MAX less the final zero would be 4095; a name in the folder has to fit too).
const MAX_FOLDER: usize = 1_024;
/// A CHAP secret (RFC 7143, section 12.1.3: at least 96 bits unless IPsec protects the exchange) and user.
const CHAP_SECRET: std::ops::RangeInclusive<usize> = 12..=255;
const MAX_CHAP_USER: usize = 255;

/// A storage cloud outside. `sans/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct San {
    pub name: Name,
    /// Director → the port by which it reaches this SAN. A director without one cannot be a home for its vHBAs.
    pub uplinks: BTreeMap<Name, SanPort>,
    pub fence: SanFence,
    pub chap: Option<ChapSecret>,
    pub digests: SanDigests,
    /// Of a SAN of files.
    pub disks: BTreeMap<Name, SanDisk>,
    /// Of a SAN of files: for each WWPN the LUNs that it is shown, and the disk behind each.
    pub masks: BTreeMap<Wwn, BTreeMap<LunNumber, Name>>,
}

/// Where a director finds a SAN. Text: `iscsi://192.0.2.7:3260/iqn.2026-11.net.example:array`, `file:/var/lib/twinrail/san`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SanPort {
    /// A target of an iSCSI array.
    Iscsi { portal: SocketAddr, target: String },
    /// Disks that are files in this folder of the director.
    File { folder: PathBuf },
}

/// What makes every command of a former home dead at the target, as the SAN's administrator declares it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SanFence {
    /// LUN RESET, once it is answered: what holds for an array of which nothing is known.
    #[default]
    LunReset,
    /// The login itself: it is answered only when every command of the former session has ended.
    Login,
}

/// The directors' user and secret at an array (CHAP, RFC 1994).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChapSecret {
    pub user: String,
    /// Empty in an update: the one that is known stays.
    pub secret: String,
}

/// CRC32C over what goes between a director and an iSCSI array (RFC 7143, section 13.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SanDigests {
    pub header: bool,
    pub data: bool,
}

/// A disk of a SAN of files: a file of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SanDisk {
    /// A multiple of `block_length`. May grow, never shrink.
    pub octets: u64,
    /// 512 or 4096.
    pub block_length: u32,
}

/// The number of a logical unit, as single-level flat space addressing has it (SAM-5, 4.7.7.5): 0 to 16383.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct LunNumber(u16);

/// Which LUNs of its SAN a vHBA presents to its server, and from which the server boots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LunChoice {
    /// Empty: all that the SAN shows.
    pub mask: BTreeSet<LunNumber>,
    pub boot: Option<LunNumber>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SanError {
    #[error("{0:?} is no port of a SAN; write iscsi://ADDRESS:PORT/TARGET-NAME or file:/FOLDER")]
    Port(String),
    #[error("LUN {0} is out of range; 0 to 16383 are allowed (SAM-5, 4.7.7.5)")]
    Lun(u32),
    #[error("{0} LUNs; at most {MAX_LUNS} are allowed")]
    ManyLuns(usize),
    #[error("LUN {0} is to boot from, and the mask hides it; add it to the mask")]
    BootHidden(LunNumber),
}

/// What is wrong with a SAN as a whole, and in which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SanProblem {
    pub field: String,
    pub problem: String,
}

impl San {
    /// One without anything optional.
    pub fn plain(name: Name, uplinks: BTreeMap<Name, SanPort>) -> Self {
        let (fence, chap, digests) = Default::default();
        Self { name, uplinks, fence, chap, digests, disks: BTreeMap::new(), masks: BTreeMap::new() }
    }

    /// Checks what the types of its parts cannot.
    pub fn check(&self) -> Result<(), SanProblem> {
        let files = self.uplinks.values().filter(|it| matches!(it, SanPort::File { .. })).count();
        if files > 0 && self.uplinks.len() > 1 {
            let why = "a SAN of files is not shared: one director reaches it, and nobody else; its vHBAs do not survive that director";
            return Err(wrong("uplinks", why));
        }
        if files == 0 && !self.uplinks.is_empty() && !(self.disks.is_empty() && self.masks.is_empty()) {
            return Err(wrong("disks", "disks and masks are of SANs of files; an array has its own"));
        }
        let iscsi_only = self.chap.is_some() || self.digests != SanDigests::default();
        if files > 0 && iscsi_only {
            return Err(wrong("chap", "CHAP and digests are of iSCSI; a SAN of files has none"));
        }
        self.chap.as_ref().map_or(Ok(()), ChapSecret::check)?;
        self.check_disks()?;
        self.check_masks()
    }

    fn check_disks(&self) -> Result<(), SanProblem> {
        if self.disks.len() > MAX_SAN_DISKS {
            return Err(wrong("disks", format!("{} disks; at most {MAX_SAN_DISKS} are allowed", self.disks.len())));
        }
        for (name, SanDisk { octets, block_length }) in &self.disks {
            let field = format!("disks[{name}]");
            if ![512, 4096].contains(block_length) {
                return Err(wrong(field, format!("blocks of {block_length} octets; 512 and 4096 are possible")));
            }
            if *octets == 0 || !octets.is_multiple_of(u64::from(*block_length)) {
                return Err(wrong(field, format!("{octets} octets are not one or more blocks of {block_length}")));
            }
        }
        Ok(())
    }

    fn check_masks(&self) -> Result<(), SanProblem> {
        if self.masks.len() > MAX_MASKED_WWPNS {
            let count = self.masks.len();
            return Err(wrong("masks", format!("{count} WWPNs; at most {MAX_MASKED_WWPNS} are allowed")));
        }
        for (wwpn, luns) in &self.masks {
            let field = format!("masks[{wwpn}]");
            if luns.len() > MAX_LUNS {
                return Err(wrong(field, SanError::ManyLuns(luns.len())));
            }
            if let Some((lun, disk)) = luns.iter().find(|(_, disk)| !self.disks.contains_key(*disk)) {
                return Err(wrong(field, format!("LUN {lun} is disk '{disk}', which there is not; name it in disks")));
            }
        }
        Ok(())
    }
}

fn wrong(field: impl Into<String>, problem: impl fmt::Display) -> SanProblem {
    SanProblem { field: field.into(), problem: problem.to_string() }
}

impl ChapSecret {
    fn check(&self) -> Result<(), SanProblem> {
        if self.user.is_empty() || self.user.len() > MAX_CHAP_USER {
            return Err(wrong("chap.user", format!("1 to {MAX_CHAP_USER} octets are needed")));
        }
        if !CHAP_SECRET.contains(&self.secret.len()) {
            let (least, most) = (CHAP_SECRET.start(), CHAP_SECRET.end());
            return Err(wrong("chap.secret", format!("{least} to {most} octets are needed (RFC 7143, 12.1.3)")));
        }
        Ok(())
    }
}

/// The secret goes into no log.
impl fmt::Debug for ChapSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChapSecret").field("user", &self.user).finish_non_exhaustive()
    }
}

impl LunNumber {
    pub fn new(number: u32) -> Result<Self, SanError> {
        match u16::try_from(number) {
            Ok(small) if small < 1 << 14 => Ok(Self(small)),
            _ => Err(SanError::Lun(number)),
        }
    }

    pub fn get(self) -> u16 {
        self.0
    }
}

impl LunChoice {
    pub fn check(&self) -> Result<(), SanError> {
        match self.boot {
            _ if self.mask.len() > MAX_LUNS => Err(SanError::ManyLuns(self.mask.len())),
            Some(boot) if !self.mask.is_empty() && !self.mask.contains(&boot) => Err(SanError::BootHidden(boot)),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for LunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u16> for LunNumber {
    type Error = SanError;
    fn try_from(number: u16) -> Result<Self, SanError> {
        Self::new(number.into())
    }
}

impl From<LunNumber> for u16 {
    fn from(lun: LunNumber) -> u16 {
        lun.0
    }
}

impl FromStr for SanPort {
    type Err = SanError;

    fn from_str(text: &str) -> Result<Self, SanError> {
        let port = if let Some(rest) = text.strip_prefix("iscsi://") {
            rest.split_once('/').and_then(|(portal, target)| iscsi(portal, target))
        } else {
            text.strip_prefix("file:").and_then(file)
        };
        port.ok_or_else(|| SanError::Port(text.to_owned()))
    }
}

fn iscsi(portal: &str, target: &str) -> Option<SanPort> {
    let portal: SocketAddr = portal.parse().ok()?;
    let named = ["iqn.", "eui.", "naa."].iter().any(|it| target.starts_with(it));
    let bad = |c: char| c.is_whitespace() || c.is_control();
    let good = named && target.len() <= MAX_ISCSI_NAME && !target.contains(bad) && portal.port() != 0;
    good.then(|| SanPort::Iscsi { portal, target: target.to_owned() })
}

fn file(folder: &str) -> Option<SanPort> {
    let path = Path::new(folder);
    let good = path.is_absolute() && folder.len() <= MAX_FOLDER && !folder.contains(char::is_control);
    good.then(|| SanPort::File { folder: path.to_owned() })
}

impl fmt::Display for SanPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iscsi { portal, target } => write!(f, "iscsi://{portal}/{target}"),
            Self::File { folder } => write!(f, "file:{}", folder.display()),
        }
    }
}

impl TryFrom<String> for SanPort {
    type Error = SanError;
    fn try_from(text: String) -> Result<Self, SanError> {
        text.parse()
    }
}

impl From<SanPort> for String {
    fn from(port: SanPort) -> String {
        port.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn port(text: &str) -> SanPort {
        text.parse().unwrap()
    }

    #[test]
    fn ports_are_read_as_they_are_written() {
        for text in [
            "iscsi://192.0.2.7:3260/iqn.2026-11.net.example:array",
            "iscsi://[2001:db8::7]:3260/naa.5001438000000001",
            "file:/var/lib/twinrail/san",
        ] {
            assert_eq!(port(text).to_string(), text);
        }
        for bad in
            ["", "fc0", "iscsi://array:3260/iqn.a", "iscsi://192.0.2.7:3260/", "iscsi://192.0.2.7:0/iqn.a", "file:san"]
        {
            assert_eq!(bad.parse::<SanPort>(), Err(SanError::Port(bad.to_owned())));
        }
    }

    #[test]
    fn a_san_of_files_has_one_director_and_disks_that_exist() {
        let files = |directors: &[&str]| directors.iter().map(|it| (name(it), port("file:/san"))).collect();
        let mut san = San::plain(name("store"), files(&["d1"]));
        san.disks.insert(name("root"), SanDisk { octets: 1 << 20, block_length: 512 });
        let wwpn: Wwn = "5001438000000001".parse().unwrap();
        let lun = LunNumber::new(3).unwrap();
        san.masks.insert(wwpn, [(lun, name("root"))].into());
        assert_eq!(san.check(), Ok(()));
        let broken = |change: fn(&mut San)| {
            let mut san = san.clone();
            change(&mut san);
            san.check().unwrap_err().field
        };
        assert_eq!(broken(|it| drop(it.uplinks.insert(name("d2"), port("file:/san")))), "uplinks");
        assert_eq!(broken(|it| it.disks.clear()), "masks[50:01:43:80:00:00:00:01]");
        assert_eq!(broken(|it| it.disks.values_mut().for_each(|it| it.octets += 1)), "disks[root]");
        assert_eq!(broken(|it| it.disks.values_mut().for_each(|it| it.block_length = 520)), "disks[root]");
        assert_eq!(broken(|it| it.digests.header = true), "chap");
        let iscsi = |it: &mut San| drop(it.uplinks.insert(name("d1"), port("iscsi://192.0.2.7:3260/iqn.a")));
        assert_eq!(broken(iscsi), "disks");
    }

    #[test]
    fn a_secret_is_long_enough_and_never_printed() {
        let mut san = San::plain(name("array"), [(name("d1"), port("iscsi://192.0.2.7:3260/iqn.a"))].into());
        san.chap = Some(ChapSecret { user: "twinrail".into(), secret: "short".into() });
        assert_eq!(san.check().unwrap_err().field, "chap.secret");
        san.chap = Some(ChapSecret { user: "twinrail".into(), secret: "long enough to be one".into() });
        assert_eq!(san.check(), Ok(()));
        assert!(!format!("{san:?}").contains("long enough"));
    }

    #[test]
    fn a_boot_lun_is_shown() {
        let lun = |number| LunNumber::new(number).unwrap();
        let choice = |mask: &[u32], boot| LunChoice { mask: mask.iter().map(|&it| lun(it)).collect(), boot };
        assert_eq!(choice(&[], Some(lun(7))).check(), Ok(()));
        assert_eq!(choice(&[1, 7], Some(lun(7))).check(), Ok(()));
        assert_eq!(choice(&[1], Some(lun(7))).check(), Err(SanError::BootHidden(lun(7))));
        assert_eq!(LunNumber::new(16384), Err(SanError::Lun(16384)));
        assert_eq!(LunNumber::new(99999), Err(SanError::Lun(99999)));
    }
}
