//! Whom a request trusts.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use riposte_policy::grant::HttpGrant;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::server::{Answers, Names, Server};
use super::{Cause, OK, ask, cause, grant, http, post};

/// An issuer of the test, whose certificate is in a file.
struct Issued {
    _folder: tempfile::TempDir,
    file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

fn issuer() -> Issued {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    #[expect(clippy::disallowed_methods, reason = "a file of the test")]
    std::fs::write(&file, certificate.pem()).unwrap();
    Issued { _folder: folder, file, issuer: Issuer::new(params, key) }
}

/// A server that says it is `name`, by this issuer or by itself.
async fn server(name: &str, issuer: Option<&Issued>) -> Server {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = match issuer {
        Some(issued) => params.signed_by(&key, &issued.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::over(Answers::Bytes(OK), move |stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move { acceptor.accept(stream).await.ok() })
    })
    .await
}

fn trusting(host: &str, server: &Server, ca: Option<&Issued>) -> HttpGrant {
    HttpGrant { tls: true, ca: ca.map(|issued| issued.file.clone()), ..grant(host, server.port) }
}

#[tokio::test]
async fn the_server_must_be_the_host_by_an_issuer_that_is_trusted() {
    let (known, other) = (issuer(), issuer());
    let right = server("hooks.example.com", Some(&known)).await;
    let wrong_name = server("evil.example.net", Some(&known)).await;
    let itself = server("hooks.example.com", None).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    for (server, ca, expected) in [
        (&right, Some(&known), None),
        (&right, Some(&other), Some(Cause::Certificate)),
        (&right, None, Some(Cause::Certificate)),
        (&wrong_name, Some(&known), Some(Cause::Certificate)),
        (&itself, Some(&known), Some(Cause::Certificate)),
        (&itself, None, Some(Cause::Certificate)),
    ] {
        let http = http(vec![trusting("hooks.example.com", server, ca)], &names);
        let url = format!("https://hooks.example.com:{}/secret", server.port);
        let outcome = ask(&http, post(&url, "{}")).await;
        assert_eq!(outcome.as_ref().err().map(|failed| failed.cause), expected, "{outcome:?}");
    }
    assert_eq!((right.requests().len(), wrong_name.requests().len(), itself.requests().len()), (1, 0, 0));
}

#[tokio::test]
async fn an_address_has_a_certificate_of_its_own() {
    let known = issuer();
    let named = server("hooks.example.com", Some(&known)).await;
    let numbered = server("127.0.0.1", Some(&known)).await;
    let names = Names::new(&[]);
    for (server, expected) in [(&named, Some(Cause::Certificate)), (&numbered, None)] {
        let http = http(vec![trusting("127.0.0.1", server, Some(&known))], &names);
        let outcome = ask(&http, post(&format!("https://127.0.0.1:{}/", server.port), "")).await;
        assert_eq!(outcome.as_ref().err().map(|failed| failed.cause), expected, "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_no_tls_and_what_is_no_certificate_fails() {
    let plain = Server::start(Answers::Bytes(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")).await;
    let known = issuer();
    let names = Names::new(&[&["127.0.0.1"]]);
    let url = format!("https://a.example:{}/", plain.port);
    let hasty =
        HttpGrant { time: std::time::Duration::from_secs(1), ..trusting("a.example", &plain, Some(&known)) };
    let outcome = ask(&http(vec![hasty.clone()], &names), post(&url, "")).await;
    assert!(matches!(cause(outcome), Cause::Tls | Cause::Time));
    let missing = HttpGrant { ca: Some("/nonexistent/ca.pem".into()), ..hasty.clone() };
    assert_eq!(cause(ask(&http(vec![missing], &names), post(&url, "")).await), Cause::Configuration);
    let none = HttpGrant { ca: Some("/dev/null".into()), ..hasty };
    assert_eq!(cause(ask(&http(vec![none], &names), post(&url, "")).await), Cause::Configuration);
}
