//! Whose certificates are trusted: those of the system, or those that the environment names, and those of
//! `ca_file`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::Error;

/// The largest PEM file.
const MAX_PEM_BYTES: u64 = 16 << 20;

/// Where the trusted certificates are. Found out while a client is made, read at the first handshake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    /// A file of them all.
    file: Option<PathBuf>,
    /// Directories with a file for each.
    directories: Vec<PathBuf>,
    /// Whether SSL_CERT_FILE or SSL_CERT_DIR names them: then nothing else of the system's is trusted.
    is_named: bool,
}

impl Trust {
    /// What the environment names, else what the system has. An empty variable counts as not set.
    pub(crate) fn read(environment: impl Fn(&str) -> Option<OsString>) -> Trust {
        let set = |name| environment(name).filter(|value| !value.is_empty());
        let (file, directories) = (set("SSL_CERT_FILE"), set("SSL_CERT_DIR"));
        if file.is_none() && directories.is_none() {
            // It looks at these variables again, which does no harm here.
            let found = openssl_probe::probe();
            return Trust { file: found.cert_file, directories: found.cert_dir, is_named: false };
        }
        let directories = directories.iter().flat_map(std::env::split_paths).collect();
        Trust { file: file.map(PathBuf::from), directories, is_named: true }
    }

    /// The certificates of the one file, which suffice as a rule: on Linux the directory has the same ones,
    /// three hundred files. None where there is no such file, or the environment names what to trust.
    pub(crate) fn bundle(&self) -> Option<Vec<CertificateDer<'static>>> {
        let file = self.file.as_deref().filter(|_| !self.is_named)?;
        Some(rustls_native_certs::load_certs_from_paths(Some(file), None).certs)
    }

    /// The certificates of everything.
    pub(crate) fn all(&self) -> Vec<CertificateDer<'static>> {
        let mut certificates = rustls_native_certs::load_certs_from_paths(self.file.as_deref(), None).certs;
        for directory in &self.directories {
            certificates.extend(rustls_native_certs::load_certs_from_paths(None, Some(directory)).certs);
        }
        certificates
    }
}

/// The certificates of a PEM file.
pub(crate) fn read_ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |what: String| {
        Error::configuration(format!(
            "ca_file {path:?} {what}; accepted is a file with certificates in PEM form"
        ))
    };
    let text = read_pem("ca_file", path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(format!("can't be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| wrong(format!("has a bad certificate: {error}")))?;
    }
    if certificates.is_empty() { Err(wrong("has no certificate".into())) } else { Ok(certificates) }
}

/// A PEM file with lines that end as PEM's do: editors and variables leave a byte order mark, carriage
/// returns, or a backslash and an n in their place.
pub(crate) fn read_pem(key: &str, path: &Path) -> Result<Vec<u8>, Error> {
    let wrong =
        |what: String| Error::configuration(format!("{key} {path:?} {what}; accepted is a file in PEM form"));
    let unreadable = |error: std::io::Error| wrong(format!("can't be read: {error}"));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_PEM_BYTES {
        return Err(wrong("is not a file of at most 16 MiB".into()));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&bytes);
    let text =
        text.trim_start_matches('\u{feff}').replace("\\r", "\n").replace("\\n", "\n").replace('\r', "\n");
    Ok(text.into_bytes())
}
