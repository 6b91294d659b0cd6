//! The words of a line: what stands alone, and `key=value`. A line with a word that nobody asked for is an error of the test.

use std::str::FromStr;

use twinrail_proto::domain::{Name, Revision};

pub struct Words<'a> {
    line: &'a str,
    /// In order; those that were taken are gone.
    words: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub fn new(line: &'a str) -> Self {
        Self { line, words: line.split_whitespace().collect() }
    }

    /// The next word.
    pub fn next(&mut self) -> &'a str {
        assert!(!self.words.is_empty(), "a word is missing: {}", self.line);
        self.words.remove(0)
    }

    /// The next word, unless it is a `key=value` or there is none.
    pub fn next_plain(&mut self) -> Option<&'a str> {
        self.words.first().filter(|word| !word.contains('='))?;
        Some(self.words.remove(0))
    }

    pub fn name(&mut self) -> Name {
        name(self.next())
    }

    /// `profile/adapter`
    pub fn adapter(&mut self) -> (Name, Name) {
        let (profile, adapter) = self.next().split_once('/').expect("profile/adapter");
        (name(profile), name(adapter))
    }

    /// A word that stands for itself.
    pub fn flag(&mut self, flag: &str) -> bool {
        let position = self.words.iter().position(|word| *word == flag);
        position.map(|position| self.words.remove(position)).is_some()
    }

    pub fn option(&mut self, key: &str) -> Option<String> {
        let position = self.words.iter().position(|word| word.split_once('=').is_some_and(|(it, _)| it == key))?;
        let (_, value) = self.words.remove(position).split_once('=')?;
        Some(value.to_owned())
    }

    pub fn number(&mut self, key: &str) -> Option<u64> {
        self.option(key).map(|value| parse(&value))
    }

    pub fn etag(&mut self) -> Option<Revision> {
        self.number("etag").map(Revision)
    }

    /// All that is left, as `key=value`.
    pub fn pairs(&mut self) -> Vec<(&'a str, &'a str)> {
        let words = std::mem::take(&mut self.words);
        words
            .into_iter()
            .map(|word| word.split_once('=').unwrap_or_else(|| panic!("{word} in: {}", self.line)))
            .collect()
    }

    pub fn finish(&self) {
        assert!(self.words.is_empty(), "{:?} means nothing in: {}", self.words, self.line);
    }
}

pub fn name(text: &str) -> Name {
    parse(text)
}

pub fn parse<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"))
}
