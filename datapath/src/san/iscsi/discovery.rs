use std::net::SocketAddr;
use std::time::{Duration, Instant};

use twinrail_datapath_sys::{Epoll, Events, monotonic_ns};

use super::connection::{Connection, Endpoint};
use super::engine::{Event, Failure, Patience};
use super::login::{Chap, LoginSettings, Offer, TargetAddress, Text, TextError};

/// A target that a portal shows to an initiator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTarget {
    pub name: String,
    /// Where it is; empty: where it was found.
    pub addresses: Vec<TargetAddress>,
}

#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    #[error("cannot wait for the portal {portal}")]
    Wait { portal: SocketAddr, source: std::io::Error },
    #[error("discovery at {portal}: {failure}")]
    Session { portal: SocketAddr, failure: Failure },
    #[error("discovery at {portal}: its list of targets: {source}")]
    List { portal: SocketAddr, source: TextError },
    #[error("discovery at {portal}: not done within {within:?}")]
    Late { portal: SocketAddr, within: Duration },
}

/// Asks a portal which targets it shows to this initiator (SendTargets: RFC 7143, appendix C). Waits, for people and
/// their tools; at most `within`.
pub fn discover(
    portal: SocketAddr,
    initiator: &str,
    chap: Option<Chap>,
    within: Duration,
) -> Result<Vec<FoundTarget>, DiscoveryError> {
    let login = LoginSettings { initiator: initiator.into(), target: None, chap, offer: Offer::default() };
    // Not an identity that anybody keeps: a random ISID (RFC 7143, 10.9.1: type 10b, 24 bits at random).
    let [a, b, c]: [u8; 3] = rand::random();
    let endpoint = Endpoint { portal, login, isid: [0x80, a, b, c, 0, 0], patience: Patience::default() };
    let text = converse(endpoint, within)?;
    parse_targets(&text).map_err(|source| DiscoveryError::List { portal, source })
}

/// Logs in, asks, and logs out; returns the answer.
fn converse(endpoint: Endpoint, within: Duration) -> Result<Vec<u8>, DiscoveryError> {
    let portal = endpoint.portal;
    let wait = |source| DiscoveryError::Wait { portal, source };
    let epoll = Epoll::new().map_err(wait)?;
    let mut connection = Connection::open(endpoint, monotonic_ns()).map_err(wait)?;
    epoll.add(&connection.fd(), 0).map_err(wait)?;
    let (mut ready, mut events, mut answer) = (Events::with_room_for(1), Vec::new(), None);
    let until = Instant::now() + within;
    while Instant::now() < until {
        connection.poll(monotonic_ns(), &mut events);
        for event in events.drain(..) {
            match (event, answer.take()) {
                (Event::LoggedIn, _) => connection.engine().ask(b"SendTargets=All\0".to_vec()),
                (Event::Text(text), _) => {
                    answer = Some(text);
                    connection.engine().log_out(monotonic_ns());
                }
                (Event::Ended(_), Some(answer)) => return Ok(answer),
                (Event::Ended(failure), None) => return Err(DiscoveryError::Session { portal, failure }),
                (_, kept) => answer = kept,
            }
        }
        let now = monotonic_ns();
        let deadline = connection.next_deadline().map(|it| Duration::from_nanos(it.saturating_sub(now)));
        // Rounded up: a wait that ends before the deadline would turn in circles.
        let time = until.saturating_duration_since(Instant::now());
        let time = deadline.map_or(time, |it| it.min(time));
        let time = if time.is_zero() { time } else { time + Duration::from_millis(1) };
        epoll.wait(&mut ready, Some(time)).map_err(wait)?;
    }
    Err(DiscoveryError::Late { portal, within })
}

/// `TargetName=…`, then its `TargetAddress=…`, again and again.
fn parse_targets(text: &[u8]) -> Result<Vec<FoundTarget>, TextError> {
    let mut targets: Vec<FoundTarget> = Vec::new();
    for (key, value) in Text::parse_list(text)?.pairs() {
        match (key, targets.last_mut()) {
            ("TargetName", _) => targets.push(FoundTarget { name: value.into(), addresses: Vec::new() }),
            ("TargetAddress", Some(target)) => target.addresses.push(TargetAddress::parse(key, value)?),
            _ => {}
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_targets() {
        let text =
            b"TargetName=iqn.a\0TargetAddress=10.0.0.1:3260,1\0TargetAddress=[fd00::1]:3260,2\0TargetName=naa.5\0";
        let targets = parse_targets(text).unwrap();
        let names: Vec<_> = targets.iter().map(|it| (it.name.as_str(), it.addresses.len())).collect();
        assert_eq!(names, [("iqn.a", 2), ("naa.5", 0)]);
        assert!(parse_targets(b"").unwrap().is_empty());
        assert!(parse_targets(b"TargetName=a\0TargetAddress=:\0").is_err());
    }
}
