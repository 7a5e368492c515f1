//! A network that takes every granted request and sends none, for tests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Response, StatusCode};

use super::{Answer, Approved, Backend, Failed};

/// One request that would have been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `POST https://hooks.example.com:443/path?query`.
    pub line: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// Its body, to its end.
    pub body: Vec<u8>,
}

/// The backend for tests.
#[derive(Debug, Default)]
pub struct Fake(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sent: Vec<Sent>,
    answer: Option<Result<(StatusCode, Bytes), Failed>>,
}

impl Fake {
    /// Everything that was sent, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    /// From now on every request is answered like this. Before: 200, nothing.
    pub fn answer(&self, answer: Result<(StatusCode, Bytes), Failed>) {
        self.state().answer = Some(answer);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Fake {
    async fn send(&self, approved: Approved) -> Result<Answer, Failed> {
        let Approved { tls, host, port, request, .. } = approved;
        let (parts, body) = request.into_parts();
        let scheme = if tls { "https" } else { "http" };
        let line = format!("{} {scheme}://{host}:{port}{}", parts.method, parts.uri);
        let text =
            |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = body.collect().await?.to_bytes().to_vec();
        let mut state = self.state();
        state.sent.push(Sent { line, headers, body });
        let (status, bytes) = state.answer.clone().unwrap_or(Ok((StatusCode::OK, Bytes::new())))?;
        let mut response = Response::new(Full::new(bytes).map_err(|never| match never {}).boxed_unsync());
        *response.status_mut() = status;
        Ok(Answer { response, connection: Box::pin(std::future::ready(())) })
    }
}
