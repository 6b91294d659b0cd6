//! The `twinrail` command line, run on a machine of the lab as an operator would.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Namespace, setting, shell};

/// Between two tries of a command that may still fail (a cluster that has just been started).
const RETRY: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
pub struct Cli {
    namespace: Namespace,
    program: PathBuf,
    endpoint: Option<String>,
}

impl Cli {
    pub fn new(namespace: Namespace, program: PathBuf) -> Self {
        Self { namespace, program, endpoint: None }
    }

    /// Another director than the one on this machine.
    pub fn with_endpoint(self, endpoint: &str) -> Self {
        Self { endpoint: Some(endpoint.to_owned()), ..self }
    }

    /// Runs a command line (words separated by spaces) and gives its JSON.
    pub fn json(&self, line: &str) -> Result<Value> {
        let text = self.run(&format!("{line} --output json"))?;
        serde_json::from_str(&text).with_context(|| format!("`twinrail {line}` did not print JSON: {text}"))
    }

    /// Runs a command line and gives what it printed.
    pub fn run(&self, line: &str) -> Result<String> {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if let Some(endpoint) = &self.endpoint {
            words.extend(["--endpoint", endpoint]);
        }
        shell::run(&mut self.namespace.command(&self.program, &words))
    }

    /// Runs a command line until its JSON satisfies the condition.
    pub fn wait_until(&self, line: &str, patience: Duration, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let patience = setting::patience(patience);
        let end = Instant::now() + patience;
        loop {
            let answer = self.json(line);
            match answer {
                Ok(value) if holds(&value) => return Ok(value),
                Err(error) if Instant::now() >= end => return Err(error),
                Ok(value) if Instant::now() >= end => {
                    bail!("`twinrail {line}` did not get where it should within {patience:?}; last answer: {value}")
                }
                _ => std::thread::sleep(RETRY),
            }
        }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }
}
