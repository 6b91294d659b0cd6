//! grpcurl, which knows nothing of us, lists and describes every method through reflection on any director, and calls every one
//! of them with real requests on a follower: what only the leader can do must get there from anywhere.
//!
//! `make deps` installs grpcurl where Go is. Where it is not, this test says so and fails: grpcurl is the first client that the
//! API is made for, and a test that passes without it would show nothing.

mod calls;
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, bail, ensure};
use calls::{CALLS, Call, Expected};
use serde_json::Value;
use twinrail_chaos_tests::lab::scenario::{Scenario, eventually};
use twinrail_chaos_tests::lab::{Lab, Layout, Namespace, remnants};
use words::Words;

/// What is read may follow what was changed (a server lets go, a home moves) a little later.
const SETTLES_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);
/// For how long a stream is read.
const WATCH_SECONDS: &str = "1";

struct Grpcurl {
    namespace: Namespace,
    program: PathBuf,
}

#[test]
fn grpcurl_lists_and_describes_everything_on_any_director() -> Result<()> {
    let _turn = remnants::turn()?;
    let program = program()?;
    let (scenario, _) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        for director in scenario.lab.layout.director_names() {
            let grpcurl = Grpcurl::on(&scenario.lab, &director, program.clone())?;
            let services = grpcurl.run(&[], &["list"])?;
            ensure!(services.contains("grpc.health.v1.Health"), "health is not listed on {director}: {services}");
            ensure!(!services.contains("internal"), "what is internal is listed on {director}: {services}");
            for method in grpcurl.methods()? {
                let described = grpcurl.run(&[], &["describe", &format!("twinrail.v1.{method}")])?;
                ensure!(described.contains("rpc "), "{method} is described as {described}");
            }
        }
        Ok(())
    })
}

#[test]
fn grpcurl_calls_every_method_and_gets_real_answers() -> Result<()> {
    let _turn = remnants::turn()?;
    let program = program()?;
    let (scenario, _) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        let leader = scenario.cli()?.leader()?;
        let names = scenario.lab.layout.director_names();
        let asked = names.iter().find(|name| **name != leader).context("there is no follower")?;
        let grpcurl = Grpcurl::on(&scenario.lab, asked, program)?;
        let mut words = Words::new(&names);
        words.set("asked", asked);
        let mut called = BTreeSet::from(["EventService/Watch".to_owned()]);
        for call in CALLS {
            grpcurl.check(call, &mut words).with_context(|| format!("{} {}", call.method, call.request))?;
            called.insert(call.method.to_owned());
        }
        grpcurl.watch_and_resume()?;
        let listed: BTreeSet<String> = grpcurl.methods()?.into_iter().map(|it| it.replace('.', "/")).collect();
        ensure!(called == listed, "not called: {:?}", listed.difference(&called).collect::<Vec<_>>());
        Ok(())
    })
}

fn program() -> Result<PathBuf> {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/grpcurl");
    ensure!(
        program.exists(),
        "grpcurl is not in target/tools: `make deps` installs it with `go install`, and needs Go for that (package golang-go)"
    );
    Ok(program)
}

impl Grpcurl {
    fn on(lab: &Lab, director: &str, program: PathBuf) -> Result<Self> {
        Ok(Self { namespace: lab.namespace(director)?.clone(), program })
    }

    fn output(&self, before: &[&str], after: &[&str]) -> Result<Output> {
        let arguments = [&["-plaintext"], before, &["127.0.0.1:7400"], after].concat();
        self.namespace.command(&self.program, &arguments).output().context("could not start grpcurl")
    }

    fn run(&self, before: &[&str], after: &[&str]) -> Result<String> {
        let output = self.output(before, after)?;
        ensure!(output.status.success(), "grpcurl {after:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// `LanService.CreateLan`, …: what reflection lists of twinrail.v1.
    fn methods(&self) -> Result<Vec<String>> {
        let mut methods = Vec::new();
        for service in self.run(&[], &["list"])?.lines().filter(|line| line.starts_with("twinrail.v1.")) {
            methods.extend(self.run(&[], &["list", service])?.lines().map(|it| it.replace("twinrail.v1.", "")));
        }
        ensure!(!methods.is_empty(), "no method of twinrail.v1 is listed");
        Ok(methods)
    }

    /// Makes a call and compares its answer. What is read is read again until it is so.
    fn check(&self, call: &Call, words: &mut Words) -> Result<()> {
        let request = words.fill(call.request)?;
        if call.reads() && matches!(call.expected, Expected::Answer(_)) {
            let mut last = String::new();
            let found = eventually(SETTLES_WITHIN, "the answer that is expected", || {
                match self.try_once(call, &request, words) {
                    Ok(answer) => Ok(Some(answer)),
                    Err(error) => {
                        last = format!("{error:#}");
                        Ok(None)
                    }
                }
            });
            found.with_context(|| last)?.remember(call, words)
        } else {
            self.try_once(call, &request, words)?.remember(call, words)
        }
    }

    fn try_once(&self, call: &Call, request: &str, words: &Words) -> Result<Answer> {
        let method = format!("twinrail.v1.{}", call.method);
        let output = self.output(&["-max-time", "10", "-format-error", "-d", request], &[&method])?;
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match &call.expected {
            Expected::Answer(fields) => {
                ensure!(output.status.success(), "refused: {stderr}");
                let answer: Value = serde_json::from_str(&stdout).with_context(|| format!("no JSON: {stdout}"))?;
                for (pointer, wanted) in *fields {
                    let found = answer.pointer(pointer).cloned().unwrap_or_default();
                    let wanted: Value = serde_json::from_str(&words.fill(wanted)?)?;
                    ensure!(found == wanted, "{pointer} is {found} and not {wanted} in {answer:#}");
                }
                Ok(Answer(answer))
            }
            Expected::Refusal(pieces) => {
                ensure!(!output.status.success(), "it was done: {stdout}");
                for piece in *pieces {
                    ensure!(stderr.contains(piece), "the error does not say {piece}: {stderr}");
                }
                Ok(Answer(Value::Null))
            }
        }
    }

    /// A watch from the beginning tells all that the calls above did; one that resumes in its middle tells the rest of it.
    fn watch_and_resume(&self) -> Result<()> {
        let all = self.watch(0)?;
        let [started, changes @ ..] = all.as_slice() else { bail!("the watch said nothing") };
        ensure!(started.get("started").is_some(), "the first message is {started}");
        let told = |resource: &str, change: &str| {
            changes
                .iter()
                .filter_map(|it| it.pointer("/changes/events")?.as_array())
                .flatten()
                .any(|event| event["resource"] == resource && event["change"] == change)
        };
        for (resource, change) in [
            ("lans/alpha", "CHANGE_TYPE_CREATED"),
            ("lans/alpha", "CHANGE_TYPE_UPDATED"),
            ("lans/alpha", "CHANGE_TYPE_DELETED"),
        ] {
            ensure!(told(resource, change), "{change} of {resource} was not told: {changes:#?}");
        }
        let (before, after) = changes.split_at(changes.len() / 2);
        let revision = before.last().and_then(|it| it["revision"].as_str()).context("a change without a revision")?;
        let resumed = self.watch(revision.parse()?)?;
        ensure!(resumed.get(1..) == Some(after), "resumed after {revision}: {resumed:#?} instead of {after:#?}");
        Ok(())
    }

    /// What a watch says within a moment; the stream would go on.
    fn watch(&self, after: u64) -> Result<Vec<Value>> {
        let request =
            format!(r#"{{"afterRevision": "{after}", "resourcePrefixes": ["lans/", "pools/", "profiles/"]}}"#);
        let output = self.output(&["-max-time", WATCH_SECONDS, "-d", &request], &["twinrail.v1.EventService/Watch"])?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(stderr.contains("DeadlineExceeded"), "the stream ended by itself: {stderr}");
        let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
        messages.map(|message| message.context("the stream holds something else than JSON")).collect()
    }
}

struct Answer(Value);

impl Answer {
    fn remember(&self, call: &Call, words: &mut Words) -> Result<()> {
        for (word, pointer) in call.remembers {
            let found = self.0.pointer(pointer).and_then(Value::as_str);
            words.set(word, found.with_context(|| format!("no {pointer} in {}", self.0))?);
        }
        Ok(())
    }
}
