//! A machine whose wall clock jumps and whose disk fails to make things durable, while its programs run.
//!
//! The kernel gives a namespace no wall clock of its own, and this one has no device mapper to make a disk that fails. So the library
//! in `sick-machine/` stands before the C library of the machine's `twinrail`, and does what a file says at every moment.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Lab, preload};

/// `EIO`, what a disk gives that has failed.
const INPUT_OUTPUT_ERROR: i64 = 5;
const WORD: u64 = 8;

/// The file that says how one machine is.
#[derive(Debug)]
pub struct SickMachine {
    control: File,
}

impl SickMachine {
    /// The machine's wall clock is so many seconds ahead of the true one, or behind.
    pub fn set_clock(&self, seconds: i64) -> Result<()> {
        self.write(0, seconds * 1_000_000_000)
    }

    /// From now on nothing is made durable: `fsync` and its kin give an error.
    pub fn break_disk(&self) -> Result<()> {
        self.write(1, INPUT_OUTPUT_ERROR)
    }

    pub fn mend_disk(&self) -> Result<()> {
        self.write(1, 0)
    }

    fn well(path: &Path) -> Result<Self> {
        let control = File::create(path).with_context(|| format!("could not create {}", path.display()))?;
        let machine = Self { control };
        machine.write(0, 0)?;
        machine.write(1, 0)?;
        Ok(machine)
    }

    fn write(&self, word: u64, value: i64) -> Result<()> {
        self.control.write_all_at(&value.to_ne_bytes(), word * WORD).context("could not write a sick machine's file")
    }
}

/// Makes the library.
pub fn compile(folder: &Path) -> Result<PathBuf> {
    preload::compile(folder, "sick_machine", include_str!("../../sick-machine/sick_machine.c"))
}

impl Lab {
    /// From its next start on the machine can be made sick; it is well at first.
    pub fn make_mortal(&mut self, machine: &str, library: &Path) -> Result<SickMachine> {
        let path = self.run_dir().join(format!("{machine}.sick"));
        let sick = SickMachine::well(&path)?;
        let variables = [("LD_PRELOAD", library.as_os_str()), ("SICK_MACHINE_CONTROL", path.as_os_str())];
        self.launch(machine)?.variables.extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Ok(sick)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::shell;
    use super::*;

    #[test]
    fn a_sick_machine_has_another_time_and_makes_nothing_durable() {
        let folder = tempfile::tempdir().unwrap();
        let (library, control) = (compile(folder.path()).unwrap(), folder.path().join("control"));
        let machine = SickMachine::well(&control).unwrap();
        let run = |words: &[&str]| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).env("LD_PRELOAD", &library).env("SICK_MACHINE_CONTROL", &control);
            shell::run(&mut command)
        };
        let time = || run(&["date", "+%s"]).unwrap().trim().parse::<i64>().unwrap();
        let (before, file) = (time(), control.to_str().unwrap());
        machine.set_clock(-7_200).unwrap();
        assert!((before - 7_205..before - 7_190).contains(&time()));
        assert!(run(&["sync", file]).is_ok());
        machine.break_disk().unwrap();
        assert!(format!("{:#}", run(&["sync", file]).unwrap_err()).contains("Input/output error"));
        machine.mend_disk().unwrap();
        assert!(run(&["sync", file]).is_ok());
    }
}
