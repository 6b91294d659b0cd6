//! Runs one program to its end and gives its output, or an error that says what was run and what it answered.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Runs the command; its standard output when it succeeded.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("could not start {}", line(command)))?;
    accept(command, output)
}

/// Runs the command with this on its standard input.
pub fn run_with_input(command: &mut Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("could not start {}", line(command)))?;
    let mut stdin = child.stdin.take().context("the child has no standard input")?;
    stdin.write_all(input.as_bytes()).with_context(|| format!("could not write to {}", line(command)))?;
    drop(stdin);
    let output = child.wait_with_output().with_context(|| format!("could not wait for {}", line(command)))?;
    accept(command, output)
}

/// The command as one would type it.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn accept(command: &Command, output: Output) -> Result<String> {
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", line(command), output.status, error.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` printed something that is not UTF-8", line(command)))
}
