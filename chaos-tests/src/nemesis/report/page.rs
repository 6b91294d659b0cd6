//! The page. Pure.

use std::fmt::Write as _;

use super::svg::{GAP, NOBODY, colour, escaped};
use super::{histogram, length, reproduction, schedule_text, timeline};
use crate::measure::clock::{MILLISECOND, Nanos, milliseconds};
use crate::nemesis::evidence::{Evidence, Round};
use crate::nemesis::gaps;
use crate::nemesis::invariants::{Finding, InvariantRef, Verdict};
use crate::nemesis::options::Plan;
use crate::nemesis::run::Outcome;

/// Violations of one invariant that are told one by one.
const TOLD: usize = 50;

const INTRODUCTION: &str = "<p><b>Twinrail</b> makes network cards and disks of servers virtual: a few <i>directors</i> carry their traffic, \
    and when one is lost another takes over. At any time one director is the <i>home</i> of an adapter (a network card or a disk); \
    each change of home has a new number, the <i>epoch</i>; and one director <i>leads</i> the others. In this run real director and \
    server processes ran on one machine, each in a network namespace of its own, with real clients on them, while the faults below \
    were done to them. Whatever is done, the <b>invariants</b> must hold. They were judged afterwards, from what clients and \
    observers saw and not from what the program says of itself.</p>\n";

const TIMELINE: &str = "<p>Time runs from left to right, one strip below the other. A dark bar is a fault, the light end of it the time \
    until everything served again. Below are the leader, and for each network card and the disk the director that was its home, by \
    colour. <b>Red</b> is what clients felt: the card's probes (one each millisecond) got no answer for 50 ms or longer, the disk gave \
    none for 200 ms, or an API call took longer than 200 ms or had an unknown outcome. API clients ask the director that they are on, so \
    those of a director that is cut off get no answers, and must not get wrong ones.</p>\n";

const HISTOGRAM: &str = "<p>For each fault and each network card the longest time without an answer to a probe every millisecond, \
    without the time in which the prober itself was not given a core. The dashed line is what is allowed here; where there is none, the \
    fault takes the majority of directors away, and the outage lasts as long as it does. Gaps under 3 ms are not told.</p>\n";

pub fn page(plan: &Plan, outcome: &Outcome, versions: &[(String, String)]) -> String {
    let seen = &outcome.evidence;
    let parts = [
        header(plan, outcome, versions),
        format!("<h2>What this is</h2>\n{INTRODUCTION}"),
        format!("<h2>Verdicts</h2>\n{}", verdicts(outcome)),
        format!("<h2>Timeline</h2>\n{TIMELINE}{}{}", key(seen), timeline::timeline(seen)),
        format!(
            "<h2>How long network cards were away, by kind of fault</h2>\n{HISTOGRAM}{}",
            histogram::histograms(seen)
        ),
        format!("<h2>Every fault</h2>\n{}", rounds(seen)),
        format!("<h2>The kinds of faults of this run</h2>\n{}", kinds(plan, seen)),
        format!("<h2>The schedule, as it was done</h2>\n<pre>{}</pre>\n", escaped(&schedule_text(plan, outcome))),
    ];
    let style = include_str!("style.css");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Twinrail under fire, seed {}</title>\n\
         <style>\n{style}</style></head><body>\n{}</body></html>\n",
        plan.seed,
        parts.concat()
    )
}

fn header(plan: &Plan, outcome: &Outcome, versions: &[(String, String)]) -> String {
    let (class, verdict) = summary(outcome);
    let seen = &outcome.evidence;
    let mut page =
        format!("<h1>Twinrail under fire</h1>\n<div class=\"verdict {class}\">{}</div>\n", escaped(&verdict));
    let mut facts = vec![
        ("seed".to_owned(), plan.seed.to_string()),
        ("asked for".to_owned(), length(plan)),
        ("done".to_owned(), format!("{} faults in {:.0} s", seen.rounds.len(), seen.seconds(seen.to))),
        ("again".to_owned(), reproduction(plan, seen.rounds.len())),
    ];
    facts.extend(versions.iter().cloned());
    page += "<table class=\"facts\">\n";
    for (name, value) in facts {
        let value = escaped(&value);
        let value = if name == "again" { format!("<code>{value}</code>") } else { value };
        page += &format!("<tr><td>{}</td><td>{value}</td></tr>\n", escaped(&name));
    }
    page + "</table>\n"
}

/// The whole run in one sentence.
fn summary(outcome: &Outcome) -> (&'static str, String) {
    let count = |verdict| outcome.findings.iter().filter(|it| it.1.verdict() == verdict).count();
    let (held, broken, unseen) = (count(Verdict::Held), count(Verdict::Broken), count(Verdict::NotSeen));
    let early = if outcome.interrupted { " The run was interrupted before its end." } else { "" };
    let unseen_words =
        if unseen > 0 { format!(" Of {unseen} too little was seen to say anything.") } else { String::new() };
    if let Some(why) = &outcome.evidence.broken_off {
        return ("broken", format!("The run broke off: {why}. {broken} invariants were broken, {held} held."));
    }
    if broken > 0 {
        let names = outcome.findings.iter().filter(|it| it.1.verdict() == Verdict::Broken).map(|it| it.0.name());
        let names = names.collect::<Vec<_>>().join(", ");
        return (
            "broken",
            format!("{broken} of {} invariants broken: {names}.{unseen_words}{early}", outcome.findings.len()),
        );
    }
    let class = if outcome.interrupted || held == 0 { "unseen" } else { "held" };
    (class, format!("{held} of {} invariants held, none was broken.{unseen_words}{early}", outcome.findings.len()))
}

fn verdicts(outcome: &Outcome) -> String {
    let rows: String = outcome.findings.iter().map(|(it, finding)| verdict(&outcome.evidence, *it, finding)).collect();
    format!(
        "<table>\n<tr><th>verdict</th><th>invariant</th><th>what must hold</th><th>looked at</th></tr>\n{rows}</table>\n"
    )
}

fn verdict(seen: &Evidence, invariant: InvariantRef, finding: &Finding) -> String {
    let class = match finding.verdict() {
        Verdict::Held => "held",
        Verdict::Broken => "broken",
        Verdict::NotSeen => "unseen",
    };
    let mut told = String::new();
    for violation in finding.violations.iter().take(TOLD) {
        let at = violation.at.map_or(String::new(), |at| {
            let round = seen.round_at(at).map_or(String::new(), |it| format!(", round {}", it.number));
            format!("at {:.3} s{round}: ", seen.seconds(at))
        });
        told += &format!("<div class=\"violation\">{}{}</div>", escaped(&at), escaped(&violation.what));
    }
    if finding.violations.len() > TOLD {
        told += &format!("<div class=\"violation\">and {} more</div>", finding.violations.len() - TOLD);
    }
    format!(
        "<tr><td><span class=\"tag {class}\">{}</span></td><td>{}</td><td>{}{told}</td><td>{}</td></tr>\n",
        finding.verdict(),
        invariant.name(),
        escaped(invariant.means()),
        escaped(&finding.looked_at)
    )
}

fn key(seen: &Evidence) -> String {
    let mut key = String::from("<p>");
    let swatch = |colour: &str, name: &str| {
        format!("<span class=\"key\" style=\"background:{colour}\"></span>{}", escaped(name))
    };
    for name in &seen.directors {
        key += &swatch(colour(&seen.directors, name), name);
    }
    key += &swatch(NOBODY, "nobody, or nobody knows");
    key += &swatch(GAP, "no answer");
    key + "</p>\n"
}

fn rounds(seen: &Evidence) -> String {
    let heads =
        ["", "at", "fault", "whom", "lasted", "longest gap of a card", "longest gap of the disk", "served again after"];
    let class = |index: usize| if index < 4 { "" } else { " class=\"number\"" };
    let heads: String = heads.iter().enumerate().map(|(index, it)| format!("<th{}>{it}</th>", class(index))).collect();
    let rows: String = seen.rounds.iter().map(|it| round(seen, it)).collect();
    format!("<table>\n<tr>{heads}</tr>\n{rows}</table>\n")
}

fn round(seen: &Evidence, round: &Round) -> String {
    let ms = |time: Nanos| if time < MILLISECOND { "–".to_owned() } else { format!("{} ms", milliseconds(time)) };
    let cards = seen.cards.iter().map(|it| gaps::longest(&gaps::of_prober(&it.events), round.from, round.to()));
    let served = match round.served {
        Some(at) => ms(at - round.healed),
        None if round.missing.is_empty() => "interrupted".to_owned(),
        None => round.missing.clone(),
    };
    let mut row = format!("<tr><td class=\"number\">{}</td>", round.number);
    let words =
        [format!("{:.1} s", seen.seconds(round.from)), round.step.fault.name().to_owned(), round.struck.whom.clone()];
    words.iter().for_each(|it| row += &format!("<td>{}</td>", escaped(it)));
    let numbers = [
        ms(round.healed - round.from),
        ms(cards.max().unwrap_or(0)),
        ms(seen.blocks.gaps.longest(round.from, round.to())),
        served,
    ];
    numbers.iter().for_each(|it| row += &format!("<td class=\"number\">{}</td>", escaped(it)));
    row + "</tr>\n"
}

fn kinds(plan: &Plan, seen: &Evidence) -> String {
    let mut rows = String::new();
    for fault in &plan.faults {
        let times = seen.rounds.iter().filter(|it| it.step.fault == *fault).count();
        let (name, means) = (fault.name(), escaped(fault.means()));
        // Writing to a String cannot fail.
        writeln!(rows, "<tr><td>{name}</td><td class=\"number\">{times}</td><td>{means}</td></tr>").ok();
    }
    format!("<table>\n<tr><th>fault</th><th>times</th><th>what is done</th></tr>\n{rows}</table>\n")
}
