//! The backend that sends.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{StatusCode, header};
use riposte_policy::grant::{Host, HttpGrant};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::connect::{Io, Stream, addresses, connect};
use super::limited::{Limited, Side, late};
use super::{Answer, Approved, Backend, Cause, Failed};
use crate::refusal::Refusal;

/// Most bytes of the status line and the headers of an answer, or of one line
/// of its chunks.
const ANSWER_HEADERS: usize = 64 << 10;

/// How long a connection outlives the request's time.
const GRACE: Duration = Duration::from_secs(1);

/// Finds the addresses of names.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of `name`.
    ///
    /// # Errors
    ///
    /// When it has none or the look-up failed.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of this system, with its `/etc/hosts`.
#[derive(Clone, Copy, Debug)]
pub struct System;

/// Each look-up keeps a thread until it ends, also when nobody waits for it any
/// more, and the engine needs threads for all else.
static LOOK_UPS: Semaphore = Semaphore::const_new(32);

#[async_trait]
impl Resolver for System {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let turn = LOOK_UPS.acquire().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
        });
        found.await.map_err(io::Error::other)?
    }
}

/// Sends requests itself: HTTP/1.1, one connection for each, no proxy, no
/// cookies, no redirects, and nothing of it from the environment.
pub struct Client {
    resolver: Box<dyn Resolver>,
    #[cfg(feature = "tls")]
    trust: super::tls::Trust,
}

impl Client {
    /// One that looks names up with `resolver`.
    #[must_use]
    pub fn new(resolver: impl Resolver + 'static) -> Self {
        Self {
            resolver: Box::new(resolver),
            #[cfg(feature = "tls")]
            trust: super::tls::Trust::default(),
        }
    }

    async fn exchange(&self, approved: Approved) -> Result<Answer, Failed> {
        let Approved { tls, host, port, grant, deadline, request } = approved;
        let addresses = addresses(self.resolver.as_ref(), &host, &grant).await?;
        let stream = connect(&addresses, &host, port, deadline).await?;
        let stream = if tls { self.protected(stream, &host, &grant).await? } else { Box::new(stream) };

        let mut hyper = hyper::client::conn::http1::Builder::new();
        hyper.max_buf_size(ANSWER_HEADERS);
        let (mut sender, connection) = hyper.handshake(Io(stream)).await.map_err(|e| broken(&host, &e))?;
        let mut connection = Box::pin(async move {
            // Whoever reads the answer is told what went wrong, also that it
            // is late: so this ends a little later.
            let _ = tokio::time::timeout_at(deadline + GRACE, connection).await;
        });
        let mut answer = std::pin::pin!(sender.send_request(request));
        let mut ended = false;
        let response = tokio::select! {
            biased;
            response = &mut answer => response,
            () = &mut connection => {
                ended = true;
                answer.await
            }
        };
        let response = response.map_err(|e| broken(&host, &e))?;
        let response = bounded(response, &host, &grant, deadline)?;
        let connection: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
            if ended { Box::pin(std::future::ready(())) } else { connection };
        Ok(Answer { response, connection })
    }

    #[cfg(feature = "tls")]
    async fn protected(
        &self,
        stream: tokio::net::TcpStream,
        host: &Host,
        grant: &HttpGrant,
    ) -> Result<Box<dyn Stream>, Failed> {
        self.trust.protect(stream, host, grant.ca.as_deref()).await
    }

    #[cfg(not(feature = "tls"))]
    async fn protected(
        &self,
        _: tokio::net::TcpStream,
        _: &Host,
        _: &HttpGrant,
    ) -> Result<Box<dyn Stream>, Failed> {
        let why = "this engine was built without TLS: https:// cannot be used";
        Err(Failed::new(Cause::Unsupported, Refusal::unsupported(why)))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for Client {
    async fn send(&self, approved: Approved) -> Result<Answer, Failed> {
        let deadline = approved.deadline;
        tokio::time::timeout_at(deadline, self.exchange(approved))
            .await
            .unwrap_or_else(|_elapsed| Err(late()))
    }
}

/// The answer, within the limits of the grant.
fn bounded(
    response: hyper::Response<Incoming>,
    host: &Host,
    grant: &HttpGrant,
    deadline: Instant,
) -> Result<hyper::Response<super::Body>, Failed> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let message = format!("{host} wants to speak another protocol than HTTP");
        return Err(Failed::new(Cause::Protocol, Refusal::failed(message)));
    }
    // Said beforehand or found while it is read: it ends at the same size.
    let announced = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<u64>().ok());
    let has_body = hyper::body::Body::size_hint(response.body()).upper() != Some(0);
    if has_body && announced.is_some_and(|announced| announced > grant.response) {
        return Err(Side::Response.too_large(grant.response));
    }
    let host = host.clone();
    Ok(response.map(|body| {
        let body = body.map_err(move |e| broken(&host, &e));
        Limited::new(body, Side::Response, grant.response, deadline, ()).boxed_unsync()
    }))
}

/// What hyper says, in which there is nothing of the request.
fn broken(host: &Host, error: &hyper::Error) -> Failed {
    // The request's own body ended the exchange: its limit, or its component.
    if let Some(own) = error.source().and_then(|source| source.downcast_ref::<Failed>()) {
        return own.clone();
    }
    Failed::new(Cause::Protocol, Refusal::unavailable(format!("the exchange with {host} broke off: {error}")))
}
