//! TLS, with an own certificate authority, and with certificates that a client has to refuse.

mod authority;
mod certificate;
mod stream;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio_rustls::rustls::ServerConfig;

use crate::temporary::Temporary;
use authority::Authority;
use certificate::TABLE;
pub use certificate::{Certificate, listing};
pub use stream::Stream;

/// The certificate that new connections are shown now.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    certificate: Certificate,
    /// The number of connections after which it is the sound one again.
    times: Option<u64>,
    /// How often each certificate was shown.
    counts: [u64; TABLE.len()],
}

/// The TLS of a sandbox.
pub struct Tls {
    authority: Authority,
    directory: Temporary,
    shown: Mutex<Shown>,
}

impl Tls {
    /// A new authority. The file with its certificate is removed when this is dropped.
    ///
    /// # Errors
    /// When the system gives no random bytes or the file can't be written.
    pub fn new(certificate: Certificate) -> io::Result<Tls> {
        let authority = Authority::new().map_err(io::Error::other)?;
        let directory = Temporary::new()?;
        std::fs::write(directory.path().join("ca.pem"), &authority.pem)?;
        let shown = Shown { certificate, ..Shown::default() };
        Ok(Tls { authority, directory, shown: Mutex::new(shown) })
    }

    /// The file with the authority's certificate, as PEM.
    pub fn ca_file(&self) -> std::path::PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The certificate for a new connection, which is counted. Without a configuration the connection gets
    /// plain HTTP.
    pub fn next(&self) -> (Certificate, Option<Arc<ServerConfig>>) {
        let mut shown = self.lock();
        let certificate = shown.certificate;
        if let Some(at) = TABLE.iter().position(|(.., known)| *known == certificate) {
            shown.counts[at] += 1;
        }
        if let Some(times) = &mut shown.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                (shown.times, shown.certificate) = (None, Certificate::Sound);
            }
        }
        drop(shown);
        (certificate, self.authority.config(certificate))
    }

    /// Shows another certificate from now on, `times` times if that is given.
    pub fn show(&self, certificate: Certificate, times: Option<u64>) {
        let mut shown = self.lock();
        (shown.certificate, shown.times) = (certificate, times);
    }

    /// The state as JSON.
    pub fn describe(&self) -> Value {
        let shown = *self.lock();
        let counts: serde_json::Map<String, Value> = TABLE
            .iter()
            .zip(shown.counts)
            .map(|((name, ..), count)| ((*name).to_owned(), count.into()))
            .collect();
        json!({
            "certificate": shown.certificate.name(), "times": shown.times, "shown": counts,
            "ca_file": self.ca_file().display().to_string(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
