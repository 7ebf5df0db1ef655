//! The one path of a directory that may not exist yet.

use std::path::{Component, Path, PathBuf};

use super::failure::file_error;
use crate::error::{Error, Kind};

/// The directory of a call as the ledger knows it: the canonical path, so that another process finds it. A
/// tail that does not exist is appended to the canonical path of the part that does. Blocks on the disk.
pub(crate) fn directory_of(given: Option<&Path>) -> Result<String, Error> {
    let given = given.unwrap_or(Path::new("."));
    let absolute =
        std::path::absolute(given).map_err(|error| file_error(given, "is not a usable directory", &error))?;
    let real = canonical(&absolute);
    real.into_os_string().into_string().map_err(|name| {
        let path = PathBuf::from(name);
        Error::new(
            Kind::File,
            format!("{} is not UTF-8, so that a result could not name the file", path.display()),
        )
    })
}

fn canonical(path: &Path) -> PathBuf {
    let (mut there, mut missing) = (path.to_owned(), Vec::new());
    loop {
        if let Ok(real) = std::fs::canonicalize(&there) {
            return missing.into_iter().rev().fold(real, |mut real, component| {
                match component {
                    Component::ParentDir => drop(real.pop()),
                    component => real.push(component),
                }
                real
            });
        }
        let Some(last) = path.components().nth(there.components().count().saturating_sub(1)) else {
            return path.to_owned();
        };
        missing.push(last);
        if !there.pop() {
            return path.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_directory_has_the_missing_tail() {
        let place = tempfile::tempdir().unwrap();
        let real = std::fs::canonicalize(place.path()).unwrap();
        std::fs::create_dir(real.join("there")).unwrap();
        std::os::unix::fs::symlink(real.join("there"), real.join("link")).unwrap();
        for (given, expected) in [
            ("there", "there"),
            ("link", "there"),
            ("link/a/b", "there/a/b"),
            ("link/../there/a", "there/a"),
            ("a/../b", "b"),
            ("a/b/../../link/c", "link/c"),
        ] {
            assert_eq!(canonical(&real.join(given)), real.join(expected), "{given}");
        }
    }
}
