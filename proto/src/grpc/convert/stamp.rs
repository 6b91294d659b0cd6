use prost_types::{Duration, Timestamp};

use crate::domain::{Revision, UnixMillis};

use super::{Path, Problems};

/// What the state knows of a resource beside its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The revision that changed it last: its etag.
    pub modified: Revision,
    pub created_at: UnixMillis,
    pub modified_at: UnixMillis,
}

/// The etag of a resource that `revision` changed last.
pub fn etag(revision: Revision) -> String {
    revision.to_string()
}

/// The outer None means a problem; the inner one that the caller gave no etag.
pub fn parse_etag(text: &str, at: &Path<'_>, problems: &mut Problems) -> Option<Option<Revision>> {
    if text.is_empty() {
        return Some(None);
    }
    let number = text.parse::<u64>().map_err(|_| format!("{text:?} is no etag of this cluster; send what a read gave"));
    problems.check(at, number).map(|number| Some(Revision(number)))
}

pub fn timestamp(millis: UnixMillis) -> Timestamp {
    // Both casts keep the value: a u64 of milliseconds has fewer than 2^63 seconds, a rest has fewer than 10^9 ns.
    Timestamp { seconds: (millis / 1000) as i64, nanos: (millis % 1000 * 1_000_000) as i32 }
}

/// Longer than 292 million years counts as just that.
pub fn duration(of: std::time::Duration) -> Duration {
    Duration { seconds: i64::try_from(of.as_secs()).unwrap_or(i64::MAX), nanos: of.subsec_nanos() as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_milliseconds() {
        assert_eq!(timestamp(1_700_000_000_123), Timestamp { seconds: 1_700_000_000, nanos: 123_000_000 });
        assert_eq!(timestamp(u64::MAX).seconds, (u64::MAX / 1000) as i64);
        let long = std::time::Duration::from_micros(1_500_001);
        assert_eq!(duration(long), Duration { seconds: 1, nanos: 500_001_000 });
    }

    #[test]
    fn an_etag_comes_back_and_nothing_else_is_one() {
        let at = Path::Root("etag");
        let mut problems = Problems::default();
        assert_eq!(parse_etag(&etag(Revision(7)), &at, &mut problems), Some(Some(Revision(7))));
        assert_eq!(parse_etag("", &at, &mut problems), Some(None));
        for bad in ["x", "-1", "1.5", "99999999999999999999", "\"7\""] {
            assert_eq!(parse_etag(bad, &at, &mut problems), None, "{bad}");
        }
    }
}
