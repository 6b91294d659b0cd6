use std::ops::{BitAnd, BitOr, Sub};

use twinrail_proto::domain::MAX_DIRECTORS;

/// A director's place in the list sorted by name. Comparing places compares names.
pub(super) type Place = usize;

/// A set of directors, small enough to be copied: one bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DirectorSet(u16);

const _: () = assert!(MAX_DIRECTORS <= u16::BITS as usize, "one bit for each director");

impl DirectorSet {
    pub fn one(director: Place) -> Self {
        Self(1 << director)
    }

    pub fn contains(self, director: Place) -> bool {
        self.0 & (1 << director) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub fn iter(self) -> impl Iterator<Item = Place> {
        (0..u16::BITS as usize).filter(move |&it| self.contains(it))
    }
}

impl FromIterator<Place> for DirectorSet {
    fn from_iter<I: IntoIterator<Item = Place>>(directors: I) -> Self {
        directors.into_iter().fold(Self::default(), |set, it| set | Self::one(it))
    }
}

impl BitAnd for DirectorSet {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for DirectorSet {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for DirectorSet {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}
