//! Words for people: names without their collections, ages, durations, and the way back for names.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use twinrail_proto::domain::ResourceKind;

/// What stands where there is nothing.
pub const NOTHING: &str = "-";

/// `prod` of `lans/prod`; `web-1/eth0` of `profiles/web-1/vnics/eth0`.
pub fn short(name: &str) -> String {
    match name.split('/').collect::<Vec<_>>()[..] {
        [_, profile, _, adapter] => format!("{profile}/{adapter}"),
        [_, own] => own.to_owned(),
        _ => or_nothing(name),
    }
}

pub fn or_nothing(text: &str) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text.to_owned() }
}

/// `lans/prod` of `prod`; a full name stays.
pub fn full(kind: ResourceKind, name: &str) -> String {
    let collection = kind.collection();
    match name.strip_prefix(collection).is_some_and(|rest| rest.starts_with('/')) {
        true => name.to_owned(),
        false => format!("{collection}/{name}"),
    }
}

/// The same where nothing may be named.
pub fn full_or_nothing(kind: ResourceKind, name: Option<&str>) -> String {
    name.map(|name| full(kind, name)).unwrap_or_default()
}

pub fn yes(it: bool) -> String {
    if it { "yes" } else { "no" }.to_owned()
}

/// A limit of 0 is none.
pub fn or_none(number: u32) -> String {
    if number == 0 { NOTHING.to_owned() } else { number.to_string() }
}

/// The last second of the year 9999, where Protobuf's timestamps end and RFC 3339 has no more digits.
const LAST_SECOND: i64 = 253_402_300_799;

fn system_time(time: &Timestamp) -> Option<SystemTime> {
    (0..=LAST_SECOND).contains(&time.seconds).then(|| SystemTime::try_from(*time).ok()).flatten()
}

/// RFC 3339, UTC, to the millisecond.
pub fn time(time: Option<&Timestamp>) -> String {
    let text = |it: &Timestamp| system_time(it).map(|it| humantime::format_rfc3339_millis(it).to_string());
    time.and_then(text).unwrap_or_else(|| NOTHING.to_owned())
}

/// How long ago: `5s`, `3m`, `2h`, `9d`.
pub fn age(time: Option<&Timestamp>, now: SystemTime) -> String {
    let Some(time) = time.and_then(system_time) else { return NOTHING.to_owned() };
    // A clock that is a little ahead of ours makes what is new no older than now.
    rough(now.duration_since(time).unwrap_or(Duration::ZERO))
}

/// A duration in its largest unit.
pub fn rough(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("", 0)];

/// In the largest unit that fits without a remainder, or with one digit after the point: `10 GiB`, `1.5 MiB`, `513`.
pub fn octets(octets: u64) -> String {
    let (unit, shift) = UNITS.into_iter().find(|(_, shift)| octets >> shift > 0).unwrap_or(("", 0));
    let whole = octets >> shift;
    let tenths = ((octets - (whole << shift)) as u128 * 10) >> shift;
    match (unit, tenths) {
        ("", _) => octets.to_string(),
        (_, 0) => format!("{whole} {unit}"),
        _ => format!("{whole}.{tenths} {unit}"),
    }
}

/// `512`, `64KiB`, `10GiB`.
pub fn parse_octets(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size; write octets, or KiB, MiB, GiB or TiB, as 10GiB");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = UNITS.into_iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?.1;
    number.parse::<u64>().ok().and_then(|it| it.checked_mul(1 << shift)).ok_or_else(wrong)
}

pub fn span(duration: Option<&prost_types::Duration>) -> Option<Duration> {
    duration.and_then(|it| Duration::try_from(*it).ok())
}

/// Milliseconds with a tenth below ten: what leases and round trips are read in.
pub fn millis(duration: Option<&prost_types::Duration>) -> String {
    match span(duration) {
        None => NOTHING.to_owned(),
        Some(it) if it < Duration::from_millis(10) => format!("{:.2} ms", it.as_secs_f64() * 1000.0),
        Some(it) => format!("{} ms", it.as_millis()),
    }
}

/// The steps of a failover are told as milliseconds from its start: `+83 ms`.
pub fn since(start: Option<&Timestamp>, step: Option<&Timestamp>) -> String {
    let (Some(start), Some(step)) = (start.and_then(system_time), step.and_then(system_time)) else {
        return NOTHING.to_owned();
    };
    match step.duration_since(start) {
        Ok(after) => format!("+{} ms", after.as_millis()),
        Err(before) => format!("-{} ms", before.duration().as_millis()),
    }
}

/// `DIRECTOR_ROLE_ACTIVE` without its prefix, in lower case.
pub fn word(value: &str, prefix: &str) -> String {
    value.strip_prefix(prefix).unwrap_or(value).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, size) in [("0", 0), ("512", 512), ("64KiB", 64 << 10), ("10GiB", 10 << 30), ("3 TiB", 3 << 40)] {
            assert_eq!(parse_octets(text), Ok(size));
        }
        for bad in ["", "GiB", "10GB", "-1", "1.5GiB", "99999999999999999999", "99999999TiB"] {
            assert!(parse_octets(bad).is_err(), "{bad}");
        }
        for (size, text) in [(0, "0"), (513, "513"), (10 << 30, "10 GiB"), ((3 << 20) / 2, "1.5 MiB")] {
            assert_eq!(octets(size), text);
        }
    }

    #[test]
    fn names_lose_their_collections_and_get_them_back() {
        assert_eq!(short("lans/prod"), "prod");
        assert_eq!(short("profiles/web-1/vnics/eth0"), "web-1/eth0");
        assert_eq!(short(""), NOTHING);
        assert_eq!(full(ResourceKind::Lan, "prod"), "lans/prod");
        assert_eq!(full(ResourceKind::Lan, "lans/prod"), "lans/prod");
        assert_eq!(full(ResourceKind::Lan, "lansx"), "lans/lansx");
    }

    #[test]
    fn ages_are_rough_and_never_negative() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |seconds| Timestamp { seconds, nanos: 0 };
        for (seconds, text) in
            [(1_000_000, "0s"), (999_881, "119s"), (999_880, "2m"), (990_000, "2h"), (1, "11d"), (1_000_005, "0s")]
        {
            assert_eq!(age(Some(&at(seconds)), now), text);
        }
        assert_eq!(age(None, now), NOTHING);
    }

    #[test]
    fn times_are_utc_and_steps_relative() {
        let start = Timestamp { seconds: 1_700_000_000, nanos: 0 };
        let step = Timestamp { seconds: 1_700_000_000, nanos: 83_000_000 };
        assert_eq!(time(Some(&step)), "2023-11-14T22:13:20.083Z");
        assert_eq!(since(Some(&start), Some(&step)), "+83 ms");
        assert_eq!(since(Some(&step), Some(&start)), "-83 ms");
        assert_eq!(since(Some(&start), None), NOTHING);
        for seconds in [i64::MIN, -1, LAST_SECOND + 1, i64::MAX] {
            let absurd = Timestamp { seconds, nanos: -1 };
            assert_eq!((time(Some(&absurd)), age(Some(&absurd), SystemTime::now())), (NOTHING.into(), NOTHING.into()));
        }
    }
}
