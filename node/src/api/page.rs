//! Pages of lists, by AIP-158. A page token says after which item the next page starts, so that items which come or go
//! between two pages shift nothing.

use std::cmp::Reverse;
use std::fmt::{self, Display};
use std::num::ParseIntError;
use std::str::FromStr;

use prost::Message;
use twinrail_proto::domain::Revision;
use twinrail_proto::grpc::convert::{Path, Problems};

/// How many items a page has when the caller does not say.
const DEFAULT_PAGE_SIZE: usize = 100;
/// Most items of a page: a thousand profiles of four vNICs make a message of about 1 MiB. More is not refused but counts as
/// this (AIP-158).
const MAX_PAGE_SIZE: usize = 1000;
/// A page ends with the item that reaches this: gRPC clients take messages of 4 MiB unless told otherwise.
const MAX_PAGE_OCTETS: usize = 3 << 20;

/// Which page a caller wants; `C` is what the items are ordered by.
#[derive(Debug)]
pub struct Pager<C> {
    list: &'static str,
    size: usize,
    after: Option<C>,
}

/// Orders by revision, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Newest(Reverse<u64>);

impl Newest {
    pub fn new(revision: Revision) -> Self {
        Self(Reverse(revision.0))
    }
}

impl Display for Newest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.fmt(f)
    }
}

impl FromStr for Newest {
    type Err = ParseIntError;
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(|revision| Self(Reverse(revision)))
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Empty on the last page.
    pub next_page_token: String,
    pub total_size: i32,
}

impl<C: Ord + Display + FromStr> Pager<C> {
    /// `list` names what is listed, so that a token of one list is not taken for one of another.
    pub fn read(list: &'static str, page_size: i32, page_token: &str, problems: &mut Problems) -> Option<Self> {
        let size = match usize::try_from(page_size) {
            Ok(0) => Some(DEFAULT_PAGE_SIZE),
            Ok(size) => Some(size.min(MAX_PAGE_SIZE)),
            Err(_) => {
                problems.add(&Path::Root("page_size"), "must not be negative");
                None
            }
        };
        let after = match page_token {
            "" => Some(None),
            token => {
                let cursor = decode(list, token).ok_or("is no token of this list; send what the page before gave");
                problems.check(&Path::Root("page_token"), cursor).map(Some)
            }
        };
        Some(Self { list, size: size?, after: after? })
    }

    /// The page of `items`, which come in the order of `cursor`, as messages. It is shorter than asked for when its messages
    /// are long, but never empty while items are left.
    pub fn cut<T, M: Message>(
        self,
        items: impl Iterator<Item = T>,
        cursor: impl Fn(&T) -> C,
        write: impl Fn(T) -> M,
    ) -> Page<M> {
        let mut page = Page { items: Vec::new(), next_page_token: String::new(), total_size: 0 };
        let (mut octets, mut last) = (0, None);
        for item in items {
            page.total_size = page.total_size.saturating_add(1);
            let at = cursor(&item);
            if !page.next_page_token.is_empty() || self.after.as_ref().is_some_and(|after| at <= *after) {
                continue;
            }
            if let Some(last) = last.as_ref().filter(|_| page.items.len() == self.size || octets >= MAX_PAGE_OCTETS) {
                page.next_page_token = encode(self.list, last);
                continue;
            }
            let message = write(item);
            octets += message.encoded_len();
            page.items.push(message);
            last = Some(at);
        }
        page
    }
}

/// In hex, so that nobody builds on what is inside.
fn encode(list: &str, cursor: &impl Display) -> String {
    format!("{list}:{cursor}").bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode<C: FromStr>(list: &str, token: &str) -> Option<C> {
    let digits = token.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    let text = String::from_utf8(bytes).ok()?;
    text.strip_prefix(list)?.strip_prefix(':')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn pager(size: i32, token: &str) -> Result<Pager<u32>, String> {
        let mut problems = Problems::default();
        let pager = Pager::read("numbers", size, token, &mut problems);
        problems.finish(pager).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn sizes_are_bounded_but_not_refused() {
        assert_eq!(pager(0, "").unwrap().size, DEFAULT_PAGE_SIZE);
        assert_eq!(pager(i32::MAX, "").unwrap().size, MAX_PAGE_SIZE);
        assert!(pager(-1, "").unwrap_err().starts_with("page_size:"));
    }

    #[test]
    fn the_newest_comes_first() {
        let newest = |revision| Newest::new(Revision(revision));
        assert!(newest(10) < newest(9));
        assert_eq!(newest(10).to_string().parse(), Ok(newest(10)));
    }

    #[test]
    fn a_token_is_good_for_its_own_list_only() {
        assert_eq!(pager(0, &encode("numbers", &7)).unwrap().after, Some(7));
        for bad in [encode("names", &7), encode("numbers", &"x"), "zz".into(), "7".into(), "ü7".into(), "00ff".into()]
        {
            assert!(pager(0, &bad).unwrap_err().starts_with("page_token:"), "{bad}");
        }
        assert!(pager(-1, "z").unwrap_err().contains('\n'), "both problems are told");
    }

    #[test]
    fn long_messages_make_short_pages() {
        let long = "x".repeat(MAX_PAGE_OCTETS / 3);
        let page = pager(100, "").unwrap().cut(0..10u32, |number| *number, |_| long.clone());
        assert_eq!((page.items.len(), page.total_size), (3, 10));
        let longer = "x".repeat(2 * MAX_PAGE_OCTETS);
        let page = pager(100, &page.next_page_token).unwrap().cut(0..10u32, |number| *number, |_| longer.clone());
        assert_eq!(page.items.len(), 1, "one at least");
        assert_eq!(decode::<u32>("numbers", &page.next_page_token), Some(3));
    }

    proptest! {
        #[test]
        fn pages_together_are_the_list(numbers in prop::collection::btree_set(any::<u32>(), 0..50), size in 1..20) {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let page = pager(size, &token).unwrap().cut(numbers.iter().copied(), |number| *number, |number| number);
                prop_assert_eq!(page.total_size as usize, numbers.len());
                prop_assert!(page.items.len() <= size as usize);
                seen.extend(page.items);
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
                prop_assert_eq!(seen.len() % size as usize, 0, "only the last page is short");
            }
            prop_assert_eq!(seen, numbers.into_iter().collect::<Vec<_>>());
        }

        /// What stays in the list is seen once, whatever comes and goes between two pages.
        #[test]
        fn changes_between_pages_shift_nothing(stay in prop::collection::btree_set(any::<u32>(), 2..40), go in prop::collection::btree_set(any::<u32>(), 0..40)) {
            let before: BTreeSet<u32> = stay.union(&go).copied().collect();
            let first = pager(5, "").unwrap().cut(before.iter().copied(), |number| *number, |number| number);
            let mut seen = first.items.clone();
            if !first.next_page_token.is_empty() {
                let rest = pager(1000, &first.next_page_token).unwrap().cut(stay.iter().copied(), |number| *number, |number| number);
                seen.extend(rest.items);
            }
            let seen: Vec<u32> = seen.into_iter().filter(|number| stay.contains(number)).collect();
            prop_assert_eq!(seen, stay.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn no_token_panics(token in ".*") {
            let _ = pager(0, &token);
        }
    }
}
