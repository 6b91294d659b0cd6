//! The SANs that a director has in use: one object each, made of what the state says of it, and kept while that is the same.
//!
//! A SAN of files is opened apart from the thread that carries and from the task that puts tables into force: a disk may be
//! slow. Until it is open, and while it cannot be, its port is unusable, and says why.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use twinrail_datapath::san::file::{DiskConfig, FileSan, FileSanConfig};
use twinrail_datapath::san::iscsi::IscsiSan;
use twinrail_datapath::san::iscsi::engine::Patience;
use twinrail_datapath::san::iscsi::login::{Chap, DigestOffer, Offer, Secret};
use twinrail_proto::domain::{ChapSecret, LunNumber, Name, San, SanDisk, SanFence, SanPort, Wwn};

use super::table::Port;
use crate::telemetry::error_text;

/// When files that could not be opened are tried again: they may be in use by a session that is just ending.
const REOPEN: Duration = Duration::from_millis(500);

/// For each WWPN its LUNs by number, and the disk behind each.
type Masks = BTreeMap<Wwn, BTreeMap<u16, String>>;

/// Has the table made anew.
pub type Renew = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub struct Sans {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    used: BTreeMap<Name, Used>,
    generations: u64,
    /// Closed when no table names them any more: their threads are waited for.
    closing: Vec<FileSan>,
}

struct Used {
    settings: San,
    generation: u64,
    masks: Masks,
    port: Port,
    files: Option<FileSan>,
}

impl Sans {
    /// The ports by which `own` reaches these SANs; one without an uplink here has none. `renew` is called when there is
    /// something new to be had.
    pub fn ports(&self, sans: &[&San], own: &Name, renew: &Renew) -> BTreeMap<Name, Port> {
        let mut inner = self.inner.lock();
        let Inner { used, closing, .. } = &mut *inner;
        let same = |it: &Used| sans.iter().any(|san| settings(san, own) == it.settings);
        closing.extend(used.extract_if(.., |_, it| !same(it)).filter_map(|(_, it)| it.files));
        for san in sans {
            if let Some(used) = inner.used.get_mut(&san.name) {
                used.set_masks(masks(san));
            } else if let Some(port) = san.uplinks.get(own) {
                self.begin(&mut inner, san, port, own, renew);
            }
        }
        inner.used.iter().map(|(name, it)| (name.clone(), it.port.clone())).collect()
    }

    /// The table that named what was given up is in force no longer. Its threads are waited for beside.
    pub fn close(&self) {
        let closing = std::mem::take(&mut self.inner.lock().closing);
        if !closing.is_empty() {
            tokio::task::spawn_blocking(move || drop(closing));
        }
    }

    fn begin(&self, inner: &mut Inner, san: &San, port: &SanPort, own: &Name, renew: &Renew) {
        inner.generations += 1;
        let generation = inner.generations;
        let port = match port {
            SanPort::Iscsi { portal, target } => {
                Port::Usable { generation, san: Arc::new(iscsi(san, *portal, target)) }
            }
            SanPort::File { folder } => {
                let config = files(san, folder);
                tokio::spawn(open(self.inner.clone(), san.name.clone(), generation, config, renew.clone()));
                Port::Unusable { problem: format!("the files in {} are being opened", folder.display()) }
            }
        };
        let used = Used { settings: settings(san, own), generation, masks: masks(san), port, files: None };
        inner.used.insert(san.name.clone(), used);
    }
}

impl Used {
    fn set_masks(&mut self, masks: Masks) {
        if masks != self.masks {
            self.masks = masks;
            self.show();
        }
    }

    /// Shows what the masks say, once the files are open.
    fn show(&self) {
        if let Some(Err(error)) = self.files.as_ref().map(|it| it.set_masks(self.masks.clone())) {
            let (san, error) = (&self.settings.name, error_text(&error));
            tracing::error!(%san, error, "the masks of a SAN of files were not changed");
        }
    }

    fn opened(&mut self, files: FileSan) {
        self.port = Port::Usable { generation: self.generation, san: Arc::new(files.clone()) };
        self.files = Some(files);
        self.show();
    }

    fn failed(&mut self, problem: String) {
        tracing::warn!(san = %self.settings.name, problem, "a SAN of files cannot be opened");
        self.port = Port::Unusable { problem };
    }
}

/// Opens the files of a SAN, however often it takes, until they are not wanted any more.
async fn open(inner: Arc<Mutex<Inner>>, name: Name, generation: u64, config: FileSanConfig, renew: Renew) {
    loop {
        let attempt = config.clone();
        let result = match tokio::task::spawn_blocking(move || FileSan::open(&attempt)).await {
            Ok(result) => result.map_err(|error| error_text(&error)),
            Err(error) => Err(error.to_string()),
        };
        let opened = {
            let mut inner = inner.lock();
            let Some(used) = inner.used.get_mut(&name).filter(|it| it.generation == generation) else { return };
            let opened = result.is_ok();
            match result {
                Ok(files) => used.opened(files),
                Err(problem) => used.failed(problem),
            }
            opened
        };
        renew();
        if opened {
            return;
        }
        tokio::time::sleep(REOPEN).await;
    }
}

fn iscsi(san: &San, portal: SocketAddr, target: &str) -> IscsiSan {
    let chap = |it: &ChapSecret| Chap { name: it.user.clone(), secret: Secret::new(it.secret.clone()), target: None };
    let digest = |wanted| if wanted { DigestOffer::Require } else { DigestOffer::Never };
    let (header_digest, data_digest) = (digest(san.digests.header), digest(san.digests.data));
    IscsiSan {
        portal,
        target: target.to_owned(),
        chap: san.chap.as_ref().map(chap),
        offer: Offer { header_digest, data_digest, ..Offer::default() },
        patience: Patience::default(),
        login_fences: san.fence == SanFence::Login,
    }
}

fn files(san: &San, folder: &Path) -> FileSanConfig {
    let disk = |(name, disk): (&Name, &SanDisk)| {
        let SanDisk { octets, block_length } = *disk;
        DiskConfig { name: name.to_string(), path: folder.join(name.as_str()), octets, block_length }
    };
    FileSanConfig { disks: san.disks.iter().map(disk).collect(), masks: masks(san) }
}

fn masks(san: &San) -> Masks {
    let mask =
        |luns: &BTreeMap<LunNumber, Name>| luns.iter().map(|(lun, disk)| (lun.get(), disk.to_string())).collect();
    san.masks.iter().map(|(wwpn, luns)| (*wwpn, mask(luns))).collect()
}

/// What an object is made of. Masks change while it is in use, and other directors' ports are nothing to it.
fn settings(san: &San, own: &Name) -> San {
    let mut settings = San { masks: BTreeMap::new(), ..san.clone() };
    settings.uplinks.retain(|director, _| director == own);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn san(folder: &Path) -> San {
        let port = SanPort::File { folder: folder.to_owned() };
        let mut san = San::plain("store".parse().unwrap(), [("d1".parse().unwrap(), port)].into());
        san.disks.insert("root".parse().unwrap(), SanDisk { octets: 1 << 20, block_length: 512 });
        san
    }

    fn port(sans: &Sans, san: &San) -> Port {
        let renew: Renew = Arc::new(|| {});
        sans.ports(&[san], &"d1".parse().unwrap(), &renew)[&san.name].clone()
    }

    /// The first that is usable, or says this of what is wrong.
    async fn wait_for(sans: &Sans, san: &San, problem: &str) -> Port {
        for _ in 0..200 {
            match port(sans, san) {
                Port::Unusable { problem: said } if !said.contains(problem) => {
                    tokio::time::sleep(REOPEN / 10).await;
                }
                found => return found,
            }
        }
        panic!("neither usable nor {problem:?}")
    }

    #[tokio::test]
    async fn files_are_opened_once_and_again_when_their_disks_change() {
        let folder = tempfile::tempdir().unwrap();
        let sans = Sans::default();
        let mut san = san(folder.path());
        let first = wait_for(&sans, &san, "cannot").await.generation();
        assert!(first.is_some());
        let wwpn = "5001438000000001".parse().unwrap();
        san.masks.insert(wwpn, [(LunNumber::new(0).unwrap(), "root".parse().unwrap())].into());
        assert_eq!(port(&sans, &san).generation(), first, "masks change while it is open");
        san.disks.insert("more".parse().unwrap(), SanDisk { octets: 1 << 20, block_length: 512 });
        let busy = wait_for(&sans, &san, "in use").await;
        assert_eq!(busy.generation(), None, "as long as the former one is not closed");
        sans.close();
        let again = wait_for(&sans, &san, "no such thing").await.generation();
        assert!(again > first);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_a_problem_that_the_port_says() {
        let folder = tempfile::tempdir().unwrap();
        let sans = Sans::default();
        let san = san(&folder.path().join("missing"));
        let Port::Unusable { problem } = wait_for(&sans, &san, "could not").await else {
            panic!("there is no such folder")
        };
        assert!(problem.contains("missing"), "{problem}");
    }
}
