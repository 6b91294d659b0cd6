//! SANs, and what vHBAs take of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    ChapSecret, LunChoice, LunNumber, MAX_LUNS, Name, ResourceKind, San, SanDigests, SanDisk, SanFence, Wwn,
};
use crate::grpc::v1;

use super::cloud::read_uplinks;
use super::{Path, Problems, Stamp, etag, parse_name, read_map, resource_name, timestamp};

/// The block length of a disk that names none.
const DEFAULT_BLOCK_LENGTH: u32 = 512;

/// The secret stays here.
pub fn write_san(san: &San, stamp: Stamp) -> v1::San {
    let San { name, uplinks, fence, chap, digests, disks, masks } = san;
    let uplinks = uplinks.iter().map(|(director, port)| v1::SanUplink {
        director: resource_name(ResourceKind::Director, director),
        port: port.to_string(),
    });
    let fence = match fence {
        SanFence::LunReset => v1::SanFence::LunReset,
        SanFence::Login => v1::SanFence::Login,
    };
    let disks = disks
        .iter()
        .map(|(name, &SanDisk { octets, block_length })| (name.to_string(), v1::SanDisk { octets, block_length }));
    let masks = masks.iter().flat_map(|(wwpn, luns)| {
        luns.iter().map(|(lun, disk)| v1::LunMask {
            wwpn: wwpn.to_string(),
            lun: lun.get().into(),
            disk: disk.to_string(),
        })
    });
    v1::San {
        name: resource_name(ResourceKind::San, name),
        uplinks: uplinks.collect(),
        fence: fence.into(),
        chap: chap.as_ref().map(|it| v1::Chap { user: it.user.clone(), secret: String::new() }),
        header_digest: digests.header,
        data_digest: digests.data,
        disks: disks.collect(),
        masks: masks.collect(),
        etag: etag(stamp.modified),
        create_time: Some(timestamp(stamp.created_at)),
        update_time: Some(timestamp(stamp.modified_at)),
    }
}

pub fn read_san(message: v1::San, name: Name, at: &Path<'_>, problems: &mut Problems) -> Option<San> {
    let v1::San {
        name: _,
        uplinks,
        fence,
        chap,
        header_digest,
        data_digest,
        disks,
        masks,
        etag: _,
        create_time: _,
        update_time: _,
    } = message;
    let pairs = uplinks.into_iter().map(|v1::SanUplink { director, port }| (director, port));
    let read_port = |port: String| port.parse().map_err(|error: crate::domain::SanError| error.to_string());
    let uplinks = read_uplinks(pairs, read_port, &at.field("uplinks"), problems);
    let fence = read_fence(fence, &at.field("fence"), problems);
    let disks = read_map(disks, &at.field("disks"), problems, |it, _, _| Some(read_disk(it)));
    let masks = read_masks(masks, &at.field("masks"), problems);
    let chap = chap.map(|v1::Chap { user, secret }| ChapSecret { user, secret });
    let digests = SanDigests { header: header_digest, data: data_digest };
    Some(San { name, uplinks: uplinks?, fence: fence?, chap, digests, disks: disks?, masks: masks? })
}

fn read_fence(fence: i32, at: &Path<'_>, problems: &mut Problems) -> Option<SanFence> {
    match v1::SanFence::try_from(fence) {
        Ok(v1::SanFence::Unspecified | v1::SanFence::LunReset) => Some(SanFence::LunReset),
        Ok(v1::SanFence::Login) => Some(SanFence::Login),
        Err(_) => {
            problems.add(at, "say which: SAN_FENCE_LUN_RESET or SAN_FENCE_LOGIN");
            None
        }
    }
}

fn read_disk(v1::SanDisk { octets, block_length }: v1::SanDisk) -> SanDisk {
    let block_length = if block_length == 0 { DEFAULT_BLOCK_LENGTH } else { block_length };
    SanDisk { octets, block_length }
}

type Masks = BTreeMap<Wwn, BTreeMap<LunNumber, Name>>;

fn read_masks(messages: Vec<v1::LunMask>, at: &Path<'_>, problems: &mut Problems) -> Option<Masks> {
    let mut masks = Masks::new();
    for (i, v1::LunMask { wwpn, lun, disk }) in messages.into_iter().enumerate() {
        let at = at.index(i);
        let wwpn: Option<Wwn> = problems.check(&at.field("wwpn"), wwpn.parse());
        let lun = problems.check(&at.field("lun"), LunNumber::new(lun));
        let disk = parse_name(&disk, &at.field("disk"), problems);
        let (wwpn, lun, disk) = (wwpn?, lun?, disk?);
        if masks.entry(wwpn).or_default().insert(lun, disk).is_some() {
            problems.add(&at, format!("{wwpn} has LUN {lun} further up already"));
        }
    }
    Some(masks)
}

/// Mask and boot LUN.
pub fn write_luns(luns: &LunChoice) -> (Vec<u32>, Option<u32>) {
    let LunChoice { mask, boot } = luns;
    (mask.iter().map(|it| it.get().into()).collect(), boot.map(|it| it.get().into()))
}

/// `at`: the vHBA.
pub fn read_luns(mask: &[u32], boot: Option<u32>, at: &Path<'_>, problems: &mut Problems) -> Option<LunChoice> {
    let mut numbers = BTreeSet::new();
    let field = at.field("lun_mask");
    // One more than allowed shows that there are too many; the rest is not worth reading.
    for (i, &lun) in mask.iter().enumerate().take(MAX_LUNS + 1) {
        numbers.insert(problems.check(&field.index(i), LunNumber::new(lun))?);
    }
    let field = at.field("boot_lun");
    let boot = boot.map(|lun| problems.check(&field, LunNumber::new(lun)));
    let choice = LunChoice { mask: numbers, boot: boot.map_or(Some(None), |it| it.map(Some))? };
    problems.check(&field, choice.check())?;
    Some(choice)
}
