//! What a failed handshake means, in a sentence that says what to do.

use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error as TlsError, PeerIncompatible};

use crate::transport::failure::{FailureKind, Stage};

/// The longest name of a certificate that is quoted.
const MAX_NAME_CHARS: usize = 40;

/// A sentence of at most 150 characters, and what it means for the next attempt.
pub(crate) struct Told {
    pub(crate) sentence: String,
    pub(crate) came: FailureKind,
}

/// Judges what TLS says. `asked`: a host has asked for a certificate of this client. None: it is a failure
/// like any other of a connection. On one that was used a request may have been read, whatever an alert says.
pub(crate) fn tell(error: &TlsError, stage: Stage, asked: bool) -> Option<Told> {
    let told = |came, sentence: &str| Some(Told { sentence: sentence.to_owned(), came });
    match error {
        _ if stage == Stage::Used => None,
        TlsError::InvalidCertificate(error) => {
            Some(Told { sentence: untrusted(error), came: FailureKind::Untrusted })
        }
        TlsError::General(what) if what == super::NO_CERTIFICATES => told(
            FailureKind::Untrusted,
            "no trusted certificates are on this machine: install ca-certificates, or set ca_file",
        ),
        // With TLS 1.3 it comes when the handshake is done here, and nothing is read of a request before
        // that.
        TlsError::AlertReceived(alert) if asked && is_about_certificates(*alert) => told(
            FailureKind::Barred,
            "the host asks for a client's certificate: set client_cert_file and client_key_file to one it \
             takes",
        ),
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => told(
            FailureKind::Barred,
            "the host asks for a client's certificate: set client_cert_file and client_key_file",
        ),
        _ if stage == Stage::FirstRequest => None,
        TlsError::AlertReceived(AlertDescription::ProtocolVersion)
        | TlsError::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => told(
            FailureKind::Untrusted,
            "the host was reached, but it speaks neither TLS 1.2 nor TLS 1.3: have it updated",
        ),
        TlsError::AlertReceived(alert) => Some(Told {
            sentence: format!(
                "the host was reached and refused the handshake (alert {alert:?}): it needs a key of RSA, \
                 Ed25519, P-256 or P-384"
            ),
            came: if passes(*alert) { FailureKind::NotSent } else { FailureKind::Untrusted },
        }),
        TlsError::InvalidMessage(_) => told(
            FailureKind::Untrusted,
            "the host was reached, but what it answers is not TLS: check the port, and whether it is https",
        ),
        _ => None,
    }
}

/// Whether a refusal may be gone in a second.
fn passes(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::InternalError | AlertDescription::UserCanceled | AlertDescription::CloseNotify
    )
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::HandshakeFailure
    )
}

fn untrusted(error: &CertificateError) -> String {
    let text = match error {
        CertificateError::UnknownIssuer => {
            "the host's certificate is not trusted here: put the certificate of its authority into ca_file"
        }
        CertificateError::ExpiredContext { time, not_after } => {
            return format!(
                "the host's certificate expired on {}; the clock here says {}: set the clock, or renew it",
                day(*not_after),
                minute(*time)
            );
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            return format!(
                "the host's certificate is valid from {} on; the clock here says {}: set the clock, or wait",
                minute(*not_before),
                minute(*time)
            );
        }
        CertificateError::NotValidForNameContext { presented, .. } => return wrong_name(presented),
        CertificateError::Other(other)
            if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            "the host shows an authority's certificate (CA:TRUE) as its own: have it show one signed by this"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the host's certificate has a signature that is not read here: use RSA, Ed25519, P-256 or P-384, \
             with SHA-256 or SHA-384"
        }
        CertificateError::Revoked => "the host's certificate is revoked: have it replaced",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the host's certificate is not one for servers (extended key usage): have it replaced"
        }
        other => return format!("the host's certificate can't be used ({}): have it replaced", named(other)),
    };
    text.to_owned()
}

fn wrong_name(presented: &[String]) -> String {
    // As rustls has it: DnsName("a.example").
    let first = presented.first().map_or("no name", |name| name.split('"').nth(1).unwrap_or(name));
    let shown: String = first.chars().filter(|c| c.is_ascii_graphic()).take(MAX_NAME_CHARS).collect();
    let more = if presented.len() > 1 { " and others" } else { "" };
    format!(
        "the host's certificate is for {shown}{more} and not for this host: use its name, or have it replaced"
    )
}

/// What a certificate's fault is called, without its details.
fn named(error: &CertificateError) -> String {
    let text = format!("{error:?}");
    text.chars().take_while(|c| c.is_ascii_alphanumeric()).collect()
}

/// "30 Nov 2026".
fn day(time: UnixTime) -> String {
    minute(time).chars().take(11).collect()
}

/// "30 Nov 2026 10:00".
fn minute(time: UnixTime) -> String {
    // "Mon, 30 Nov 2026 10:00:00 GMT"; what is later than the year 9999 has no such form.
    let seconds = time.as_secs().min(253_402_300_799);
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    text.chars().skip(5).take(17).collect()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn sentences_are_short_and_name_what_to_do() {
        let (time, not_after) = (
            UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)),
            UnixTime::since_unix_epoch(Duration::MAX),
        );
        let expected = ServerName::try_from("a.example").unwrap();
        let presented = vec![format!("DnsName(\"{}\")", "a\r\n".repeat(200)); 3];
        for error in [
            TlsError::InvalidCertificate(CertificateError::UnknownIssuer),
            TlsError::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }),
            TlsError::InvalidCertificate(CertificateError::NotValidYetContext {
                time,
                not_before: not_after,
            }),
            TlsError::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }),
            TlsError::InvalidCertificate(CertificateError::BadEncoding),
            TlsError::InvalidCertificate(CertificateError::InvalidPurpose),
            TlsError::AlertReceived(AlertDescription::HandshakeFailure),
            TlsError::AlertReceived(AlertDescription::CertificateRequired),
        ] {
            for asked in [false, true] {
                assert!(tell(&error, Stage::Used, asked).is_none(), "{error}");
                let told = tell(&error, Stage::Connecting, asked).unwrap();
                assert!(told.sentence.len() <= 150, "{}: {}", told.sentence.len(), told.sentence);
                assert!(told.sentence.contains(": ") && !told.sentence.contains('\n'), "{}", told.sentence);
            }
        }
    }
}
