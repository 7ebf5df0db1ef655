//! How a call is made: its deadline, and where its files go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::error::Error;
use crate::key;
use crate::table::{self, WEEK_MS};

/// The longest `name`, in bytes: with a job id and an ending it still fits a file system's 255.
const MOST_NAME_BYTES: usize = 120;

const KEYS: [&str; 7] =
    ["timeout_ms", "directory", "name", "overwrite", "idempotency_key", "resubmit", "progress"];

/// The options of one call.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) name: Option<String>,
    pub(crate) overwrite: bool,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) resubmit: bool,
    pub(crate) progress: bool,
}

impl Options {
    /// Whether the caller wants to be told how the call goes on.
    pub fn progress(&self) -> bool {
        self.progress
    }

    /// Sets an option from text.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown option, with the known ones, or a value that it can't have.
    pub fn set(&mut self, option: &str, text: &str) -> Result<(), Error> {
        let result = match option {
            "timeout_ms" => table::integer(text, 1..=WEEK_MS)
                .map(|value| self.timeout = Some(Duration::from_millis(value))),
            "directory" => directory(text).map(|value| self.directory = Some(value)),
            "name" => name(text).map(|value| self.name = Some(value)),
            "overwrite" => table::boolean(text).map(|value| self.overwrite = value),
            "resubmit" => table::boolean(text).map(|value| self.resubmit = value),
            "progress" => table::boolean(text).map(|value| self.progress = value),
            "idempotency_key" if key::is_sound(text) => {
                self.idempotency_key = Some(text.to_owned());
                Ok(())
            }
            "idempotency_key" => Err("1 to 255 visible ASCII characters".into()),
            _ => return Err(Error::invalid(table::unknown("option", option, &KEYS))),
        };
        result.map_err(|accepts| Error::invalid(table::refused("option", option, text, &accepts)))
    }

    /// Options from a JSON object; values are text, numbers or booleans.
    ///
    /// # Errors
    /// `InvalidArgument` when it is no object, and as [`Options::set`].
    pub fn from_json(json: &str) -> Result<Options, Error> {
        let values: BTreeMap<String, Value> = serde_json::from_str(json)
            .map_err(|error| Error::invalid(format!("argument json is not a JSON object: {error}")))?;
        let mut options = Options::default();
        for (option, value) in values {
            match value {
                Value::String(text) => options.set(&option, &text)?,
                Value::Bool(_) | Value::Number(_) => options.set(&option, &value.to_string())?,
                Value::Null => {}
                other => {
                    let accepts = "text, a number, true or false";
                    return Err(Error::invalid(table::refused(
                        "option",
                        &option,
                        &other.to_string(),
                        accepts,
                    )));
                }
            }
        }
        Ok(options)
    }
}

fn directory(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("the path of an existing directory".into());
    }
    Ok(PathBuf::from(text))
}

fn name(text: &str) -> Result<String, String> {
    let accepts = || {
        format!(
            "a file name of 1 to {MOST_NAME_BYTES} bytes without its ending: no '/' or '\\', no control \
             characters, no dot at the beginning, no \".pptx\" at the end"
        )
    };
    let sound = (1..=MOST_NAME_BYTES).contains(&text.len())
        && !text.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'))
        && !text.starts_with('.')
        && !text.to_ascii_lowercase().ends_with(".pptx");
    if sound { Ok(text.to_owned()) } else { Err(accepts()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_when_they_are_set() {
        let mut options = Options::default();
        for (option, bad) in [
            ("timeout_ms", "0"),
            ("timeout_ms", "-1"),
            ("timeout_ms", "1.5"),
            ("timeout_ms", "+5"),
            ("name", "a/b"),
            ("name", ".."),
            ("name", ""),
            ("name", "deck.PPTX"),
            ("overwrite", "yes"),
            ("progress", "1"),
            ("idempotency_key", ""),
            ("idempotency_key", "a b"),
            ("directory", ""),
        ] {
            let error = options.set(option, bad).unwrap_err();
            assert!(error.message().contains(option), "{option}={bad}: {error}");
        }
        let error = options.set("directry", "x").unwrap_err();
        assert!(KEYS.iter().all(|key| error.message().contains(key)), "{error}");
    }

    #[test]
    fn json_values_may_be_typed() {
        let options = Options::from_json(r#"{"timeout_ms":5,"overwrite":true,"name":null}"#).unwrap();
        assert_eq!(options.timeout, Some(Duration::from_millis(5)));
        assert!(options.overwrite);
    }
}
