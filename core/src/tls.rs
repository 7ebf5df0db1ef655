//! TLS: the system's certificates, loaded at the first handshake and not before.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

use crate::error::Error;

/// The largest CA file.
const MOST_CA_BYTES: u64 = 16 << 20;

/// The TLS settings of a client that trusts the system's certificates and these.
pub(crate) fn config(extra: Vec<CertificateDer<'static>>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = LazyVerifier::new(Arc::clone(&provider), extra);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::configuration(format!("TLS can't be set up: {error}")))?;
    // "Dangerous" since it is not rustls' own; it is the platform's, made late.
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// The certificates of a PEM file.
pub(crate) fn read_ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |what: String| {
        Error::configuration(format!(
            "ca_file {path:?} {what}; accepted is a file with certificates in PEM form"
        ))
    };
    let unreadable = |error: std::io::Error| wrong(format!("can't be read: {error}"));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MOST_CA_BYTES {
        return Err(wrong("is not a file of at most 16 MiB".into()));
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(format!("is not in PEM form: {error}")))?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| wrong(format!("has a bad certificate: {error}")))?;
    }
    if certificates.is_empty() { Err(wrong("has no certificate".into())) } else { Ok(certificates) }
}

/// The platform's verifier, built when it is first needed: reading all certificates takes milliseconds that
/// a client over plain HTTP, or one that is never used, should not pay.
///
/// On Linux the platform's certificates are a file of all of them and a directory with a file for each, three hundred as a
/// rule and the same ones. The directory is read only for a server that the file does not vouch for.
#[derive(Debug)]
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    /// None where there is no such file, or the program's environment names what to trust.
    bundle: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    loaded: OnceLock<Result<Verifier, TlsError>>,
}

impl LazyVerifier {
    fn new(provider: Arc<CryptoProvider>, extra: Vec<CertificateDer<'static>>) -> LazyVerifier {
        LazyVerifier { provider, extra, bundle: OnceLock::new(), loaded: OnceLock::new() }
    }

    fn bundle(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let load = || {
            if !cfg!(target_os = "linux") || openssl_probe::has_ssl_cert_env_vars() {
                return None;
            }
            let file = openssl_probe::probe().cert_file?;
            let mut roots = RootCertStore::empty();
            let system = rustls_native_certs::load_certs_from_paths(Some(&file), None).certs;
            roots.add_parsable_certificates(system.into_iter().chain(self.extra.iter().cloned()));
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .ok()
        };
        self.bundle.get_or_init(load).as_ref()
    }

    fn get(&self) -> Result<&Verifier, TlsError> {
        let load = || Verifier::new_with_extra_roots(self.extra.clone(), Arc::clone(&self.provider));
        self.loaded.get_or_init(load).as_ref().map_err(Clone::clone)
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if let Some(bundle) = self.bundle() {
            match bundle.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                Err(TlsError::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
                judged => return judged,
            }
        }
        self.get()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        // What is trusted does not matter to it.
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // Asked before there is a certificate to verify: the provider knows, nothing need be loaded.
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
