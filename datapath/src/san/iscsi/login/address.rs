use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::text::{TextError, bad};

/// The port of iSCSI, when an address names none.
pub const ISCSI_PORT: u16 = 3260;

/// A portal as targets name it: `host[:port][,group]`, IPv6 in brackets (RFC 7143, 13.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAddress {
    /// An address, or a name that nothing here resolves.
    pub host: String,
    pub port: u16,
    pub group: Option<u16>,
}

impl TargetAddress {
    pub fn parse(key: &str, value: &str) -> Result<Self, TextError> {
        Self::read(value).ok_or_else(|| bad(key, value, "address"))
    }

    fn read(value: &str) -> Option<Self> {
        let (place, group) = match value.split_once(',') {
            Some((place, group)) => (place, Some(group.parse().ok()?)),
            None => (value, None),
        };
        let (host, rest) = match place.strip_prefix('[') {
            Some(v6) => v6.split_once(']').filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok())?,
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if rest.is_empty() => ISCSI_PORT,
            None => return None,
        };
        (!host.is_empty() && port != 0).then(|| Self { host: host.into(), port, group })
    }

    /// None: the host is a name.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(ip, self.port))
    }
}

impl fmt::Display for TargetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket_address() {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_form() {
        let read = |it| TargetAddress::parse("TargetAddress", it);
        for (text, shown, group) in [
            ("10.0.0.1:3261,7", "10.0.0.1:3261", Some(7)),
            ("10.0.0.1", "10.0.0.1:3260", None),
            ("[fd00::1]:3260,1", "[fd00::1]:3260", Some(1)),
            ("[fd00::1]", "[fd00::1]:3260", None),
            ("array.example,2", "array.example:3260", Some(2)),
        ] {
            let address = read(text).unwrap();
            assert_eq!((address.to_string().as_str(), address.group), (shown, group), "{text}");
        }
        assert_eq!(read("array.example").unwrap().socket_address(), None);
        for wrong in
            ["", ":3260", "10.0.0.1:x", "10.0.0.1:0", "10.0.0.1,x", "[fd00::1", "[name]:1", "[fd00::1]x", "h:70000"]
        {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
