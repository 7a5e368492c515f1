//! The backend that speaks SMTP (RFC 5321), by way of lettre.

use std::time::Duration;

use async_trait::async_trait;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::{AsyncSmtpTransport, AsyncSmtpTransportBuilder};
use lettre::{AsyncTransport, Tokio1Executor};
use riposte_policy::diagnostic::shown;
use riposte_policy::grant::{MailGrant, MailSecurity};

use super::{Backend, Letter};
use crate::refusal::Refusal;

/// Speaks SMTP with the server of the grant, once for each message.
#[derive(Clone, Copy, Debug)]
pub struct Smtp {
    /// How long one message may take in all. Default 8 s: within the wall time
    /// of a response, so that the server is named and not the limit.
    pub time: Duration,
}

impl Default for Smtp {
    fn default() -> Self {
        Self { time: Duration::from_secs(8) }
    }
}

#[async_trait]
impl Backend for Smtp {
    async fn send(&self, letter: Letter) -> Result<(), Refusal> {
        let message = message(&letter)?;
        let Letter { grant, password, .. } = letter;
        let server = format!("{}, port {}", grant.server, grant.port);
        let login = grant
            .login
            .as_ref()
            .zip(password)
            .map(|((user, _), password)| Credentials::new(user.clone(), password.reveal().to_owned()));
        let exchange = async {
            let mut smtp = protected(&grant).await?.port(grant.port).timeout(Some(self.time));
            if let Some(login) = login {
                smtp = smtp.credentials(login);
            }
            let smtp: AsyncSmtpTransport<Tokio1Executor> = smtp.build();
            smtp.send(message).await.map(drop).map_err(|error| refused(&server, &error))
        };
        let late = || Refusal::timeout(format!("the mail server {server} did not answer in time"));
        tokio::time::timeout(self.time, exchange).await.unwrap_or_else(|_elapsed| Err(late()))
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

fn message(letter: &Letter) -> Result<Message, Refusal> {
    let mut message = Message::builder()
        .from(mailbox("from", &letter.grant.from)?)
        .subject(letter.subject.clone())
        .date_now()
        .header(Automatic)
        .header(ContentType::TEXT_PLAIN);
    if letter.grant.to.is_empty() {
        return Err(Refusal::failed("<mail to=\"\"> names no recipient"));
    }
    for to in &letter.grant.to {
        message = message.to(mailbox("to", to)?);
    }
    message.body(letter.text.clone()).map_err(|e| Refusal::failed(format!("the mail cannot be built: {e}")))
}

fn mailbox(attribute: &str, address: &str) -> Result<Mailbox, Refusal> {
    address.parse().map_err(|e| {
        Refusal::failed(format!("<mail {attribute}=...>: {} is no mail address: {e}", shown(address)))
    })
}

/// How the grant wants the connection protected.
async fn protected(grant: &MailGrant) -> Result<AsyncSmtpTransportBuilder, Refusal> {
    let plain = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(grant.server.as_str());
    match grant.security {
        MailSecurity::None => Ok(plain),
        security => with_tls(plain, grant, security).await,
    }
}

#[cfg(feature = "tls")]
async fn with_tls(
    plain: AsyncSmtpTransportBuilder,
    grant: &MailGrant,
    security: MailSecurity,
) -> Result<AsyncSmtpTransportBuilder, Refusal> {
    use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};

    let (server, ca) = (grant.server.clone(), grant.ca.clone());
    // Certificates are files: they are read where blocking is no harm.
    let read = tokio::task::spawn_blocking(move || {
        let wrong = |why: String| Refusal::failed(format!("TLS cannot be used for mail: {why}"));
        let mut parameters = TlsParameters::builder(server);
        if let Some(file) = ca {
            #[expect(
                clippy::disallowed_methods,
                reason = "this module owns the certificates that a grant names"
            )]
            let pem = std::fs::read(&file).map_err(|e| wrong(format!("{}: {e}", file.display())))?;
            let issuers =
                Certificate::from_pem(&pem).map_err(|e| wrong(format!("{}: {e}", file.display())))?;
            parameters = parameters.certificate_store(CertificateStore::None).add_root_certificate(issuers);
        }
        parameters.build_rustls().map_err(|e| wrong(e.to_string()))
    });
    let parameters =
        read.await.map_err(|e| Refusal::failed(format!("certificates were not read: {e}")))??;
    Ok(plain.tls(match security {
        MailSecurity::None => Tls::None,
        MailSecurity::StartTls => Tls::Required(parameters),
        MailSecurity::Tls => Tls::Wrapper(parameters),
    }))
}

#[cfg(not(feature = "tls"))]
async fn with_tls(
    _: AsyncSmtpTransportBuilder,
    _: &MailGrant,
    _: MailSecurity,
) -> Result<AsyncSmtpTransportBuilder, Refusal> {
    Err(Refusal::unsupported("this engine was built without TLS: only <mail security=\"none\"> can be used"))
}

/// Programs that answer mail by themselves leave this one alone (RFC 3834).
#[derive(Clone)]
struct Automatic;

impl Header for Automatic {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn refused(server: &str, error: &lettre::transport::smtp::Error) -> Refusal {
    let message = format!("the mail server {server} did not take it: {}", words(error));
    if error.is_timeout() {
        Refusal::timeout(message)
    } else if error.is_permanent() || error.is_client() {
        Refusal::failed(message)
    } else {
        Refusal::unavailable(message)
    }
}

/// The server's own words, as data.
fn words(error: &lettre::transport::smtp::Error) -> String {
    let words = super::call::one_line(&error.to_string());
    words.chars().take(256).collect()
}
