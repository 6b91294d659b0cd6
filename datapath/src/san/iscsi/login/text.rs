//! Text of login and text PDUs: `key=value` pairs, each ended by a NUL (RFC 7143, 6.1).

/// More keys than all that the standard knows, and what a target may add of its own. More are refused.
const MOST_KEYS: usize = 256;

/// RFC 7143, 6.1.
const LONGEST_KEY: usize = 63;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("the text is not UTF-8")]
    NotUtf8,
    #[error("{0:?} is no key=value pair")]
    NoPair(String),
    #[error("the key {0:?} comes twice")]
    Twice(String),
    #[error("more than {MOST_KEYS} keys")]
    TooMany,
    #[error("{key}: {value:?} is no {what}")]
    Value { key: String, value: String, what: &'static str },
}

/// Pairs in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pairs: Vec<(String, String)>,
}

impl Text {
    /// Reads a whole text. SendTargets is the one whose keys come again and again: for it see [`Text::parse_list`].
    pub fn parse(octets: &[u8]) -> Result<Self, TextError> {
        let text = Self::parse_list(octets)?;
        if text.pairs.len() > MOST_KEYS {
            return Err(TextError::TooMany);
        }
        for (at, (key, _)) in text.pairs.iter().enumerate() {
            if text.pairs[..at].iter().any(|(other, _)| other == key) {
                return Err(TextError::Twice(key.clone()));
            }
        }
        Ok(text)
    }

    /// Reads pairs whose keys may repeat.
    pub fn parse_list(octets: &[u8]) -> Result<Self, TextError> {
        let text = std::str::from_utf8(octets).map_err(|_| TextError::NotUtf8)?;
        let pairs = text.split('\0').filter(|it| !it.is_empty()).map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() && key.len() <= LONGEST_KEY => Ok((key.into(), value.into())),
            _ => Err(TextError::NoPair(pair.into())),
        });
        Ok(Self { pairs: pairs.collect::<Result<_, _>>()? })
    }

    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.pairs.push((key.into(), value.into()));
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(it, _)| it == key).map(|(_, value)| value.as_str())
    }

    /// A number of a key, if the key is there.
    pub fn number(&self, key: &str) -> Result<Option<u32>, TextError> {
        let number = |value: &str| parse_number(value).ok_or_else(|| bad(key, value, "number"));
        self.get(key).map(number).transpose()
    }

    /// Yes or No, if the key is there.
    pub fn yes(&self, key: &str) -> Result<Option<bool>, TextError> {
        match self.get(key) {
            None => Ok(None),
            Some("Yes") => Ok(Some(true)),
            Some("No") => Ok(Some(false)),
            Some(value) => Err(bad(key, value, "Yes or No")),
        }
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub fn to_octets(&self) -> Vec<u8> {
        self.pairs.iter().flat_map(|(key, value)| [key, "=", value, "\0"]).flat_map(str::bytes).collect()
    }
}

pub(super) fn bad(key: &str, value: &str, what: &'static str) -> TextError {
    TextError::Value { key: key.into(), value: value.into(), what }
}

/// Decimal, or hexadecimal after `0x` (RFC 7143, 6.1).
fn parse_number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_read_and_written() {
        let octets = b"AuthMethod=CHAP,None\0TargetAlias=\0MaxBurstLength=0x40000\0InitialR2T=No\0";
        let text = Text::parse(octets).unwrap();
        assert_eq!(text.get("AuthMethod"), Some("CHAP,None"));
        assert_eq!(text.get("TargetAlias"), Some(""));
        assert_eq!((text.number("MaxBurstLength"), text.number("None")), (Ok(Some(262_144)), Ok(None)));
        assert_eq!(text.yes("InitialR2T"), Ok(Some(false)));
        assert!(text.number("InitialR2T").is_err() && text.yes("MaxBurstLength").is_err());
        assert_eq!(text.to_octets(), octets);
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        assert_eq!(Text::parse(b"a=1\0b\0"), Err(TextError::NoPair("b".into())));
        assert_eq!(Text::parse(b"=1\0"), Err(TextError::NoPair("=1".into())));
        assert_eq!(Text::parse(b"a=1\0a=2\0"), Err(TextError::Twice("a".into())));
        assert_eq!(Text::parse(b"a=\xff\0"), Err(TextError::NotUtf8));
        assert!(Text::parse_list(b"a=1\0a=2\0").is_ok());
    }

    proptest! {
        #[test]
        fn any_octets_are_text_or_an_error(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = Text::parse(&octets) {
                prop_assert_eq!(Text::parse(&text.to_octets()), Ok(text));
            }
        }
    }
}
