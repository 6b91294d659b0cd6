//! Answers on standard output: tables for people, JSON for programs.

use std::fmt::Display;
use std::io::Write;
use std::time::SystemTime;

use comfy_table::{Table, presets};
use prost::{Message, Name};
use serde_json::Value;
use twinrail_proto::grpc::json::to_json;
use twinrail_proto::grpc::v1;

use super::Format;
use super::session::Session;
use super::text::{NOTHING, short, word};

/// A resource that people read.
pub trait Readable: Message + Name {
    /// The columns of a list.
    const HEADINGS: &'static [&'static str];
    fn row(&self, now: SystemTime) -> Vec<String>;
    /// What `show` tells, one fact a line.
    fn facts(&self, now: SystemTime) -> Vec<(&'static str, String)>;
    /// Tables of `show` below the facts, each with its title.
    fn parts(&self, _now: SystemTime) -> Vec<(&'static str, Table)> {
        Vec::new()
    }
}

pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headings);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// A table as text: no blanks at the ends of lines, so that it can be compared and cut.
pub fn render(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// The exit code of a program whose reader went away: 128 and SIGPIPE, as shells tell it.
const READER_GONE: i32 = 141;

/// Writes to standard output. When nobody reads any more (`… | head`), the program ends without a word.
pub fn say(text: impl Display) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(READER_GONE);
    }
}

pub fn print_json(value: &Value) {
    say(format_args!("{value:#}"));
}

impl Session {
    pub fn print_list<T: Readable>(&self, items: &[T]) {
        match self.format() {
            Format::Json => print_json(&items.iter().map(to_json).collect()),
            Format::Table if items.is_empty() => say("none"),
            Format::Table => say(render(&list(items, SystemTime::now()))),
        }
    }

    pub fn print_one<T: Readable>(&self, item: &T) {
        match self.format() {
            Format::Json => print_json(&to_json(item)),
            Format::Table => say(describe(item, SystemTime::now())),
        }
    }

    /// The answer of a change: `done` says it in the past (`created`), `what` is the resource as it is then.
    pub fn print_changed<R: Message + Name, T: Readable>(
        &self,
        response: &R,
        what: Option<&T>,
        outcome: Option<&v1::Outcome>,
        done: &str,
    ) {
        match self.format() {
            Format::Json => print_json(&to_json(response)),
            Format::Table => {
                let outcome = outcome.cloned().unwrap_or_default();
                if let Some(item) = what.filter(|_| !outcome.validate_only) {
                    say(format_args!("{}\n", render(&list(std::slice::from_ref(item), SystemTime::now()))));
                }
                say(tell(&outcome, done));
            }
        }
    }

    /// The same where the answer has no resource.
    pub fn print_done<R: Message + Name>(&self, response: &R, outcome: Option<&v1::Outcome>, done: &str) {
        match self.format() {
            Format::Json => print_json(&to_json(response)),
            Format::Table => say(tell(&outcome.cloned().unwrap_or_default(), done)),
        }
    }
}

fn list<T: Readable>(items: &[T], now: SystemTime) -> Table {
    table(T::HEADINGS, items.iter().map(|item| item.row(now)))
}

/// What `show` prints.
pub fn describe<T: Readable>(item: &T, now: SystemTime) -> String {
    let facts = item.facts(now);
    let width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let mut lines: Vec<String> = facts.into_iter().map(|(label, value)| format!("{label:width$}  {value}")).collect();
    for (title, part) in item.parts(now) {
        lines.push(format!("\n{title}\n{}", render(&part)));
    }
    lines.join("\n")
}

/// What a change did or would do.
fn tell(outcome: &v1::Outcome, done: &str) -> String {
    let v1::Outcome { revision, validate_only, replayed, effects } = outcome;
    match (validate_only, replayed) {
        (true, _) if effects.is_empty() => "nothing would change".to_owned(),
        (true, _) => format!("{}\n\ndry run: nothing was changed", render(&plan(effects))),
        (false, true) => format!("{done} at revision {revision} already, by an earlier call with this request id"),
        // Leadership is not replicated state: its transfer has no revision.
        (false, false) if *revision == 0 => done.to_owned(),
        (false, false) => format!("{done} at revision {revision}"),
    }
}

fn plan(effects: &[v1::Effect]) -> Table {
    let rows = effects.iter().map(|effect| {
        let v1::Effect { resource, change: _, field, before, after } = effect;
        let change = word(effect.change().as_str_name(), "CHANGE_TYPE_");
        let value = |it: &Option<String>| it.clone().unwrap_or_else(|| NOTHING.to_owned());
        let field = if field.is_empty() { NOTHING } else { field };
        vec![resource.clone(), change, field.to_owned(), value(before), value(after)]
    });
    table(&["RESOURCE", "CHANGE", "FIELD", "BEFORE", "AFTER"], rows)
}

/// `d1 > d2, d3`: the home and who comes next.
pub fn home(home: Option<&v1::Home>) -> String {
    let Some(v1::Home { director, epoch: _, successors }) = home else { return NOTHING.to_owned() };
    let successors: Vec<String> = successors.iter().map(|name| short(name)).collect();
    match successors.is_empty() {
        true => short(director),
        false => format!("{} > {}", short(director), successors.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(field: &str, before: Option<&str>, after: Option<&str>) -> v1::Effect {
        v1::Effect {
            resource: "profiles/web-1/vnics/eth0".into(),
            change: v1::ChangeType::Updated.into(),
            field: field.into(),
            before: before.map(Into::into),
            after: after.map(Into::into),
        }
    }

    #[test]
    fn a_plan_says_what_would_change() {
        let effects = vec![effect("mtu", Some("1500"), Some("9000")), effect("", None, None)];
        let outcome = v1::Outcome { revision: 7, validate_only: true, replayed: false, effects };
        insta::assert_snapshot!(tell(&outcome, "updated"));
        assert_eq!(tell(&v1::Outcome { effects: Vec::new(), ..outcome }, "updated"), "nothing would change");
    }

    #[test]
    fn a_repeated_call_is_told_apart() {
        let outcome = v1::Outcome { revision: 7, ..Default::default() };
        assert_eq!(tell(&outcome, "created"), "created at revision 7");
        assert!(tell(&v1::Outcome { replayed: true, ..outcome }, "created").contains("earlier call"));
    }

    #[test]
    fn a_home_is_told_with_its_successors() {
        let successors = vec!["directors/d2".into(), "directors/d3".into()];
        let it = v1::Home { director: "directors/d1".into(), epoch: 3, successors };
        assert_eq!(home(Some(&it)), "d1 > d2, d3");
        assert_eq!(home(Some(&v1::Home::default())), "-");
        assert_eq!(home(None), "-");
    }
}
