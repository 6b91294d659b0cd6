//! grpcurl, which knows nothing of us, lists, describes and calls every method through reflection, on any director.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::Scenario;
use twinrail_chaos_tests::lab::{Lab, Layout, Namespace, shell};

/// The services that must be there.
const SERVICES: [&str; 13] = [
    "ClusterService",
    "DirectorService",
    "EventService",
    "FailoverService",
    "LanService",
    "PoolService",
    "ProfileService",
    "QosPolicyService",
    "SanService",
    "ServerService",
    "TemplateService",
    "VhbaService",
    "VnicService",
];

/// Answers of a method that was called with nothing in its request: it worked, or it says what is missing. Never
/// "unimplemented", "unknown" or "internal".
const HONEST: [&str; 4] = ["InvalidArgument", "NotFound", "FailedPrecondition", "Aborted"];

struct Grpcurl {
    namespace: Namespace,
    program: PathBuf,
}

#[test]
fn grpcurl_lists_describes_and_calls_everything() -> Result<()> {
    let _turn = remnants::turn()?;
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/grpcurl");
    ensure!(program.exists(), "grpcurl is not in target/tools: run `make deps` where Go is installed");
    let (scenario, _) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        for director in scenario.lab.layout.director_names() {
            let grpcurl = Grpcurl::on(&scenario.lab, &director, program.clone())?;
            grpcurl.try_everything().with_context(|| format!("on {director}"))?;
        }
        Ok(())
    })
}

impl Grpcurl {
    fn on(lab: &Lab, director: &str, program: PathBuf) -> Result<Self> {
        Ok(Self { namespace: lab.namespace(director)?.clone(), program })
    }

    fn run(&self, before: &[&str], after: &[&str]) -> Result<String> {
        let arguments = [&["-plaintext", "-max-time", "3"], before, &["127.0.0.1:7400"], after].concat();
        shell::run(&mut self.namespace.command(&self.program, &arguments))
    }

    fn try_everything(&self) -> Result<()> {
        let services = self.run(&[], &["list"])?;
        for service in SERVICES {
            ensure!(services.contains(&format!("twinrail.v1.{service}")), "{service} is not listed: {services}");
        }
        ensure!(services.contains("grpc.health.v1.Health"), "health is not listed: {services}");
        ensure!(!services.contains("internal"), "what is internal is listed: {services}");
        for service in services.lines().filter(|line| line.starts_with("twinrail.v1.")) {
            for method in self.run(&[], &["list", service])?.lines() {
                let described = self.run(&[], &["describe", method])?;
                ensure!(described.contains("rpc "), "{method} is described as {described}");
                self.call(method)?;
            }
        }
        Ok(())
    }

    /// Calls a method with an empty request. Streams go on until grpcurl's time is over: they are checked by other tests.
    fn call(&self, method: &str) -> Result<()> {
        if method.ends_with(".Watch") || method.ends_with(".TransferLeadership") || method.ends_with(".Rebalance") {
            return self.run(&["-d", r#"{"revision": 0}"#], &["describe", method]).map(drop);
        }
        match self.run(&["-d", "{}"], &[method]) {
            Ok(_) => Ok(()),
            Err(error) => {
                let text = format!("{error:#}");
                ensure!(HONEST.iter().any(|code| text.contains(&format!("Code: {code}"))), "{method}: {text}");
                Ok(())
            }
        }
    }
}
