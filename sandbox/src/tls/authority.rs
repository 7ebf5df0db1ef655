//! The certificate authority, and the certificates that it signs. Keys are kept in memory only.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::certificate::Certificate;

/// The longest validity that clients accept is 398 days (CA/Browser Forum). It begins a day ago: clocks
/// differ.
const VALID_DAYS: u64 = 397;
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The authority, and a TLS configuration for each certificate.
pub struct Authority {
    /// The authority's certificate, as PEM.
    pub pem: String,
    configs: Vec<(Certificate, Arc<ServerConfig>)>,
}

impl Authority {
    /// A new authority, and a certificate of each kind.
    pub fn new() -> Result<Authority, BoxError> {
        let today = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400;
        let now = (day(today.saturating_sub(1)), day(today + VALID_DAYS));
        let (past, future) = ((day(18_262), day(18_628)), (day(43_830), day(44_195)));
        let mut params = params("Perceptis sandbox CA", &[], now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let own = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);
        let client_verifier = client_verifier(own.der())?;
        let mut configs = Vec::new();
        for (certificate, hosts, valid) in [
            (Certificate::Sound, &LOCAL_NAMES[..], now),
            (Certificate::SelfSigned, &LOCAL_NAMES[..], now),
            (Certificate::Expired, &LOCAL_NAMES[..], past),
            (Certificate::NotYetValid, &LOCAL_NAMES[..], future),
            (Certificate::WrongHost, &["elsewhere.example"][..], now),
            (Certificate::Authority, &LOCAL_NAMES[..], now),
            (Certificate::ClientCertificate, &LOCAL_NAMES[..], now),
        ] {
            let params = self::params("Perceptis sandbox", hosts, valid)?;
            let config = config(certificate, params, &issuer, &client_verifier)?;
            configs.push((certificate, Arc::new(config)));
        }
        Ok(Authority { pem: own.pem(), configs })
    }

    /// The configuration of this certificate. `None`: connections get plain HTTP.
    pub fn config(&self, certificate: Certificate) -> Option<Arc<ServerConfig>> {
        self.configs.iter().find(|(known, _)| *known == certificate).map(|(_, config)| Arc::clone(config))
    }
}

/// The configuration of a server that shows a new certificate of this kind.
fn config(
    certificate: Certificate,
    mut params: CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
    client_verifier: &Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, BoxError> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if certificate == Certificate::Authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate()?;
    let signed = match certificate {
        Certificate::SelfSigned => params.self_signed(&key)?,
        _ => params.signed_by(&key, issuer)?,
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = match certificate {
        Certificate::ClientCertificate => builder.with_client_cert_verifier(Arc::clone(client_verifier)),
        _ => builder.with_no_client_auth(),
    };
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    Ok(builder.with_single_cert(vec![signed.der().clone()], key)?)
}

/// Asks clients for a certificate that this authority has signed.
fn client_verifier(authority: &CertificateDer<'_>) -> Result<Arc<dyn ClientCertVerifier>, BoxError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    let provider = Arc::new(ring::default_provider());
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

/// A day since 1970 as year, month and day.
fn day(days: u64) -> (i32, u8, u8) {
    let (year, month, day) = crate::clock::civil(days);
    (
        i32::try_from(year).unwrap_or(i32::MAX),
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

type Day = (i32, u8, u8);

fn params(name: &str, hosts: &[&str], (from, to): (Day, Day)) -> Result<CertificateParams, rcgen::Error> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(to.0, to.1, to.2);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
