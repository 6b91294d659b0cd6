//! Which machine this is: drawn once, kept in the state folder, so that a restarted agent is known again and a second
//! machine with the same server name is not.

use std::path::{Path, PathBuf};

use super::memory::replace;

const FILE: &str = "machine-id";

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "{path} does not hold a machine id; restore it, or delete it and let the server be claimed anew (`twinrail server update --forget-machine`)"
    )]
    Damaged { path: PathBuf },
}

/// Reads the machine id, or draws and keeps one. It is on disk, under its name, before it is used.
pub fn machine_id(folder: &Path) -> Result<String, IdentityError> {
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| IdentityError::Io { operation, path, source }
    };
    std::fs::create_dir_all(folder).map_err(io("create", folder))?;
    let path = folder.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let id = text.trim();
            uuid::Uuid::parse_str(id).map_err(|_| IdentityError::Damaged { path })?;
            Ok(id.to_owned())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = uuid::Uuid::new_v4().to_string();
            replace(folder, FILE, id.as_bytes()).map_err(|(operation, source)| IdentityError::Io {
                operation,
                path,
                source,
            })?;
            Ok(id)
        }
        Err(source) => Err(IdentityError::Io { operation: "read", path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_stays_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = machine_id(folder.path()).unwrap();
        assert_eq!(machine_id(folder.path()).unwrap(), first);
    }

    #[test]
    fn a_damaged_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "half").unwrap();
        assert!(matches!(machine_id(folder.path()), Err(IdentityError::Damaged { .. })));
    }
}
