//! The certificate that a client shows where a host asks for one, as gateways of companies do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::trust::read_pem;
use crate::error::Error;

/// A certificate with its key, or none, and whether a host has asked for it.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    /// `Configuration`, naming the file that can't be used. What is in it is not shown.
    pub(crate) fn read(files: Option<(&Path, &Path)>, provider: &CryptoProvider) -> Result<Identity, Error> {
        let Some((certificate, key)) = files else { return Ok(Identity::default()) };
        let wrong =
            |name: &str, path: &Path, what: &str| Error::configuration(format!("{name} {path:?} {what}"));
        let text = read_pem("client_cert_file", certificate)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
            wrong(
                "client_cert_file",
                certificate,
                "has no certificate; accepted is a file with it in PEM form",
            )
        })?;
        let text = read_pem("client_key_file", key)?;
        let unfit = "has no private key; accepted is a file with one in PEM form that is not encrypted";
        let der = PrivateKeyDer::from_pem_slice(&text).map_err(|_| wrong("client_key_file", key, unfit))?;
        let certified = CertifiedKey::from_der(chain, der, provider).map_err(|error| {
            wrong("client_key_file", key, &format!("does not go with client_cert_file: {error}"))
        })?;
        Ok(Identity { key: Some(Arc::new(certified)), asked: AtomicBool::new(false) })
    }

    /// Whether a host has asked for a certificate.
    pub(crate) fn was_asked_for(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}
