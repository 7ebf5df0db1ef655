//! The certificates that a connection can be shown, by name.

use std::fmt::Write as _;

/// The certificate that a connection is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// One that the sandbox's authority has signed for this machine.
    #[default]
    Sound,
    /// One that no authority has signed.
    SelfSigned,
    /// One that has expired.
    Expired,
    /// One that becomes valid in the future.
    NotYetValid,
    /// One for another host.
    WrongHost,
    /// One of a certificate authority, which no server should show as its own.
    Authority,
    /// The sound one, but the client has to show a certificate, too.
    ClientCertificate,
    /// None: plain HTTP on a port where clients expect TLS.
    PlainHttp,
}

/// The name of each, a line that describes it, and the certificate.
pub const TABLE: [(&str, &str, Certificate); 8] = [
    ("sound", "signed by the sandbox's authority for localhost, 127.0.0.1 and ::1", Certificate::Sound),
    ("self_signed", "signed with its own key", Certificate::SelfSigned),
    ("expired", "signed by the authority, but expired in 2021", Certificate::Expired),
    ("not_yet_valid", "signed by the authority, but valid only from 2090 on", Certificate::NotYetValid),
    ("wrong_host", "signed by the authority, but for elsewhere.example", Certificate::WrongHost),
    (
        "authority",
        "signed by the authority, but as the certificate of another authority",
        Certificate::Authority,
    ),
    (
        "client_certificate",
        "sound, but the client has to show one that the authority has signed",
        Certificate::ClientCertificate,
    ),
    ("plain_http", "none: the port speaks plain HTTP", Certificate::PlainHttp),
];

impl Certificate {
    /// The certificate of this name.
    ///
    /// # Errors
    /// When there is none. The error lists the names.
    pub fn parse(name: &str) -> Result<Certificate, String> {
        let found = TABLE.iter().find(|(known, ..)| *known == name).map(|(.., certificate)| *certificate);
        let names = || TABLE.iter().map(|(known, ..)| *known).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("unknown certificate {name:?}; the known ones are {}", names()))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(.., certificate)| *certificate == self).map_or("", |(name, ..)| name)
    }
}

/// All certificates, for people.
pub fn listing() -> String {
    let mut text = String::from(
        "\nWith --tls, the certificate that new connections are shown (--tls=NAME, or POST /_sandbox/tls\n\
         {\"certificate\": NAME, \"times\": N}):\n",
    );
    for (name, about, _) in TABLE {
        let _ = writeln!(text, "{name:<36} {about}");
    }
    text
}
