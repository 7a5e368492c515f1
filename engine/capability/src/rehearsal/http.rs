//! Requests to a network that is only played.

use std::fmt;
use std::pin::pin;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Bytes};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::{Answer, Called, Rehearsal, Said};
use crate::http::{Answer as Answered, Cause, Failed};
use crate::refusal::Refusal;

/// The name of what `wasi:http` does.
const SEND: &str = "http.send";
/// A header that SDKs set themselves, and authors do not think of.
const LENGTH: &str = "content-length";

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `POST https://hooks.example.com/path?query`.
    pub line: String,
    /// Names and values that the component set, in order.
    pub headers: Vec<(String, String)>,
    /// Its body, to its end.
    pub body: Vec<u8>,
}

impl Request {
    fn parts(&self) -> impl Iterator<Item = (&str, bool)> {
        let headers = self.headers.iter();
        let headers = headers.flat_map(|(name, value)| {
            [(" ", true), (name.as_str(), false), (": ", true), (value.as_str(), true)]
        });
        [(SEND, true), (" ", true), (self.line.as_str(), true)].into_iter().chain(headers)
    }

    /// As [`Called::is`].
    pub(super) fn is(&self, text: &str) -> bool {
        let rest = self.parts().try_fold(text, |text, (part, exact)| {
            let (begin, rest) = text.split_at_checked(part.len())?;
            let same = if exact { begin == part } else { begin.eq_ignore_ascii_case(part) };
            same.then_some(rest)
        });
        // A request without a body is written with or without the blank before it.
        rest.is_some_and(|rest| {
            let body = rest.strip_prefix(' ').unwrap_or(rest);
            body == String::from_utf8_lossy(&self.body)
        })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().try_for_each(|(part, _)| f.write_str(part))?;
        if self.body.is_empty() { Ok(()) } else { write!(f, " {}", String::from_utf8_lossy(&self.body)) }
    }
}

impl Rehearsal {
    /// Answers one request. `place` is `https://hooks.example.com`.
    pub(crate) async fn send<B>(&self, place: &str, parts: Parts, body: B) -> Result<Answered, Failed>
    where
        B: HttpBody<Data = Bytes, Error = Failed> + Send,
    {
        let denied = |refusal| Failed { cause: Cause::Denied, refusal };
        let mut body = pin!(body);
        let mut bytes = Vec::new();
        self.keep(0).map_err(denied)?;
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                self.keep(data.len()).map_err(denied)?;
                bytes.extend_from_slice(&data);
            }
        }
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let line = format!("{} {place}{path}", parts.method);
        let headers = parts.headers.iter().filter(|(name, _)| *name != LENGTH).map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let request = Request { line, headers: headers.collect(), body: bytes };
        let arranged = {
            let mut played = self.played();
            let short = format!("{SEND} {}", request.line);
            let arranged = played.arranged(SEND, &short);
            played.calls.push(Called::Http(request));
            arranged
        };
        match arranged {
            // As a run in shadow: taken, and nothing told.
            None => Ok(answered(StatusCode::OK, Vec::new())),
            Some(Answer::Response { status, headers, body }) => {
                let wrong = |_| not_http("its status is no number from 100 to 999");
                let mut answer = answered(StatusCode::from_u16(status).map_err(wrong)?, body);
                for (name, value) in headers {
                    let name = hyper::header::HeaderName::try_from(name.as_str());
                    let value = hyper::header::HeaderValue::try_from(value.as_str());
                    let (Ok(name), Ok(value)) = (name, value) else {
                        return Err(not_http("one of its headers is none"));
                    };
                    answer.response.headers_mut().append(name, value);
                }
                Ok(answer)
            }
            Some(Answer::Error(said)) => Err(failed(said)),
            Some(_) => Err(not_http("it is none of a server")),
        }
    }
}

fn answered(status: StatusCode, body: Vec<u8>) -> Answered {
    let mut response =
        Response::new(Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    Answered { response, connection: Box::pin(std::future::ready(())) }
}

fn not_http(why: &str) -> Failed {
    let refusal = Refusal::failed(format!("the answer that is arranged for {SEND} cannot be given: {why}"));
    Failed { cause: Cause::Protocol, refusal }
}

/// What a component is told is a code of `wasi:http`, the nearest there is.
fn failed(Said { kind, message, .. }: Said) -> Failed {
    let (cause, refusal) = match kind.as_str() {
        "denied" => (Cause::Denied, Refusal::denied(message)),
        "invalid-input" => (Cause::Url, Refusal::invalid_input(message)),
        "timeout" => (Cause::Time, Refusal::timeout(message)),
        "unavailable" => (Cause::Connection, Refusal::unavailable(message)),
        "unsupported" => (Cause::Unsupported, Refusal::unsupported(message)),
        _ => (Cause::Protocol, Refusal::failed(message)),
    };
    Failed { cause, refusal }
}
