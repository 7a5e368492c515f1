//! Sending HTTP requests, for `wasi:http/outgoing-handler`.
//!
//! The decision and the sending are here; the runtime only plugs them into
//! wasmtime's hooks. A request goes one way: phase, spelling, grant (scheme,
//! host, port, method), then the name is looked up once, every address it
//! stands for is judged ([`reach`]), and the connection goes to exactly one of
//! those: no second look-up can answer otherwise. A redirect is an answer. A
//! component that follows it sends a request of its own, which goes the same
//! way.
//!
//! * `call`: the decision, the limits of a run, shadow.
//! * [`reach`]: which addresses are not of the public network.
//! * [`client`]: the backend that sends: look-up, connection, TLS, HTTP/1.1.
//! * [`fake`]: one that sends nothing and remembers everything, for tests.
//! * `limited`: bodies that end at a size and a time.

mod call;
pub mod client;
mod connect;
pub mod fake;
mod limited;
pub mod reach;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use riposte_policy::grant::{Host, HttpGrant};
use tokio::time::Instant;

use crate::refusal::Refusal;

pub use call::{CONCURRENT, HEADERS, Http, REQUESTS, URL};
pub use client::{Client, Resolver};

/// What `wasi:http` is called where effects are recorded.
pub const INTERFACE: &str = "http";

/// The body of a request or of an answer; it ends at its limits by itself.
pub type Body = UnsyncBoxBody<Bytes, Failed>;

/// A request that the grant allows. Its URI is path and query alone, and its
/// `Host` is this host.
#[derive(Debug)]
pub struct Approved {
    /// Whether it goes under TLS.
    pub tls: bool,
    /// Where it goes.
    pub host: Host,
    /// To which port.
    pub port: u16,
    /// What allows it.
    pub grant: HttpGrant,
    /// When everything about it must be over.
    pub deadline: Instant,
    /// What is sent.
    pub request: hyper::Request<Body>,
}

/// An answer that has begun.
pub struct Answer {
    /// Status and headers; the body comes as it is read.
    pub response: hyper::Response<Body>,
    /// What moves the bytes. It must be polled until the body has been read or
    /// dropped, and ends by itself at the deadline.
    pub connection: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.response.status()).finish_non_exhaustive()
    }
}

/// How a host does it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Sends the request and waits for the beginning of the answer.
    ///
    /// # Errors
    ///
    /// When an address is not allowed, or there is no answer in time.
    async fn send(&self, approved: Approved) -> Result<Answer, Failed>;
}

/// A host that cannot do it: every request fails the same way.
#[derive(Clone, Debug)]
pub struct Unavailable(pub Refusal);

#[async_trait]
impl Backend for Unavailable {
    async fn send(&self, _: Approved) -> Result<Answer, Failed> {
        Err(Failed { cause: Cause::Unsupported, refusal: self.0.clone() })
    }
}

/// Why a request was not sent, or its answer not read to the end. No text of
/// it holds a path, a query, a header or a body: these may be secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// For the component, as a code of `wasi:http`.
    pub cause: Cause,
    /// For the operator.
    pub refusal: Refusal,
}

/// The kinds of failure, of which the runtime makes codes of `wasi:http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// By phase, grant, or a header that is not the component's to set.
    Denied,
    /// The URL is none, or none that is sent.
    Url,
    /// An address that the name stands for is not of the public network.
    Address,
    /// The name stands for no address.
    Name,
    /// Too many requests at a time, or in one run.
    TooMany,
    /// The headers of the request are too large.
    RequestHeaders,
    /// The body of the request is larger than this many bytes.
    RequestBody(u64),
    /// No connection.
    Connection,
    /// The certificate is not valid for this host.
    Certificate,
    /// TLS failed in another way.
    Tls,
    /// No answer in time, or not to its end.
    Time,
    /// The answer is larger than this many bytes.
    ResponseBody(u64),
    /// What came is no answer of HTTP, or broke off.
    Protocol,
    /// The operator's settings cannot be used.
    Configuration,
    /// This host cannot do it.
    Unsupported,
}

impl Failed {
    fn new(cause: Cause, refusal: Refusal) -> Self {
        Self { cause, refusal }
    }

    fn denied(message: impl Into<String>) -> Self {
        Self::new(Cause::Denied, Refusal::denied(message))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl std::error::Error for Failed {}

#[cfg(test)]
mod tests;
