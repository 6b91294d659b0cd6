//! How the story is told: numbered steps, what each means, how long it took, and which promises held.

use std::time::{Duration, Instant};

use anyhow::Result;

pub struct Narrator {
    start: Instant,
    steps: u32,
    broken: Vec<String>,
}

/// What happens inside one step.
pub struct Step<'a> {
    broken: &'a mut Vec<String>,
}

impl Narrator {
    pub fn start() -> Self {
        println!("Twinrail: network cards and disks that survive the loss of any director\n");
        Self { start: Instant::now(), steps: 0, broken: Vec::new() }
    }

    /// Runs one step and says how long it took. A step that fails ends the story.
    pub fn step<T>(&mut self, title: &str, meaning: &str, work: impl FnOnce(&mut Step) -> Result<T>) -> Result<T> {
        self.steps += 1;
        println!("{:>2}  {title}", self.steps);
        println!("    {meaning}");
        let start = Instant::now();
        let result = work(&mut Step { broken: &mut self.broken });
        match &result {
            Ok(_) => println!("    {:.2} s\n", start.elapsed().as_secs_f64()),
            Err(_) => println!("    failed after {:.2} s\n", start.elapsed().as_secs_f64()),
        }
        result
    }

    pub fn all_held(&self) -> bool {
        self.broken.is_empty()
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub fn print_broken(&self) {
        if self.broken.is_empty() {
            return;
        }
        println!("\nPromises that did not hold:");
        self.broken.iter().for_each(|promise| println!("  ✗ {promise}"));
    }
}

impl Step<'_> {
    /// A command as the operator types it.
    pub fn command(&self, line: &str) {
        println!("      $ {line}");
    }

    pub fn note(&self, text: &str) {
        println!("      {text}");
    }

    /// Checks a promise and says so.
    pub fn promise(&mut self, held: bool, text: &str) {
        println!("    {} {text}", if held { '✓' } else { '✗' });
        if !held {
            self.broken.push(text.to_owned());
        }
    }
}
