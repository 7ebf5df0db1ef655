//! How a call is made: its deadline, and where its files go.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::common::text;
use crate::config::keys::{Key, OPTIONS};
use crate::config::number_for;
use crate::error::Error;
use crate::model::idempotency_key;
use crate::model::submission_state::State;

/// The longest `name`, in bytes: with a job id and an ending it still fits a file system's 255.
const MAX_NAME_BYTES: usize = 120;

/// The options of one call.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) timeout: Option<Duration>,
    /// Shared with the targets made from it.
    pub(crate) directory: Option<Arc<Path>>,
    pub(crate) name: Option<String>,
    pub(crate) overwrite: bool,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) resubmit: bool,
    pub(crate) progress: bool,
    /// Whether a call without a key continues an equal one whose caller is gone.
    pub(crate) adopt: bool,
    pub(crate) on_other_key_submit: bool,
    /// What `jobs` and `recover` are about; nothing narrows nothing.
    pub(crate) job: Option<String>,
    pub(crate) state: Option<State>,
    pub(crate) unsettled: Option<bool>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) limit: usize,
    pub(crate) history: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            timeout: None,
            directory: None,
            name: None,
            overwrite: false,
            idempotency_key: None,
            resubmit: false,
            progress: false,
            adopt: true,
            on_other_key_submit: false,
            job: None,
            state: None,
            unsettled: None,
            max_age: None,
            limit: 1000,
            history: false,
        }
    }
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
        let Some(key) = OPTIONS.iter().find(|key| key.name == option) else {
            let names = OPTIONS.map(|key| key.name);
            return Err(Error::invalid(text::unknown("option", option, &names)));
        };
        let applied = self.apply(key, text);
        applied.map_err(|accepts| Error::invalid(text::refused("option", option, text, &accepts)))
    }

    /// Sets one option from text; `Err` says what is accepted.
    fn apply(&mut self, key: &Key, text: &str) -> Result<(), String> {
        let number = || number_for(text, key);
        let duration = || number().map(Duration::from_millis);
        match key.name {
            "timeout_ms" => duration().map(|value| self.timeout = Some(value)),
            "directory" => directory(text).map(|value| self.directory = Some(value)),
            "name" => name(text).map(|value| self.name = Some(value)),
            "overwrite" => text::boolean(text).map(|value| self.overwrite = value),
            "resubmit" => text::boolean(text).map(|value| self.resubmit = value),
            "progress" => text::boolean(text).map(|value| self.progress = value),
            "adopt" => text::word(text, &[("on", true), ("off", false)]).map(|value| self.adopt = value),
            "on_other_key" => text::word(text, &[("refuse", false), ("submit", true)])
                .map(|value| self.on_other_key_submit = value),
            "job" if (1..=255).contains(&text.len()) && !text.contains(char::is_control) => {
                self.job = Some(text.to_owned());
                Ok(())
            }
            "job" => {
                Err("a job id or an idempotency key, 1 to 255 bytes; job:ID or key:KEY says which".into())
            }
            "state" => text::word(text, &State::NAMES).map(|value| self.state = Some(value)),
            "unsettled" => text::boolean(text).map(|value| self.unsettled = Some(value)),
            "max_age_ms" => duration().map(|value| self.max_age = Some(value)),
            "limit" => number().map(|value| self.limit = usize::try_from(value).unwrap_or(1)),
            "history" => text::boolean(text).map(|value| self.history = value),
            "idempotency_key" if idempotency_key::is_sound(text) => {
                self.idempotency_key = Some(text.to_owned());
                Ok(())
            }
            "idempotency_key" => Err("1 to 255 visible ASCII characters".into()),
            _ => Err("nothing".to_owned()),
        }
    }

    /// Options from a JSON object; values are text, numbers or booleans.
    ///
    /// # Errors
    /// `InvalidArgument` when it is no object, and as [`Options::set`].
    pub fn from_json(json: &str) -> Result<Options, Error> {
        let values: BTreeMap<String, Value> = serde_json::from_str(json).map_err(|error| {
            Error::invalid(format!("argument json is not a JSON object: {}", text::cut(&error.to_string())))
        })?;
        let mut options = Options::default();
        for (option, value) in values {
            match value {
                Value::String(text) => options.set(&option, &text)?,
                Value::Bool(_) | Value::Number(_) => options.set(&option, &value.to_string())?,
                Value::Null => {}
                other => {
                    let accepts = "text, a number, true or false";
                    return Err(Error::invalid(text::refused(
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

fn directory(text: &str) -> Result<Arc<Path>, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("the path of an existing directory".into());
    }
    Ok(Path::new(text).into())
}

fn name(text: &str) -> Result<String, String> {
    let accepts = || {
        format!(
            "a file name of 1 to {MAX_NAME_BYTES} bytes without its ending: no '/' or '\\', no control \
             characters, no dot at the beginning, no \".pptx\" at the end"
        )
    };
    let sound = (1..=MAX_NAME_BYTES).contains(&text.len())
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
        assert!(OPTIONS.iter().all(|key| error.message().contains(key.name)), "{error}");
    }

    #[test]
    fn default_of_each_option_is_that_of_the_table() {
        let mut options = Options::default();
        for key in &OPTIONS {
            if let Some(default) = key.default {
                options.set(key.name, default).unwrap();
            }
        }
        assert_eq!(format!("{options:?}"), format!("{:?}", Options::default()));
    }

    #[test]
    fn json_values_may_be_typed() {
        let options = Options::from_json(r#"{"timeout_ms":5,"overwrite":true,"name":null}"#).unwrap();
        assert_eq!(options.timeout, Some(Duration::from_millis(5)));
        assert!(options.overwrite);
    }
}
