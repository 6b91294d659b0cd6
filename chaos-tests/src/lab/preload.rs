//! What is put before a program's C library. The sources are in this program, and the machine's compiler makes them anew each time.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::shell;

/// Compiles the source to `<stem>.so` in the folder.
pub fn compile(folder: &Path, stem: &str, text: &str) -> Result<PathBuf> {
    let (source, object) = (folder.join(format!("{stem}.c")), folder.join(format!("{stem}.so")));
    std::fs::write(&source, text).with_context(|| format!("could not write {}", source.display()))?;
    let flags = ["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o"];
    shell::run(Command::new("gcc").args(flags).arg(&object).arg(&source))
        .with_context(|| format!("could not compile {}", source.display()))?;
    Ok(object)
}
