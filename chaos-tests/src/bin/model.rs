//! `make model`: goes through all states of the failover protocol's models, and shows what each rule of it is there for.

use std::process::ExitCode;

use clap::Parser;
use comfy_table::Table;
use twinrail_chaos_tests::model::properties::Event;
use twinrail_chaos_tests::model::rules::Rule;
use twinrail_chaos_tests::model::scopes::{self, Proof, Run, Scope};

#[derive(Parser)]
#[command(about = "Checks models of the failover protocol exhaustively; fails when a property does not hold")]
struct Arguments {
    /// These models alone.
    #[arg(long = "only", value_delimiter = ',', value_parser = Scope::by_name)]
    only: Vec<&'static Scope>,
    /// The models that are small enough for every run of the tests.
    #[arg(long, conflicts_with = "only")]
    small: bool,
    /// Switches this rule off, and tells how that goes wrong.
    #[arg(long, conflicts_with_all = ["only", "small"])]
    without: Option<Rule>,
    /// Every rule, one after the other.
    #[arg(long, conflicts_with_all = ["only", "small", "without"])]
    rules: bool,
    /// Also how often each event of a model was seen.
    #[arg(long)]
    events: bool,
    /// Names the models and the rules.
    #[arg(long)]
    list: bool,
    #[arg(long, default_value_t = threads(), value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

fn threads() -> u16 {
    std::thread::available_parallelism().map_or(1, |it| it.get().min(256) as u16)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let well = if arguments.list {
        list();
        true
    } else if let Some(rule) = arguments.without {
        without(rule)
    } else if arguments.rules {
        Rule::ALL.iter().map(|it| without(*it)).filter(|found| !found).count() == 0
    } else {
        check_all(&arguments)
    };
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn list() {
    let mut table = table(["", "name", "what"]);
    for it in scopes::ALL {
        table.add_row([if it.small { "model, small" } else { "model" }, it.name, it.what]);
    }
    for it in Rule::ALL {
        table.add_row(["rule", it.name(), &format!("switched off: {}", it.without())]);
    }
    println!("{table}");
}

fn check_all(arguments: &Arguments) -> bool {
    let chosen = scopes::ALL.iter().filter(|it| {
        let named = arguments.only.iter().any(|only| only.name == it.name);
        named || (arguments.only.is_empty() && (it.small || !arguments.small))
    });
    let mut well = true;
    for scope in chosen {
        let run = scope.check(usize::from(arguments.threads));
        well &= tell(scope, &run);
        if arguments.events {
            let seen = Event::ALL.iter().map(|it| (it.name(), run.seen.count(*it))).filter(|it| it.1 > 0);
            seen.for_each(|(name, count)| println!("    {name}: {count}"));
        }
    }
    well
}

/// True: everything holds, and not for nothing.
fn tell(scope: &Scope, run: &Run) -> bool {
    let outcome = &run.outcome;
    println!("{}: {}", scope.name, scope.what);
    println!(
        "  {} states, {} steps, depth {}, {:.1} s",
        outcome.states,
        outcome.steps,
        outcome.depth,
        outcome.took.as_secs_f64()
    );
    let broken: Vec<&str> = outcome.broken.iter().map(|it| it.0).collect();
    for it in scope.properties() {
        let verdict = if broken.contains(&it.name()) { "BROKEN" } else { "holds" };
        println!("  {verdict:6}  {}: {}", it.name(), it.what());
    }
    outcome.broken.iter().for_each(|(name, lines)| story(name, lines));
    let unseen: Vec<&Event> = scope.events.iter().filter(|it| run.seen.count(**it) == 0).collect();
    for it in &unseen {
        println!("  NEVER SEEN  {}: {}", it.name(), it.what());
    }
    broken.is_empty() && unseen.is_empty()
}

/// True: it goes wrong, as it must.
fn without(rule: Rule) -> bool {
    let proof = Proof::of(rule);
    let outcome = proof.check().outcome;
    println!("without {rule}: {}", rule.without());
    println!("  {} states, {:.1} s", outcome.states, outcome.took.as_secs_f64());
    outcome.broken.iter().for_each(|(name, lines)| story(name, lines));
    if outcome.broken.is_empty() {
        println!("  NOT FOUND: {} holds all the same", proof.property.name());
    }
    !outcome.broken.is_empty()
}

fn story(property: &str, lines: &[String]) {
    println!("  {property} is broken by:");
    for (number, line) in (1..).zip(lines) {
        println!("    {number}. {line}");
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    table
}
