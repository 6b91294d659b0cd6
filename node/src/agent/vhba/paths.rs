//! Where a vHBA's exports are.

use std::path::{Path, PathBuf};

/// The kernel has room for 107 octets in the address of a unix socket, and a socket is made under its name with a dot
/// before and the process's number behind, which takes up to nine more.
const LONGEST: usize = 107 - 9;

/// Why there is no place for an export.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    #[error(
        "the path {path:?} has {length} octets, and the kernel's sockets have room for {LONGEST}; \
         set a shorter `vhba.run_dir` in the server's configuration, or use shorter names"
    )]
    TooLong { path: PathBuf, length: usize },
    #[error(
        "cannot make the folder {folder:?} for exports: {source}; check `vhba.run_dir` in the server's configuration"
    )]
    Folder { folder: PathBuf, source: std::io::Error },
}

/// The socket of a LUN, in a folder that is there when this returns.
pub fn socket(folder: &Path, lun: u16) -> Result<PathBuf, PathError> {
    let path = folder.join(format!("lun{lun}.sock"));
    let length = path.as_os_str().len();
    if length > LONGEST {
        return Err(PathError::TooLong { path, length });
    }
    match std::fs::create_dir_all(folder) {
        Ok(()) => Ok(path),
        Err(source) => Err(PathError::Folder { folder: folder.into(), source }),
    }
}

/// Removes the vHBA's folder and its profile's, as far as they are empty.
pub fn clear(folder: &Path) {
    for it in [Some(folder), folder.parent()].into_iter().flatten() {
        if std::fs::remove_dir(it).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_socket_can_have_is_refused_before_anything_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(80)).join("fc0");
        let error = socket(&long, 7).unwrap_err().to_string();
        assert!(error.contains("lun7.sock") && error.contains("vhba.run_dir"), "{error}");
        assert!(!long.exists());
        let good = folder.path().join("web/fc0");
        assert_eq!(socket(&good, 7).unwrap(), good.join("lun7.sock"));
        clear(&good);
        assert!(!folder.path().join("web").exists() && folder.path().exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("web"), "a file").unwrap();
        let error = socket(&folder.path().join("web/fc0"), 0).unwrap_err().to_string();
        assert!(error.contains("web/fc0") && error.contains("vhba.run_dir"), "{error}");
    }
}
