//! TLS: the system's certificates, loaded at the first handshake and not before.

mod identity;
mod words;

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};

use crate::config::trust::Trust;
use crate::error::Error;
pub(crate) use identity::Identity;
pub(crate) use words::tell;

/// What a client says that has nothing to judge a server by.
const NO_CERTIFICATES: &str = "there is no trusted certificate on this machine";

/// What TLS stands on.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The TLS settings of a client that trusts the system's certificates and these, and shows this one where it
/// is asked.
pub(crate) fn config(
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    trust: Trust,
    identity: Arc<Identity>,
) -> Result<ClientConfig, Error> {
    let verifier = LazyVerifier::new(Arc::clone(&provider), extra, trust);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::configuration(format!("TLS can't be set up: {error}")))?;
    // "Dangerous" since it is not rustls' own; it is, made late.
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_client_cert_resolver(identity))
}

/// Judges certificates by the trusted ones, which are read when they are first needed: reading them takes
/// milliseconds that a client over plain HTTP, or one that is never used, should not pay.
///
/// On Linux the system's certificates are a file of all of them and a directory with a file for each. The
/// directory is read only for a server that the file does not vouch for.
#[derive(Debug)]
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    trust: Trust,
    bundle: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    all: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl LazyVerifier {
    fn new(provider: Arc<CryptoProvider>, extra: Vec<CertificateDer<'static>>, trust: Trust) -> LazyVerifier {
        LazyVerifier { provider, extra, trust, bundle: OnceLock::new(), all: OnceLock::new() }
    }

    fn bundle(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        self.bundle.get_or_init(|| self.verifier(self.trust.bundle()?)).as_ref()
    }

    fn all(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        self.all.get_or_init(|| self.verifier(self.trust.all())).as_ref()
    }

    /// None where there is no certificate to judge by.
    fn verifier(&self, certificates: Vec<CertificateDer<'static>>) -> Option<Arc<WebPkiServerVerifier>> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.into_iter().chain(self.extra.iter().cloned()));
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()
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
        let all = self.all().ok_or_else(|| TlsError::General(NO_CERTIFICATES.to_owned()))?;
        all.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
