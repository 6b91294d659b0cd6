//! Commands to the guest and their output back, over QEMU's standard input and output.
//!
//! The guest's `serve.sh` runs one line at a time. What it says itself is a line that begins with the octet 1e: `ready` once, and
//! `exit <status>` after each command. All else is output.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

const MARK: u8 = 0x1e;
/// Output that was read and not yet taken: QEMU waits when it is full.
const QUEUE: usize = 64;
const CHUNK: usize = 8_192;
/// What the guest says itself is shorter.
const LONGEST_WORD: usize = 64;

pub struct Session {
    qemu: Child,
    commands: ChildStdin,
    output: Receiver<Vec<u8>>,
    /// What was received and not yet looked at.
    rest: Vec<u8>,
}

impl Session {
    /// Starts QEMU. A thread reads what comes until QEMU ends.
    pub fn start(mut command: Command) -> Result<Self> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut qemu = started.context("could not start QEMU")?;
        let commands = qemu.stdin.take().context("QEMU has no standard input")?;
        let stdout = qemu.stdout.take().context("QEMU has no standard output")?;
        let (sender, output) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("guest's output".to_owned())
            .spawn(move || read(stdout, &sender))
            .context("could not start a thread")?;
        Ok(Self { qemu, commands, output, rest: Vec::new() })
    }

    pub fn wait_until_ready(&mut self, patience: Duration) -> Result<()> {
        let said = self.wait(Instant::now() + patience, patience, &mut |_| ())?;
        ensure!(said == "ready", "the guest said '{said}' and not that it is ready");
        Ok(())
    }

    pub fn run(&mut self, line: &str, patience: Duration, sink: &mut dyn FnMut(&[u8])) -> Result<i32> {
        ensure!(!line.contains('\n'), "a command for the guest is one line");
        writeln!(self.commands, "{line}").context("QEMU takes no more commands")?;
        self.commands.flush().context("QEMU takes no more commands")?;
        let said = self.wait(Instant::now() + patience, patience, sink)?;
        let status = said.strip_prefix("exit ").and_then(|it| it.parse().ok());
        status.with_context(|| format!("the guest said '{said}' and no exit status"))
    }

    /// The next thing that the guest says itself; output before it goes to the sink.
    fn wait(&mut self, end: Instant, patience: Duration, sink: &mut dyn FnMut(&[u8])) -> Result<String> {
        loop {
            if let Some(said) = take_word(&mut self.rest, sink) {
                return Ok(said);
            }
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.rest.extend_from_slice(&chunk),
                Err(RecvTimeoutError::Timeout) => bail!("no end within {patience:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("QEMU ended: {}", self.status()),
            }
        }
    }

    fn status(&mut self) -> String {
        self.qemu.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What it has in memory is of no use to anybody. It may have ended by itself.
        self.qemu.kill().ok();
        self.qemu.wait().ok();
    }
}

fn read(mut output: ChildStdout, sender: &SyncSender<Vec<u8>>) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = output.read(&mut chunk) {
        if sender.send(chunk[..length].to_vec()).is_err() {
            return;
        }
    }
}

/// Gives output to the sink up to the first word of the guest's own, and takes that word when it is whole.
fn take_word(rest: &mut Vec<u8>, sink: &mut dyn FnMut(&[u8])) -> Option<String> {
    let start = rest.iter().position(|octet| *octet == MARK).unwrap_or(rest.len());
    if start > 0 {
        sink(&rest[..start]);
        rest.drain(..start);
    }
    let end = rest.iter().position(|octet| *octet == b'\n');
    if end.is_none() && rest.len() > LONGEST_WORD {
        // A program printed the octet.
        sink(rest);
        rest.clear();
    }
    let word: Vec<u8> = rest.drain(..=end?).collect();
    Some(String::from_utf8_lossy(&word[1..word.len() - 1]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guest_says_is_told_from_output() {
        let (mut rest, mut output) = (b"one\ntwo\x1eex".to_vec(), Vec::new());
        assert_eq!(take_word(&mut rest, &mut |it| output.extend_from_slice(it)), None);
        assert_eq!(output, b"one\ntwo");
        rest.extend_from_slice(b"it 3\nmore");
        let said = take_word(&mut rest, &mut |it| output.extend_from_slice(it));
        assert_eq!(said.as_deref(), Some("exit 3"));
        assert_eq!((rest.as_slice(), output.as_slice()), (&b"more"[..], &b"one\ntwo"[..]));
    }
}
