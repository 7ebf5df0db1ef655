//! TLS, with a certificate authority of this sandbox's own, and the certificates that a client has to refuse.

mod certificates;
mod stream;

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio_rustls::rustls::ServerConfig;

use crate::temporary::Temporary;
use certificates::Certificates;
pub use stream::Stream;

/// What a connection is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// One that the sandbox's own authority has signed for this machine.
    #[default]
    Sound,
    /// One that no authority has signed.
    SelfSigned,
    /// One that has had its time.
    Expired,
    /// One whose time is still to come.
    NotYetValid,
    /// One of another host.
    WrongHost,
    /// One of an authority, which no server should show as its own.
    Authority,
    /// A sound one, to clients that show one as well.
    ClientCertificate,
    /// None: plain HTTP on a port of which TLS is expected.
    PlainHttp,
}

/// Name, what it is, and what is shown.
const TABLE: [(&str, &str, Certificate); 8] = [
    ("sound", "signed by the sandbox's authority for localhost, 127.0.0.1 and ::1", Certificate::Sound),
    ("self_signed", "signed by nobody else", Certificate::SelfSigned),
    ("expired", "signed by the authority, but its time was up in 2021", Certificate::Expired),
    ("not_yet_valid", "signed by the authority, for a time from 2090 on", Certificate::NotYetValid),
    ("wrong_host", "signed by the authority for elsewhere.example", Certificate::WrongHost),
    ("authority", "signed by the authority, as that of another authority", Certificate::Authority),
    (
        "client_certificate",
        "sound, and one that the authority has signed is asked of the client",
        Certificate::ClientCertificate,
    ),
    ("plain_http", "none: plain HTTP is answered where TLS is expected", Certificate::PlainHttp),
];

impl Certificate {
    /// The certificate of this name, or the names that there are.
    ///
    /// # Errors
    /// A sentence that lists the names.
    pub fn parse(name: &str) -> Result<Certificate, String> {
        let found = TABLE.iter().find(|(known, ..)| *known == name).map(|(.., certificate)| *certificate);
        let names = || TABLE.iter().map(|(known, ..)| *known).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("unknown certificate {name:?}; known are {}", names()))
    }

    /// As it is called.
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(.., certificate)| *certificate == self).map_or("", |(name, ..)| name)
    }
}

/// The table as people read it.
pub fn listing() -> String {
    let mut text = String::from(
        "\nWith --tls, what new connections are shown (--tls=NAME, or POST /_sandbox/tls {\"certificate\": NAME, \"times\": N}):\n",
    );
    for (name, about, _) in TABLE {
        let _ = writeln!(text, "{name:<36} {about}");
    }
    text
}

/// What is shown now.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    certificate: Certificate,
    /// To how many more connections; then it is the sound one again.
    times: Option<u64>,
    /// How often each of the table was shown.
    counts: [u64; TABLE.len()],
}

/// The TLS of a sandbox.
pub struct Tls {
    certificates: Certificates,
    directory: Temporary,
    shown: Mutex<Shown>,
}

impl Tls {
    /// A new authority, whose certificate is in a file that goes when this is dropped.
    ///
    /// # Errors
    /// When the system gives no random bytes or the file can't be written.
    pub fn new(certificate: Certificate) -> io::Result<Tls> {
        let certificates = Certificates::new().map_err(io::Error::other)?;
        let directory = Temporary::new()?;
        std::fs::write(directory.path().join("ca.pem"), &certificates.authority)?;
        let shown = Shown { certificate, ..Shown::default() };
        Ok(Tls { certificates, directory, shown: Mutex::new(shown) })
    }

    /// The authority's certificate, as PEM.
    pub fn ca_file(&self) -> std::path::PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// What a new connection is shown, counted; without a configuration it is spoken to in plain HTTP.
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
        (certificate, self.certificates.config(certificate))
    }

    /// Shows another from now on, so many times if that is said.
    pub fn show(&self, certificate: Certificate, times: Option<u64>) {
        let mut shown = self.lock();
        (shown.certificate, shown.times) = (certificate, times);
    }

    /// How it stands.
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
