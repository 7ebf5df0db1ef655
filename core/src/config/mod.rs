//! Configuration: string keys, checked when they are set, completed from the environment once.

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

use crate::common::text::{self, WEEK_MS};
use crate::config::ledger_location::Location;
use crate::config::log_level::Level;
use crate::config::proxies::Proxies;
use crate::config::trust::Trust;
use crate::error::{Error, Kind};
use crate::model::api_key::{self, ApiKey};
use crate::model::origin::Origin;

const PRODUCTION: &str = "https://app.perceptis.ai";

const KEYS: [&str; 21] = [
    "api_key",
    "api_base_url",
    "app_name",
    "ca_file",
    "client_cert_file",
    "client_key_file",
    "allow_http",
    "connect_timeout_ms",
    "submit_timeout_ms",
    "status_timeout_ms",
    "download_idle_timeout_ms",
    "poll_first_ms",
    "poll_max_ms",
    "resubmit_window_ms",
    "adopt_window_ms",
    "max_concurrent_submissions",
    "max_file_bytes",
    "log_level",
    "ledger",
    "time_scale",
    "jitter_seed",
];

/// Above this many submissions at once each would need a connection of its own for long.
const MAX_SUBMISSIONS: u64 = 64;
/// What `max_file_bytes` can be: 4 GiB.
const MAX_FILE_BYTES: u64 = 4 << 30;
/// The largest `jitter_seed`: what fits a signed integer of every language.
const MAX_JITTER_SEED: u64 = (1 << 63) - 1;

/// A year, in milliseconds: longer, an equal call is another purchase for sure.
const MAX_ADOPT_WINDOW_MS: u64 = 365 * 24 * 3_600_000;

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
        let Some(known) = KEYS.into_iter().find(|known| *known == key) else {
            return Err(Error::invalid(text::unknown("configuration key", key, &KEYS)));
        };
        Settings::default().apply(known, text)?;
        self.0.insert(known, text.to_owned());
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
        for key in KEYS {
            if let Some(text) = self.0.get(key) {
                settings.apply(key, text)?;
                continue;
            }
            let variable = format!("PERCEPTIS_{}", key.to_ascii_uppercase());
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
    fn default() -> Settings {
        Settings {
            api_key: None,
            origin: Origin::parse(PRODUCTION).ok(),
            app_name: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            allow_http: false,
            connect_timeout: Duration::from_millis(5_000),
            submit_timeout: Duration::from_millis(60_000),
            status_timeout: Duration::from_millis(15_000),
            download_idle_timeout: Duration::from_millis(30_000),
            poll_first: Duration::from_millis(2_000),
            poll_max: Duration::from_millis(10_000),
            resubmit_window: Duration::from_secs(3_600),
            adopt_window: Duration::from_secs(24 * 3_600),
            max_concurrent_submissions: 8,
            max_file_bytes: 512 << 20,
            log_level: Level::Info,
            ledger: Location::Nowhere,
            time_scale: 1,
            jitter_seed: None,
            proxies: Arc::default(),
            trust: Trust::default(),
        }
    }
}

impl Settings {
    pub(crate) fn api_key(&self) -> Result<&ApiKey, Error> {
        self.api_key.as_ref().ok_or_else(|| {
            Error::configuration(
                "no API key: set the environment variable PERCEPTIS_API_KEY or the configuration key api_key",
            )
        })
    }

    fn apply(&mut self, key: &'static str, text: &str) -> Result<(), Error> {
        // Nothing below a second: the service's ceiling is one poll a second for a job.
        let pace = || text::integer(text, 1_000..=3_600_000).map(Duration::from_millis);
        let timeout = || text::integer(text, 1..=WEEK_MS).map(Duration::from_millis);
        let applied = match key {
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
            "connect_timeout_ms" => timeout().map(|value| self.connect_timeout = value),
            "submit_timeout_ms" => timeout().map(|value| self.submit_timeout = value),
            "status_timeout_ms" => timeout().map(|value| self.status_timeout = value),
            "download_idle_timeout_ms" => timeout().map(|value| self.download_idle_timeout = value),
            "poll_first_ms" => pace().map(|value| self.poll_first = value),
            "poll_max_ms" => pace().map(|value| self.poll_max = value),
            "resubmit_window_ms" => {
                // Short enough that no service forgets a key in it, or none at all.
                text::integer(text, 0..=WEEK_MS)
                    .map(|value| self.resubmit_window = Duration::from_millis(value))
            }
            "adopt_window_ms" => text::integer(text, 0..=MAX_ADOPT_WINDOW_MS)
                .map(|value| self.adopt_window = Duration::from_millis(value)),
            "max_concurrent_submissions" => text::integer(text, 1..=MAX_SUBMISSIONS)
                .map(|value| self.max_concurrent_submissions = usize::try_from(value).unwrap_or(1)),
            "max_file_bytes" => {
                text::integer(text, 1..=MAX_FILE_BYTES).map(|value| self.max_file_bytes = value)
            }
            "ledger" => Location::parse(text).map(|value| self.ledger = value),
            "log_level" => match Level::NAMES.iter().find(|(name, _)| *name == text) {
                Some((_, level)) => {
                    self.log_level = *level;
                    Ok(())
                }
                None => Err(Level::NAMES.map(|(name, _)| name).join(", ")),
            },
            "time_scale" => text::integer(text, 1..=10_000)
                .map(|value| self.time_scale = u32::try_from(value).unwrap_or(1)),
            "jitter_seed" => {
                text::integer(text, 0..=MAX_JITTER_SEED).map(|value| self.jitter_seed = Some(value))
            }
            _ => Err("nothing".to_owned()),
        };
        applied.map_err(|accepts| {
            // The key's value is a secret, also when it is not accepted.
            let shown = if key == "api_key" { "[not shown]" } else { text };
            Error::new(Kind::InvalidArgument, text::refused("configuration key", key, shown, &accepts))
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
                "{key} is for a sandbox on this machine only; it can't be used with a base URL that is not loopback"
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
