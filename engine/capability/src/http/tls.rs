//! TLS: whom to trust.

use std::path::Path;
use std::sync::Arc;

use riposte_policy::grant::Host;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::connect::Stream;
use super::{Cause, Failed};
use crate::refusal::Refusal;

/// Who vouches for servers. The certificates of the system are read once, when
/// they are first needed; those of a grant each time.
#[derive(Debug, Default)]
pub(super) struct Trust {
    system: OnceCell<Arc<ClientConfig>>,
}

impl Trust {
    /// Puts TLS over `stream`. The server must be `host`, by a certificate that
    /// the file `ca` vouches for, or the system when there is none.
    pub(super) async fn protect(
        &self,
        stream: TcpStream,
        host: &Host,
        ca: Option<&Path>,
    ) -> Result<Box<dyn Stream>, Failed> {
        let config = match ca {
            Some(file) => Arc::new(
                blocking({
                    let file = file.to_owned();
                    move || from_file(&file)
                })
                .await?,
            ),
            None => Arc::clone(
                self.system.get_or_try_init(async || blocking(of_system).await.map(Arc::new)).await?,
            ),
        };
        let name = match host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => ServerName::try_from(name.clone())
                .map_err(|_| unusable(format!("{host} is no name that a certificate can hold")))?,
        };
        let connected = TlsConnector::from(config).connect(name, stream).await;
        Ok(Box::new(connected.map_err(|e| refused(host, &e))?))
    }
}

async fn blocking(
    read: impl FnOnce() -> Result<ClientConfig, Failed> + Send + 'static,
) -> Result<ClientConfig, Failed> {
    let fault = |e: tokio::task::JoinError| unusable(format!("certificates were not read: {e}"));
    tokio::task::spawn_blocking(read).await.map_err(fault)?
}

fn of_system() -> Result<ClientConfig, Failed> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(unusable(
            "this system has no certificates to trust: install the package ca-certificates, or name a file in <http ca=\"...\"/>",
        ));
    }
    config(roots)
}

fn from_file(file: &Path) -> Result<ClientConfig, Failed> {
    let wrong = |why: &dyn std::fmt::Display| {
        unusable(format!("the certificates in {} (<http ca=\"...\"/>) cannot be used: {why}", file.display()))
    };
    #[expect(clippy::disallowed_methods, reason = "this module owns the certificates that a grant names")]
    let pem = std::fs::read(file).map_err(|e| wrong(&e))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
    }
    if roots.is_empty() { Err(wrong(&"there is none in PEM form")) } else { config(roots) }
}

fn config(roots: RootCertStore) -> Result<ClientConfig, Failed> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(format!("TLS cannot be used: {e}")))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn unusable(message: impl Into<String>) -> Failed {
    Failed::new(Cause::Configuration, Refusal::failed(message))
}

fn refused(host: &Host, error: &std::io::Error) -> Failed {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => {
            let message = format!(
                "{host} has no valid certificate: {why:?}; for a certificate of your own, name its issuer's file in <http ca=\"...\"/>"
            );
            Failed::new(Cause::Certificate, Refusal::failed(message))
        }
        Some(why) => Failed::new(Cause::Tls, Refusal::unavailable(format!("no TLS with {host}: {why}"))),
        None => Failed::new(Cause::Tls, Refusal::unavailable(format!("no TLS with {host}: {error}"))),
    }
}
