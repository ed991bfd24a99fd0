//! Whose word is taken for who a server is.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::SetupError;

/// Where systems keep the certificates that they trust.
const USUAL_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Trusts whom a file names, or whom the system trusts. `None` if nothing was chosen and the system
/// has nothing where systems usually have it.
pub(crate) fn connector(file: Option<&str>) -> Result<Option<TlsConnector>, SetupError> {
    let usual = || USUAL_FILES.into_iter().find(|file| Path::new(file).exists());
    let Some(file) = file.or_else(usual) else { return Ok(None) };
    let unreadable = |reason: String| SetupError::Certificates { file: file.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    // One that cannot be read does not make the others worthless.
    roots.add_parsable_certificates(certificates.flatten());
    if roots.is_empty() {
        return Err(unreadable("it has none".to_owned()));
    }
    let broken = |error: tokio_rustls::rustls::Error| SetupError::Tls { reason: error.to_string() };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(broken)?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(Some(TlsConnector::from(Arc::new(config))))
}
