use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A resource's own name, the last segment of its resource name: an RFC 1035 label in lower case
/// (AIP-122): starts with a letter, then letters, digits and hyphens, ends with no hyphen, 63 characters at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Most characters of a name (RFC 1035, 2.3.4: a label is 63 octets or less).
const MAX_LENGTH: usize = 63;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name must not be empty")]
    Empty,
    #[error("the name has {0} characters; at most 63 are allowed")]
    TooLong(usize),
    #[error(
        "the name {name:?} has {found:?} at position {position}; a name is lower-case letters, digits and hyphens, starts with a letter and ends with a letter or digit"
    )]
    BadCharacter { name: String, found: char, position: usize },
}

impl Name {
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        let length = name.chars().count();
        if length > MAX_LENGTH {
            return Err(NameError::TooLong(length));
        }
        let bad = name.chars().enumerate().find(|&(position, c)| !allowed(c, position, length));
        match bad {
            Some((position, found)) => Err(NameError::BadCharacter { name, found, position }),
            None => Ok(Self(name)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn allowed(c: char, position: usize, length: usize) -> bool {
    match c {
        'a'..='z' => true,
        '0'..='9' => position > 0,
        '-' => position > 0 && position + 1 < length,
        _ => false,
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        Self::new(s)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        Self::new(s)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_accepted_and_nothing_else() {
        for good in ["a", "web-1", "x0", &"a".repeat(63)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "-a", "a-", "A", "a_b", "a b", "é", "a/b", "a\0", &"a".repeat(64)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_error_names_the_character_and_where_it_stands() {
        let error = Name::new("web_1").unwrap_err();
        assert_eq!(error, NameError::BadCharacter { name: "web_1".into(), found: '_', position: 3 });
    }
}
