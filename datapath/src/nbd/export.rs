use super::limits;
use super::wire::can;

/// What clients see of one block device. Everything here is a promise of the device behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Up to 4096 octets of UTF-8.
    pub name: String,
    /// For people, up to 4096 octets; empty: none.
    pub description: String,
    /// In octets; a multiple of `block`.
    pub size: u64,
    /// Every request is a multiple of so many octets and aligned to them; a power of two up to 65536.
    pub block: u32,
    /// The smallest request that is efficient, in octets: a power of two, at least `block` and at least 512.
    pub preferred_block: u32,
    pub read_only: bool,
    /// It has moving parts.
    pub rotational: bool,
    /// It knows TRIM.
    pub trim: bool,
    /// It knows WRITE_ZEROES, and never leaves a hole where NO_HOLE forbids it.
    pub write_zeroes: bool,
    /// It says by `NotSupported` that a FAST_ZERO would not be faster than writing; needs `write_zeroes`.
    pub fast_zero: bool,
    /// It does something about CACHE.
    pub cache: bool,
    /// A flush on one connection covers what was acknowledged on all of them.
    pub multi_conn: bool,
}

/// An export that cannot be offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("the name or description of export {0:?} has more than {max} octets", max = limits::STRING)]
    LongText(String),
    #[error("export {name:?}: blocks of {block} octets, and {preferred} preferred; NBD wants powers of two, \
             1 ≤ block ≤ 65536, preferred ≥ 512 and ≥ block, and at most {max}", max = limits::PAYLOAD)]
    Blocks { name: String, block: u32, preferred: u32 },
    #[error("export {name:?} has {size} octets, which is no multiple of its blocks of {block}")]
    Size { name: String, size: u64, block: u32 },
    #[error("export {0:?} cannot have fast zeroes without zeroes")]
    FastZero(String),
    #[error("two exports are named {0:?}")]
    SameName(String),
}

/// The largest minimum block size ("Size constraints").
const LARGEST_BLOCK: u32 = 1 << 16;

impl Export {
    /// A disk of `size` octets in blocks of `block`, writable, with nothing that is optional.
    pub fn plain(name: impl Into<String>, size: u64, block: u32) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            size,
            block,
            preferred_block: block.max(4096),
            read_only: false,
            rotational: false,
            trim: false,
            write_zeroes: false,
            fast_zero: false,
            cache: false,
            multi_conn: false,
        }
    }

    /// "Transmission flags", with FLUSH and FUA always there. DF goes with structured replies: ours are never fragmented.
    pub(super) fn flags(&self, structured: bool) -> u16 {
        let optional = [
            (self.read_only, can::READ_ONLY),
            (self.rotational, can::ROTATIONAL),
            (self.trim, can::TRIM),
            (self.write_zeroes, can::WRITE_ZEROES),
            (structured, can::DF),
            (self.multi_conn, can::MULTI_CONN),
            (self.cache, can::CACHE),
            (self.fast_zero, can::FAST_ZERO),
        ];
        let base = can::HAS_FLAGS | can::FLUSH | can::FUA;
        optional.into_iter().filter(|it| it.0).fold(base, |flags, (_, flag)| flags | flag)
    }

    fn check(&self) -> Result<(), ExportError> {
        let name = || self.name.clone();
        let (block, preferred) = (self.block, self.preferred_block);
        if self.name.len() > limits::STRING || self.description.len() > limits::STRING {
            return Err(ExportError::LongText(name()));
        }
        let powers = block.is_power_of_two() && preferred.is_power_of_two();
        if !powers || block > LARGEST_BLOCK || preferred < block.max(512) || preferred > limits::PAYLOAD {
            return Err(ExportError::Blocks { name: name(), block, preferred });
        }
        if !self.size.is_multiple_of(block.into()) {
            return Err(ExportError::Size { name: name(), size: self.size, block });
        }
        if self.fast_zero && !self.write_zeroes {
            return Err(ExportError::FastZero(name()));
        }
        Ok(())
    }
}

/// The exports of one socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exports(Vec<Export>);

impl Exports {
    pub fn new(exports: Vec<Export>) -> Result<Self, ExportError> {
        for (index, export) in exports.iter().enumerate() {
            export.check()?;
            if exports[..index].iter().any(|it| it.name == export.name) {
                return Err(ExportError::SameName(export.name.clone()));
            }
        }
        Ok(Self(exports))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Export> {
        self.0.iter()
    }

    /// By name. The empty name is the default export: the only one, where there is one only.
    pub(super) fn find(&self, name: &[u8]) -> Option<(usize, &Export)> {
        let only = self.0.len() == 1 && name.is_empty();
        self.iter().enumerate().find(|(_, it)| it.name.as_bytes() == name || only)
    }

    pub(super) fn get(&self, index: usize) -> &Export {
        &self.0[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_that_nobody_can_keep_are_refused() {
        let good = Export::plain("a", 8192, 512);
        let wrong = |change: fn(&mut Export)| {
            let mut export = good.clone();
            change(&mut export);
            Exports::new(vec![export]).map(|_| ())
        };
        assert_eq!(wrong(|_| ()), Ok(()));
        assert!(matches!(wrong(|it| it.size += 1), Err(ExportError::Size { .. })));
        assert!(matches!(wrong(|it| it.block = 0), Err(ExportError::Blocks { .. })));
        assert!(matches!(wrong(|it| it.block = 1 << 17), Err(ExportError::Blocks { .. })));
        assert!(matches!(wrong(|it| it.preferred_block = 256), Err(ExportError::Blocks { .. })));
        assert!(matches!(wrong(|it| it.preferred_block = 5000), Err(ExportError::Blocks { .. })));
        assert!(matches!(wrong(|it| it.fast_zero = true), Err(ExportError::FastZero(_))));
        assert!(matches!(wrong(|it| it.name = "x".repeat(4097)), Err(ExportError::LongText(_))));
        assert_eq!(Exports::new(vec![good.clone(), good]), Err(ExportError::SameName("a".into())));
    }
}
