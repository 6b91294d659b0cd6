//! Words of earlier answers that later requests need: `{leader}` is what was remembered under that name, `{not:leader}` the
//! first director of another name, `{neither:leader}` the one after that.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

pub struct Words {
    directors: Vec<String>,
    known: BTreeMap<String, String>,
}

impl Words {
    pub fn new(directors: &[String]) -> Self {
        Self { directors: directors.to_vec(), known: BTreeMap::new() }
    }

    /// Of a resource name only the last segment is kept.
    pub fn set(&mut self, word: &str, value: &str) {
        let last = value.rsplit('/').next().unwrap_or_default();
        self.known.insert(word.to_owned(), last.to_owned());
    }

    /// The text with every known word in its place.
    pub fn fill(&self, text: &str) -> Result<String> {
        let mut filled = text.to_owned();
        for (word, value) in &self.known {
            filled = filled.replace(&format!("{{{word}}}"), value);
            for (which, other) in ["not", "neither"].iter().zip(self.directors.iter().filter(|name| *name != value)) {
                filled = filled.replace(&format!("{{{which}:{word}}}"), other);
            }
        }
        ensure!(!filled.contains("{not:") && !filled.contains("{neither:"), "a word is not known: {filled}");
        Ok(filled)
    }
}
