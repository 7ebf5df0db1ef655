//! Configuration: string keys, checked when they are set, completed from the environment once.

pub mod keys;
pub(crate) mod ledger_location;
pub(crate) mod log_level;
pub(crate) mod options;
pub(crate) mod proxies;
pub(crate) mod trust;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::common::text;
use crate::config::keys::{Accepts, CONFIGURATION, Key};
use crate::config::ledger_location::Location;
use crate::config::log_level::Level;
use crate::config::proxies::Proxies;
use crate::config::trust::Trust;
use crate::error::{Error, Kind};
use crate::model::api_key::{self, ApiKey};
use crate::model::origin::Origin;

/// What a client is made from.
#[derive(Clone, Default)]
pub struct Config(BTreeMap<&'static str, String>);

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Config {
    /// Sets a key from text; the last one wins.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown key, with the known ones, or a value that it can't have;
    /// `Configuration` for a base URL that is more than an origin.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), Error> {
        let Some(known) = CONFIGURATION.iter().find(|known| known.name == key) else {
            let names = CONFIGURATION.map(|known| known.name);
            return Err(Error::invalid(text::unknown("configuration key", key, &names)));
        };
        Settings::default().apply(known, text)?;
        self.0.insert(known.name, text.to_owned());
        Ok(())
    }

    /// Everything that a client needs: what was set, then `PERCEPTIS_<KEY>` from `environment`, then the
    /// defaults; proxies and trusted certificates from `environment` as well, which is not looked at again.
    /// An empty variable counts as not set.
    ///
    /// # Errors
    /// `Configuration`, naming the key or variable that is missing or wrong.
    pub fn settle(&self, environment: impl Fn(&str) -> Option<OsString>) -> Result<Settings, Error> {
        let mut settings = Settings {
            ledger: Location::standard(&environment),
            proxies: Arc::new(Proxies::read(&environment)?),
            trust: Trust::read(&environment),
            ..Settings::default()
        };
        for key in &CONFIGURATION {
            if let Some(text) = self.0.get(key.name) {
                settings.apply(key, text)?;
                continue;
            }
            let variable = format!("PERCEPTIS_{}", key.name.to_ascii_uppercase());
            let Some(value) = environment(&variable).filter(|value| !value.is_empty()) else { continue };
            let as_configuration = |message: &str| {
                Error::configuration(format!("in the environment variable {variable}: {message}"))
            };
            let text = value.to_str().ok_or_else(|| as_configuration("the value is not UTF-8"))?;
            settings.apply(key, text).map_err(|error| as_configuration(error.message()))?;
        }
        settings.check()?;
        Ok(settings)
    }
}

/// A client's settings, complete and checked. Durations are in the client's own time: see `clock.rs`.
#[derive(Clone, Debug)]
pub struct Settings {
    api_key: Option<ApiKey>,
    pub(crate) origin: Option<Origin>,
    pub(crate) app_name: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    client_cert_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
    pub(crate) allow_http: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) submit_timeout: Duration,
    pub(crate) status_timeout: Duration,
    pub(crate) download_idle_timeout: Duration,
    pub(crate) poll_first: Duration,
    pub(crate) poll_max: Duration,
    pub(crate) resubmit_window: Duration,
    pub(crate) adopt_window: Duration,
    pub(crate) max_concurrent_submissions: usize,
    pub(crate) max_file_bytes: u64,
    pub(crate) log_level: Level,
    pub(crate) ledger: Location,
    pub(crate) time_scale: u32,
    /// Where the spreads of waiting times come from, in the place of the operating system.
    pub(crate) jitter_seed: Option<u64>,
    /// Those of the environment.
    pub(crate) proxies: Arc<Proxies>,
    /// Whose certificates are trusted besides those of `ca_file`.
    pub(crate) trust: Trust,
}

impl Default for Settings {
    /// The defaults of the table.
    fn default() -> Settings {
        let mut settings = Settings::blank();
        for key in &CONFIGURATION {
            if let Some(default) = key.default {
                // A test holds that each default is accepted.
                let _ = settings.apply(key, default);
            }
        }
        settings
    }
}

impl Settings {
    /// Nothing set.
    fn blank() -> Settings {
        Settings {
            api_key: None,
            origin: None,
            app_name: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            allow_http: false,
            connect_timeout: Duration::ZERO,
            submit_timeout: Duration::ZERO,
            status_timeout: Duration::ZERO,
            download_idle_timeout: Duration::ZERO,
            poll_first: Duration::ZERO,
            poll_max: Duration::ZERO,
            resubmit_window: Duration::ZERO,
            adopt_window: Duration::ZERO,
            max_concurrent_submissions: 1,
            max_file_bytes: 0,
            log_level: Level::Info,
            ledger: Location::Nowhere,
            time_scale: 1,
            jitter_seed: None,
            proxies: Arc::default(),
            trust: Trust::default(),
        }
    }

    pub(crate) fn api_key(&self) -> Result<&ApiKey, Error> {
        self.api_key.as_ref().ok_or_else(|| {
            Error::configuration(
                "no API key: set the environment variable PERCEPTIS_API_KEY or the configuration key api_key",
            )
        })
    }

    /// Sets one key from text.
    fn apply(&mut self, key: &Key, text: &str) -> Result<(), Error> {
        let number = || number_for(text, key);
        let duration = || number().map(Duration::from_millis);
        let applied = match key.name {
            "api_key" => api_key::parse_key(text).map(|value| self.api_key = Some(value)),
            "api_base_url" => {
                let origin = Origin::parse(text).map_err(Error::configuration)?;
                self.origin = Some(origin);
                Ok(())
            }
            "app_name" => app_name(text).map(|value| self.app_name = Some(value)),
            "ca_file" => pem_path(text).map(|path| self.ca_file = Some(path)),
            "client_cert_file" => pem_path(text).map(|path| self.client_cert_file = Some(path)),
            "client_key_file" => pem_path(text).map(|path| self.client_key_file = Some(path)),
            "allow_http" => text::boolean(text).map(|value| self.allow_http = value),
            "connect_timeout_ms" => duration().map(|value| self.connect_timeout = value),
            "submit_timeout_ms" => duration().map(|value| self.submit_timeout = value),
            "status_timeout_ms" => duration().map(|value| self.status_timeout = value),
            "download_idle_timeout_ms" => duration().map(|value| self.download_idle_timeout = value),
            "poll_first_ms" => duration().map(|value| self.poll_first = value),
            "poll_max_ms" => duration().map(|value| self.poll_max = value),
            "resubmit_window_ms" => duration().map(|value| self.resubmit_window = value),
            "adopt_window_ms" => duration().map(|value| self.adopt_window = value),
            "max_concurrent_submissions" => {
                number().map(|value| self.max_concurrent_submissions = usize::try_from(value).unwrap_or(1))
            }
            "max_file_bytes" => number().map(|value| self.max_file_bytes = value),
            "ledger" => Location::parse(text).map(|value| self.ledger = value),
            "log_level" => text::word(text, &Level::NAMES).map(|value| self.log_level = value),
            "time_scale" => number().map(|value| self.time_scale = u32::try_from(value).unwrap_or(1)),
            "jitter_seed" => number().map(|value| self.jitter_seed = Some(value)),
            _ => Err("nothing".to_owned()),
        };
        applied.map_err(|accepts| {
            // The key's value is a secret, also when it is not accepted.
            let shown = if key.name == "api_key" { "[not shown]" } else { text };
            Error::new(Kind::InvalidArgument, text::refused("configuration key", key.name, shown, &accepts))
        })
    }

    /// What can only be judged with all keys at hand.
    fn check(&self) -> Result<(), Error> {
        self.api_key()?;
        let origin = self.origin()?;
        if origin.is_plain() && !origin.is_loopback() && !self.allow_http {
            return Err(Error::configuration(
                "the base URL is plain http and its host is not this machine: the API key would cross the \
                 network unprotected; use https, or set allow_http to true",
            ));
        }
        let for_tests = [("time_scale", self.time_scale != 1), ("jitter_seed", self.jitter_seed.is_some())];
        if let Some((key, _)) = for_tests.iter().find(|(_, set)| *set && !origin.is_loopback()) {
            return Err(Error::configuration(format!(
                "{key} is for a sandbox on this machine only; it can't be used with a base URL that is not \
                 loopback"
            )));
        }
        if self.poll_first > self.poll_max {
            return Err(Error::configuration(format!(
                "poll_first_ms ({}) is above poll_max_ms ({})",
                self.poll_first.as_millis(),
                self.poll_max.as_millis()
            )));
        }
        Ok(())
    }

    /// The files of the client's certificate and its key: both, or neither.
    pub(crate) fn client_certificate(&self) -> Result<Option<(&Path, &Path)>, Error> {
        match (&self.client_cert_file, &self.client_key_file) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => Err(Error::configuration(
                "client_cert_file and client_key_file are set together, or not at all",
            )),
        }
    }

    pub(crate) fn origin(&self) -> Result<&Origin, Error> {
        self.origin.as_ref().ok_or_else(|| Error::new(Kind::Internal, "the default base URL can't be read"))
    }
}

/// A whole number that this key can have.
pub(super) fn number_for(text: &str, key: &Key) -> Result<u64, String> {
    match key.accepts {
        Accepts::Number(min, max) => text::integer(text, min..=max),
        _ => Err("nothing".to_owned()),
    }
}

fn pem_path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("the path of a file in PEM form".to_owned());
    }
    Ok(PathBuf::from(text))
}

fn app_name(text: &str) -> Result<String, String> {
    let sound = (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        && text.trim() == text;
    if sound { Ok(text.to_owned()) } else { Err("1 to 128 visible ASCII characters and inner spaces".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(pairs: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Settings, Error> {
        let mut config = Config::default();
        for (key, text) in pairs {
            config.set(key, text)?;
        }
        config.settle(|name| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn default_of_each_key_is_accepted() {
        let mut settings = Settings::blank();
        for key in &CONFIGURATION {
            if let Some(default) = key.default {
                settings.apply(key, default).unwrap();
            }
        }
        assert_eq!(settings.origin().unwrap().url("/").as_str(), "https://app.perceptis.ai/");
        assert!(settings.poll_first < settings.poll_max && settings.max_file_bytes == 512 << 20);
        assert!(settings.adopt_window == Duration::from_secs(24 * 3600) && !settings.allow_http);
    }

    #[test]
    fn words_of_the_table_are_those_of_the_parser() {
        let words = |name: &str| match CONFIGURATION.iter().chain(&keys::OPTIONS).find(|key| key.name == name)
        {
            Some(Key { accepts: Accepts::Words(words), .. }) => words.to_vec(),
            _ => panic!("{name} has no words"),
        };
        assert_eq!(words("log_level"), Level::NAMES.map(|(name, _)| name));
        assert_eq!(words("state"), crate::model::submission_state::State::NAMES.map(|(name, _)| name));
    }

    #[test]
    fn what_is_set_outranks_the_environment() {
        let environment = [("PERCEPTIS_API_KEY", "sk-env"), ("PERCEPTIS_POLL_MAX_MS", "7000")];
        let settings = settle(&[("api_key", "sk-set")], &environment).unwrap();
        assert_eq!(settings.api_key().unwrap().reveal(), "sk-set");
        assert_eq!(settings.poll_max, Duration::from_secs(7));
        assert!(!format!("{settings:?}").contains("sk-set"));
    }

    #[test]
    fn what_can_not_work_is_refused() {
        let key = ("api_key", "sk-1");
        for (pairs, says) in [
            (vec![], "PERCEPTIS_API_KEY"),
            (vec![("api_key", "sk secret")], "api_key"),
            (vec![key, ("api_base_url", "https://a/api")], "path"),
            (vec![key, ("api_base_url", "http://example.com")], "allow_http"),
            (vec![key, ("time_scale", "10")], "loopback"),
            (vec![key, ("jitter_seed", "10")], "loopback"),
            (vec![key, ("jitter_seed", "9223372036854775808")], "9223372036854775807"),
            (vec![key, ("jitter_seed", "-1")], "from 0"),
            (vec![key, ("time_scale", "10001")], "10000"),
            (vec![key, ("poll_max_ms", "999")], "1000"),
            (vec![key, ("poll_first_ms", "20000")], "poll_max_ms"),
            (vec![key, ("app_name", "a\r\nX: y")], "app_name"),
            (vec![("nonsense", "1")], "status_timeout_ms"),
        ] {
            let error = settle(&pairs, &[]).unwrap_err();
            assert!(error.message().contains(says), "{pairs:?}: {error}");
            assert!(!error.message().contains("secret"), "{error}");
        }
        let error = settle(&[key], &[("PERCEPTIS_TIME_SCALE", "x")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Configuration);
        assert!(error.message().contains("PERCEPTIS_TIME_SCALE"), "{error}");
    }
}
