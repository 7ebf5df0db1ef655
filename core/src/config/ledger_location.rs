//! Where the ledger is: a file that the caller names, the platform's place for such files, or memory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where a client's ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// In memory, for the life of the client.
    Off,
    /// In this file; the path is absolute.
    At(PathBuf),
    /// No location was given, and there is no default without HOME. It is refused when it is needed, not
    /// before.
    Nowhere,
}

impl Location {
    /// The value of the configuration key, or what it accepts. Looks at no disk.
    pub(crate) fn parse(text: &str) -> Result<Location, String> {
        const ACCEPTS: &str = "the path of a file, or off";
        if text == "off" {
            return Ok(Location::Off);
        }
        if text.is_empty() || text.contains('\0') || text.ends_with('/') {
            return Err(ACCEPTS.to_owned());
        }
        std::path::absolute(text).map(Location::At).map_err(|error| format!("{ACCEPTS} ({error})"))
    }

    /// The default: `$XDG_STATE_HOME/perceptis/ledger.db`, with `$HOME/.local/state` in the place of
    /// a variable that is not set or, as its specification has it, not absolute.
    pub(crate) fn standard(environment: impl Fn(&str) -> Option<OsString>) -> Location {
        let absolute =
            |name: &str| environment(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(Path::new(".local/state"))));
        state.map_or(Location::Nowhere, |state| Location::At(state.join("perceptis/ledger.db")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_the_place_by_default() {
        let standard = |pairs: &[(&str, &str)]| {
            Location::standard(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            })
        };
        let at = |path: &str| Location::At(PathBuf::from(path));
        assert_eq!(standard(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]), at("/s/perceptis/ledger.db"));
        assert_eq!(standard(&[("HOME", "/h")]), at("/h/.local/state/perceptis/ledger.db"));
        assert_eq!(
            standard(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]),
            at("/h/.local/state/perceptis/ledger.db")
        );
        assert_eq!(standard(&[("HOME", "")]), Location::Nowhere);
        assert_eq!(standard(&[]), Location::Nowhere);
    }

    #[test]
    fn a_caller_names_a_file_or_off() {
        assert_eq!(Location::parse("off"), Ok(Location::Off));
        assert_eq!(Location::parse("/a/b.db"), Ok(Location::At(PathBuf::from("/a/b.db"))));
        assert_eq!(
            Location::parse("b.db"),
            Ok(Location::At(std::env::current_dir().unwrap().join("b.db"))),
            "as seen from here, whatever the working directory is later"
        );
        for bad in ["", "a\0b", "/a/"] {
            assert!(Location::parse(bad).unwrap_err().contains("off"), "{bad:?}");
        }
    }
}
