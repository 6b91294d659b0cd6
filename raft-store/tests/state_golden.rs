//! Golden scripts: commands in, outcomes and state out. `tests/golden/*.script` hold blocks of lines, and after `---` what came
//! of them. `UPDATE_GOLDEN=1 cargo test --test state_golden` writes the files anew; read the difference before you keep it.
//!
//! Beside the commands of `state_support`: `# …` is a comment, `? command` shows what it would do, and `show profiles/x`,
//! `show quarantine`, `show audit` and `show homes` show the state.

mod state_support;

use std::fmt::Write;
use std::path::Path;

use state_support::{Cluster, render};
use twinrail_raft_store::state::State;

#[test]
fn scripts_come_out_as_before() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut scripts: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 7, "only {} scripts are there", scripts.len());
    for path in scripts {
        let expected = std::fs::read_to_string(&path).unwrap();
        let actual = play(&expected);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, actual).unwrap();
        } else {
            let difference = expected.lines().zip(actual.lines()).find(|(expected, actual)| expected != actual);
            assert_eq!(expected, actual, "{}: first difference {difference:?}", path.display());
        }
    }
}

/// The script with what comes of it now. A script plays on the cluster of `state_support`, after its revisions.
fn play(script: &str) -> String {
    let mut cluster = Cluster::new(state_support::CLUSTER);
    cluster.skip_revisions(100 - cluster.state.revision().0);
    let blocks = script.split("\n\n").map(|block| {
        let lines: Vec<&str> = block.lines().take_while(|line| *line != "---").collect();
        let outcomes: String = lines.iter().map(|line| play_line(&mut cluster, line)).collect();
        let outcomes = if outcomes.is_empty() { String::new() } else { format!("\n---\n{}", outcomes.trim_end()) };
        format!("{}{outcomes}", lines.join("\n"))
    });
    let blocks: Vec<String> = blocks.filter(|block| !block.is_empty()).collect();
    blocks.join("\n\n") + "\n"
}

fn play_line(cluster: &mut Cluster, line: &str) -> String {
    if line.is_empty() || line.starts_with('#') {
        return String::new();
    }
    if let Some(command) = line.strip_prefix("? ") {
        return render(&cluster.state.preview(&cluster.command(command)));
    }
    match line.strip_prefix("show ") {
        Some(what) => show(&cluster.state, what),
        None => render(&cluster.tell(line)),
    }
}

fn show(state: &State, what: &str) -> String {
    let mut text = String::new();
    match what {
        "quarantine" => {
            state.quarantined_macs().iter().for_each(|(mac, until)| writeln!(text, "{mac} until {until}").unwrap());
            state.quarantined_wwns().iter().for_each(|(wwn, until)| writeln!(text, "{wwn} until {until}").unwrap());
        }
        "audit" => {
            for entry in state.audit().skip_while(|entry| entry.revision.0 <= 100) {
                let (revision, at, actor) = (entry.revision, entry.at, &entry.actor);
                writeln!(text, "{revision} at {at} by {actor}: {} ({})", entry.summary, entry.outcome).unwrap();
            }
        }
        "homes" => {
            for profile in state.profiles().values().map(|it| &it.value) {
                for adapter in profile.adapters() {
                    let home = adapter.home;
                    let director = home.director.as_ref().map_or("-", |director| director.as_str());
                    let successors: Vec<&str> = home.successors.iter().map(|it| it.as_str()).collect();
                    let (epoch, successors) = (home.epoch, successors.join(" "));
                    writeln!(text, "{}/{} {director} epoch {epoch} [{successors}]", profile.name, adapter.name)
                        .unwrap();
                }
            }
        }
        other => {
            let json = serde_json::to_value(state).unwrap();
            let (collection, name) = other.split_once('/').expect("collection/name");
            writeln!(text, "{}", json[collection][name]["value"]).unwrap();
        }
    }
    text
}
