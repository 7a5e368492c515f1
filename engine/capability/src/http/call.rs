//! The decision about each request of one run.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body as HttpBody, Bytes};
use hyper::header::HeaderValue;
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{HeaderMap, Method, Request, Response, Uri, header};
use riposte_policy::config::Mode;
use riposte_policy::grant::{Host, HostPattern, HttpGrant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::limited::{Limited, Side, late};
use super::{Answer, Approved, Backend, Body, Cause, Failed, INTERFACE};
use crate::claim::Effect;
use crate::refusal::Refusal;
use crate::rehearsal::Rehearsal;
use crate::session::{Session, WouldBe};
use crate::witness::{self, Witness};

/// Most requests of one run at a time.
pub const CONCURRENT: usize = 4;
/// Most requests of one run in all.
pub const REQUESTS: u32 = 64;
/// Most bytes of the names and values of a request's headers.
pub const HEADERS: usize = 32 << 10;
/// Most bytes of a URL.
pub const URL: usize = 8 << 10;

/// What frames a request or speaks to the next hop: the engine's alone. Besides
/// what RFC 9110 section 7.6.1 names, `Host`, which must be that of the grant.
const FRAMING: [&str; 12] = [
    "connection",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The requests of one run. Made by [`crate::Capabilities::http`]; clones are
/// the same run.
#[derive(Clone)]
pub struct Http {
    session: Session,
    backend: Arc<dyn Backend>,
    witness: Arc<dyn Witness>,
    turns: Arc<Semaphore>,
    sent: Arc<AtomicU32>,
    rehearsal: Option<Arc<Rehearsal>>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Http {
    pub(crate) fn new(session: Session, backend: Arc<dyn Backend>, witness: Arc<dyn Witness>) -> Self {
        let turns = Arc::new(Semaphore::new(CONCURRENT));
        Self { session, backend, witness, turns, sent: Arc::default(), rehearsal: None }
    }

    /// The same, which asks `rehearsal` instead of grants and network.
    pub(crate) fn rehearsed(self, rehearsal: Option<Arc<Rehearsal>>) -> Self {
        Self { rehearsal, ..self }
    }

    /// Sends one request, if the grants allow it, and waits for the beginning
    /// of the answer. The URI is absolute. `patience` is how long the component
    /// itself would wait for that, if less than the grant's time.
    ///
    /// In shadow nothing is looked up or sent: the request is recorded, its
    /// body read to the end, and the answer is 200 without a body.
    ///
    /// # Errors
    ///
    /// By phase, spelling, grant, limit or backend.
    pub async fn send<B>(&self, request: Request<B>, patience: Option<Duration>) -> Result<Answer, Failed>
    where
        B: HttpBody<Data = Bytes, Error = Failed> + Send + 'static,
    {
        let host = request.uri().authority().map_or("", |authority| authority.as_str());
        // What stands before an @ may be a password.
        let host = host.rsplit('@').next().unwrap_or_default().to_owned();
        let sent = self.attempt(request, patience).await;
        sent.inspect_err(|failed| self.tell(&host, failed))
    }

    async fn attempt<B>(&self, request: Request<B>, patience: Option<Duration>) -> Result<Answer, Failed>
    where
        B: HttpBody<Data = Bytes, Error = Failed> + Send + 'static,
    {
        let (mut parts, body) = request.into_parts();
        let Target { tls, host, port, path } = self.target(&parts.uri, &parts.headers)?;
        if let Some(rehearsal) = &self.rehearsal {
            let turn = self.turn()?;
            parts.uri = Uri::from(path);
            let answer = rehearsal.send(&place_of(tls, &host, port), parts, body).await?;
            return Ok(answer.held(turn));
        }
        let grant = granted(&self.session.grants.http, &parts.method, tls, &host, port)?.clone();
        let turn = self.turn()?;

        let now = Instant::now();
        let deadline = now + grant.time;
        let begun = patience.map_or(deadline, |patience| now + patience.min(grant.time));
        let body = Limited::new(Box::pin(body), Side::Request, grant.request, deadline, ());
        if HttpBody::size_hint(&body).lower() > grant.request {
            return Err(Side::Request.too_large(grant.request));
        }
        let body: Body = body.boxed_unsync();
        let place = place(&parts.method, tls, &host, port);
        if self.session.mode == Mode::Shadow {
            self.session.record.note(WouldBe::Done(Effect { interface: INTERFACE, target: place }));
            body.collect().await?;
            return Ok(empty());
        }

        parts.uri = Uri::from(path);
        parts.version = hyper::Version::HTTP_11;
        let name = named(tls, &host, port).parse().map_err(|_| url("its host is none"))?;
        parts.headers.insert(header::HOST, name);
        // There is no second request on this connection. A server that does not
        // read the body of the first must not take it for one.
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let request = Request::from_parts(parts, body);
        let approved = Approved { tls, host, port, grant, deadline, request };
        let answer = tokio::time::timeout_at(begun, self.backend.send(approved)).await;
        let answer = answer.unwrap_or_else(|_elapsed| Err(late()))?;
        let status = answer.response.status().as_u16();
        tracing::debug!(command = &*self.session.command, request = place, status, "request answered");
        Ok(answer.held(turn))
    }

    /// One more request of this run, and of those at a time.
    fn turn(&self) -> Result<OwnedSemaphorePermit, Failed> {
        self.count()?;
        Arc::clone(&self.turns).try_acquire_owned().map_err(|_| {
            let message = format!(
                "a run sends at most {CONCURRENT} requests at a time: read one answer to its end, then send the next"
            );
            Failed::new(Cause::TooMany, Refusal::denied(message))
        })
    }

    /// Where it goes, if it may go anywhere at all.
    fn target(&self, uri: &Uri, headers: &HeaderMap) -> Result<Target, Failed> {
        let phase = self.session.effects_allowed("wasi:http/outgoing-handler.handle");
        phase.map_err(|refusal| Failed::new(Cause::Denied, refusal))?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(url("its scheme is neither https nor http")),
        };
        let (host, port) = authority(uri)?;
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        let path = path(uri)?;
        framed(headers)?;
        Ok(Target { tls, host, port, path })
    }

    /// One more request of this run.
    fn count(&self) -> Result<(), Failed> {
        let sent = self.sent.fetch_add(1, Ordering::Relaxed);
        if sent >= REQUESTS {
            let message = format!("a run sends at most {REQUESTS} requests");
            return Err(Failed::new(Cause::TooMany, Refusal::denied(message)));
        }
        Ok(())
    }

    /// Tells the operator what was not done, since the component is told a code.
    fn tell(&self, host: &str, failed: &Failed) {
        tracing::warn!(command = &*self.session.command, "http: {failed}");
        if failed.refusal.kind == "denied" {
            witness::tell(self.witness.as_ref(), &self.session, "http.send", host, &failed.refusal);
        }
    }
}

/// Where a request goes.
struct Target {
    tls: bool,
    host: Host,
    port: u16,
    path: PathAndQuery,
}

/// The grant for this request. The error names what is missing.
fn granted<'a>(
    grants: &'a [HttpGrant],
    method: &Method,
    tls: bool,
    host: &Host,
    port: u16,
) -> Result<&'a HttpGrant, Failed> {
    let names =
        |grant: &HttpGrant| grant.host.parse::<HostPattern>().is_ok_and(|pattern| pattern.matches(host));
    let place = |grant: &&HttpGrant| grant.tls == tls && grant.port == port && names(grant);
    let mut of_place = grants.iter().filter(place).peekable();
    let known = of_place.peek().is_some();
    // A tunnel, and a request that comes back with its secrets, are never sent.
    let sendable = *method != Method::CONNECT && *method != Method::TRACE && plain(method);
    if !sendable {
        let message = format!(
            "no request of the method {} is sent",
            riposte_policy::diagnostic::shown(method.as_str())
        );
        return Err(Failed::denied(message));
    }
    if let Some(grant) = of_place.find(|grant| grant.methods.iter().any(|granted| granted == method.as_str()))
    {
        return Ok(grant);
    }
    let place = place_of(tls, host, port);
    Err(Failed::denied(if known {
        format!("no {method} to {place} is granted: add {method} to methods=\"...\" of its <http> grant")
    } else {
        format!(
            "no request to {place} is granted: add {} to the command's <capabilities>",
            element(method, tls, host, port)
        )
    }))
}

/// The grant that a request would need, ready to be pasted.
fn element(method: &Method, tls: bool, host: &Host, port: u16) -> String {
    let mut element = format!("<http host=\"{host}\"");
    if !tls {
        element.push_str(" scheme=\"http\"");
    }
    if port != if tls { 443 } else { 80 } {
        element.push_str(&format!(" port=\"{port}\""));
    }
    if *method != Method::POST {
        element.push_str(&format!(" methods=\"{method}\""));
    }
    element + "/>"
}

/// Methods are compared as they are written, and all are in upper case: `post`
/// is another method, which a careless server may take for the same.
fn plain(method: &Method) -> bool {
    method.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
}

/// Host and port. What else may stand there (a user, a password) is refused.
fn authority(uri: &Uri) -> Result<(Host, Option<u16>), Failed> {
    let text = uri.authority().map_or("", |authority| authority.as_str());
    if text.contains('@') {
        return Err(url("it holds a user name: send credentials in a header"));
    }
    let after_bracket = text.rfind(']').map_or(0, |at| at + 1);
    let colon = text.get(after_bracket..).and_then(|rest| rest.find(':')).map(|at| after_bracket + at);
    let (host, port) = match colon.and_then(|at| text.split_at_checked(at)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (text, None),
    };
    let number = |port: &str| {
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        port.parse::<u16>().ok().filter(|port| digits && *port != 0)
    };
    let port = port
        .map(|port| number(port).ok_or_else(|| url("its port is no number from 1 to 65535")))
        .transpose()?;
    Ok((host.parse().map_err(|e| url(&format!("{e}")))?, port))
}

/// Path and query, which are all that the request line holds.
fn path(uri: &Uri) -> Result<PathAndQuery, Failed> {
    let text = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if text.len() > URL {
        return Err(url(&format!("it is longer than {URL} bytes")));
    }
    let text = match text.chars().next() {
        None => "/".to_owned(),
        Some('/') => text.to_owned(),
        Some('?') => format!("/{text}"),
        Some(_) => return Err(url("its path does not begin with /")),
    };
    PathAndQuery::try_from(text).map_err(|_| url("its path is none"))
}

/// Whether these headers are the component's to set.
fn framed(headers: &HeaderMap) -> Result<(), Failed> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > HEADERS {
        let message = format!("the headers of a request are at most {HEADERS} bytes");
        return Err(Failed::new(Cause::RequestHeaders, Refusal::denied(message)));
    }
    match FRAMING.iter().find(|name| headers.contains_key(**name)) {
        Some(name) => Err(Failed::denied(format!("the header {name} is the engine's to set: leave it out"))),
        None => Ok(()),
    }
}

fn url(why: &str) -> Failed {
    Failed::new(Cause::Url, Refusal::invalid_input(format!("the URL of a request cannot be used: {why}")))
}

/// For logs and records: never the path, which may be a secret.
fn place(method: &Method, tls: bool, host: &Host, port: u16) -> String {
    format!("{method} {}", place_of(tls, host, port))
}

fn place_of(tls: bool, host: &Host, port: u16) -> String {
    format!("{}://{}", if tls { "https" } else { "http" }, named(tls, host, port))
}

/// Host and port, as the header `Host` has them.
fn named(tls: bool, host: &Host, port: u16) -> String {
    if port == if tls { 443 } else { 80 } { host.to_string() } else { format!("{host}:{port}") }
}

/// What a run in shadow is answered.
fn empty() -> Answer {
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    Answer { response: Response::new(body), connection: Box::pin(std::future::ready(())) }
}

impl Answer {
    /// With a turn that goes when the body has been read, or is dropped.
    fn held(self, turn: OwnedSemaphorePermit) -> Self {
        let response = self.response.map(|body| Held { body, turn: Some(turn) }.boxed_unsync());
        Self { response, connection: self.connection }
    }
}

/// A body that keeps its turn until it has been read or is dropped.
struct Held {
    body: Body,
    turn: Option<OwnedSemaphorePermit>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Failed>>> {
        let polled = std::pin::Pin::new(&mut self.body).poll_frame(context);
        // Its reader may keep what is left of it for as long as the run goes on.
        if matches!(polled, std::task::Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            drop(self.turn.take());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}
