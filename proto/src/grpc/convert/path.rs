use std::fmt::{self, Display};

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// From the request down: `template.vnics[eth0].vlan.access`.
    pub field: String,
    pub problem: String,
}

/// Where in a request we are. Costs nothing until it is printed.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    Root(&'a str),
    Field(&'a Path<'a>, &'a str),
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    pub fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    pub fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Key(parent, key) => write!(f, "{parent}[{key}]"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Most problems that one answer lists. gRPC keeps a status in headers, of which hyper takes 16 KiB in all: with the two
/// limits below this fills less than half. Further problems are dropped: the caller will see them next time.
const MAX_PROBLEMS: usize = 16;
/// Most octets of a path, and of a problem: both may repeat what the caller sent. What is longer is cut.
const MAX_FIELD: usize = 96;
const MAX_PROBLEM: usize = 240;

/// The text, cut at a character if it has more octets than `limit`.
pub fn clip(mut text: String, limit: usize) -> String {
    const MARK: &str = "...";
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit - MARK.len()));
        text.push_str(MARK);
    }
    text
}

/// Gathers what is wrong with a request.
#[derive(Debug, Default)]
pub struct Problems(Vec<FieldError>);

impl Problems {
    pub fn add(&mut self, at: &Path<'_>, problem: impl Display) {
        if self.0.len() < MAX_PROBLEMS {
            let (field, problem) = (clip(at.to_string(), MAX_FIELD), clip(problem.to_string(), MAX_PROBLEM));
            self.0.push(FieldError { field, problem });
        }
    }

    /// Keeps the value, or notes the error and gives None.
    pub fn check<T, E: Display>(&mut self, at: &Path<'_>, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(at, error)).ok()
    }

    /// What was read, if nothing was wrong with any field.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                assert!(!self.0.is_empty(), "a value is missing and no problem was noted");
                Err(self.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_from_the_request_down() {
        let root = Path::Root("template");
        let vnics = root.field("vnics");
        let vnic = vnics.key("eth0");
        let vlan = vnic.field("vlan");
        assert_eq!(vlan.field("access").to_string(), "template.vnics[eth0].vlan.access");
        assert_eq!(root.field("uplinks").index(2).to_string(), "template.uplinks[2]");
    }

    #[test]
    fn a_value_with_a_noted_problem_is_no_value() {
        let mut problems = Problems::default();
        problems.add(&Path::Root("lan"), "wrong");
        assert_eq!(problems.finish(Some(1)).unwrap_err()[0].to_string(), "lan: wrong");
    }

    #[test]
    fn the_list_of_problems_ends_and_so_does_each() {
        let mut problems = Problems::default();
        for i in 0..1000 {
            problems.add(&Path::Root(&"é".repeat(1000)).index(i), "ü".repeat(1001));
        }
        let errors = problems.finish(None::<()>).unwrap_err();
        assert_eq!(errors.len(), MAX_PROBLEMS);
        assert!(errors.iter().all(|it| it.field.len() <= MAX_FIELD && it.problem.len() <= MAX_PROBLEM));
    }

    #[test]
    fn only_what_is_too_long_is_cut() {
        assert_eq!(clip("abcdef".into(), 6), "abcdef");
        assert_eq!(clip("abcdefg".into(), 6), "abc...");
        assert_eq!(clip("aéé".into(), 5), "aéé");
        assert_eq!(clip("aééé".into(), 5), "a...");
    }
}
