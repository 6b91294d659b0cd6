use serde::{Deserialize, Serialize};

/// How a director's port on a LAN is. Only one that is up is relied upon; one that settles is used where no other is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UplinkState {
    Up,
    /// Up again, and not for long enough yet to be relied upon.
    Settling,
    /// The device is up, and nothing is plugged in, or what is plugged in is down.
    NoCarrier,
    /// The device is set down.
    Down,
    /// There is no such device.
    Missing,
}

impl UplinkState {
    pub const ALL: [Self; 5] = [Self::Up, Self::Settling, Self::NoCarrier, Self::Down, Self::Missing];

    /// As logs and the internal messages call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Settling => "settling",
            Self::NoCarrier => "no carrier",
            Self::Down => "down",
            Self::Missing => "missing",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

impl std::fmt::Display for UplinkState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
