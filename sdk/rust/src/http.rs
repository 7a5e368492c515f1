//! Sends HTTP requests. Granted by `<http/>`, one element for each host.
//!
//! Over `wasi:http`, which the engine decides and sends: the plugin opens no
//! connection. One request is sent as it is; a redirect is an answer like any
//! other, and following it is a request of its own, which needs its own grant.

use crate::Error;

/// One request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request of any method, in upper case, without headers and body.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A POST of a JSON text.
    pub fn post_json(url: impl Into<String>, json: impl Into<String>) -> Self {
        let json: String = json.into();
        Self::new("POST", url).header("Content-Type", "application/json").body(json)
    }

    /// With one more header. `Host`, `Connection` and others that frame the
    /// request are the engine's.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it, and waits for the whole answer: [`send`].
    ///
    /// # Errors
    ///
    /// As [`send`].
    pub fn send(&self) -> Result<Response, Error> {
        send(self)
    }

    /// Its address, taken apart: whether it is under TLS, host and port, path
    /// and query. The engine checks all of it again.
    fn parts(&self) -> Result<(bool, &str, &str), Error> {
        let (tls, rest) = if let Some(rest) = self.url.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = self.url.strip_prefix("http://") {
            (false, rest)
        } else {
            // The address may hold a secret: it is not repeated.
            return Err(Error::invalid("the URL begins neither with https:// nor with http://"));
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err(Error::invalid("the URL names no host"));
        }
        Ok((tls, authority, path))
    }
}

/// Without path, headers and body, which may hold secrets.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let authority = self.parts().map_or("", |(_, authority, _)| authority);
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &authority)
            .finish_non_exhaustive()
    }
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status: 200.
    pub status: u16,
    /// What it sent before the body, in order; names are in small letters, and what
    /// is not UTF-8 in a value is replaced.
    pub headers: Vec<(String, String)>,
    /// What it sent, as much as the grant allows.
    pub body: Vec<u8>,
}

/// A host of native tests, like a run in shadow, answers 200 and nothing else.
impl Default for Response {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new(), body: Vec::new() }
    }
}

impl Response {
    /// Whether the server took the request: status 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, in whatever case: `Retry-After`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// Kind `failed` when it is none.
    pub fn json(&self) -> Result<crate::json::Value, Error> {
        let value = std::str::from_utf8(&self.body).ok().and_then(|text| text.parse().ok());
        value.ok_or_else(|| Error::failed("the server did not answer with JSON"))
    }
}

/// Sends one request and waits for the whole answer.
///
/// # Errors
///
/// `denied` by the grant or for the address that the host name stands for,
/// `timeout` and `unavailable` when there was no answer, `failed` when it was
/// too large or none of HTTP.
pub fn send(request: &Request) -> Result<Response, Error> {
    let (tls, authority, path) = request.parts()?;
    #[cfg(target_arch = "wasm32")]
    return wasi::send(request, tls, authority, path);
    #[cfg(not(target_arch = "wasm32"))]
    {
        let scheme = if tls { "https" } else { "http" };
        let mut call = format!("{} {scheme}://{authority}{path}", request.method);
        for (name, value) in &request.headers {
            call.push_str(&format!(" {name}: {value}"));
        }
        if !request.body.is_empty() {
            call.push_str(&format!(" {}", String::from_utf8_lossy(&request.body)));
        }
        crate::host::with(|host| host.answer("http.send", &call))
    }
}

#[cfg(target_arch = "wasm32")]
mod wasi {
    use crate::bindings::wasi::http::outgoing_handler::handle;
    use crate::bindings::wasi::http::types::{
        ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme, http_error_code,
    };
    use crate::bindings::wasi::io::streams::StreamError;

    use super::{Request, Response};
    use crate::Error;

    /// Most that one write may take (`blocking-write-and-flush` of `wasi:io`).
    const CHUNK: usize = 4096;

    pub(super) fn send(request: &Request, tls: bool, authority: &str, path: &str) -> Result<Response, Error> {
        let fields = Fields::new();
        for (name, value) in &request.headers {
            let set = fields.append(name, value.as_bytes());
            set.map_err(|_| Error::invalid(format!("the header {name} or its value cannot be sent")))?;
        }
        // Without it the body would be sent in chunks, which not every server takes.
        let length = request.body.len().to_string();
        fields.append("content-length", length.as_bytes()).map_err(|_| fault())?;
        let outgoing = OutgoingRequest::new(fields);
        let scheme = if tls { Scheme::Https } else { Scheme::Http };
        let set = outgoing
            .set_method(&method(&request.method))
            .and_then(|()| outgoing.set_scheme(Some(&scheme)))
            .and_then(|()| outgoing.set_authority(Some(authority)))
            .and_then(|()| outgoing.set_path_with_query(Some(path)));
        set.map_err(|()| Error::invalid("the URL or the method is none of HTTP"))?;

        let body = outgoing.body().map_err(|()| fault())?;
        let answer = handle(outgoing, None).map_err(refused)?;
        // A server may answer before it has read everything, and the engine may
        // refuse: what comes of the request is in the answer, not here.
        let written = write(&body, &request.body);
        let _ = OutgoingBody::finish(body, None);

        let wait = answer.subscribe();
        wait.block();
        drop(wait);
        let response = answer.get().and_then(Result::ok).ok_or_else(fault)?.map_err(refused)?;
        let status = response.status();
        if !written && (200..300).contains(&status) {
            return Err(Error::unavailable(
                "the server ended the connection before it had the whole request",
            ));
        }
        let headers = response.headers().entries().into_iter().map(received).collect();
        let body = response.consume().map_err(|()| fault())?;
        Ok(Response { status, headers, body: read(&body)? })
    }

    fn received((mut name, value): (String, Vec<u8>)) -> (String, String) {
        name.make_ascii_lowercase();
        let value = String::from_utf8(value);
        (name, value.unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned()))
    }

    fn method(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            "HEAD" => Method::Head,
            other => Method::Other(other.to_owned()),
        }
    }

    /// Whether all of it was taken.
    fn write(body: &OutgoingBody, bytes: &[u8]) -> bool {
        let Ok(stream) = body.write() else { return false };
        bytes.chunks(CHUNK).all(|chunk| stream.blocking_write_and_flush(chunk).is_ok())
    }

    fn read(body: &IncomingBody) -> Result<Vec<u8>, Error> {
        let stream = body.stream().map_err(|()| fault())?;
        let mut all = Vec::new();
        loop {
            match stream.blocking_read(64 << 10) {
                Ok(chunk) => all.extend_from_slice(&chunk),
                Err(StreamError::Closed) => return Ok(all),
                Err(StreamError::LastOperationFailed(error)) => {
                    let code = http_error_code(&error);
                    return Err(code
                        .map_or_else(|| Error::unavailable("the answer of the server broke off"), refused));
                }
            }
        }
    }

    /// The words of the engine are in its log; these are for the response's.
    fn refused(code: ErrorCode) -> Error {
        let of = |kind: &str, message: &str, retry| Error {
            kind: kind.to_owned(),
            message: message.to_owned(),
            retry,
        };
        match code {
            ErrorCode::HttpRequestDenied => of(
                "denied",
                "the command's <http/> grants do not allow this request; the engine's log says which one would",
                false,
            ),
            ErrorCode::DestinationIpProhibited => of(
                "denied",
                "the host name stands for an address of a private or special network; the engine's log says which",
                false,
            ),
            ErrorCode::HttpRequestUriInvalid => {
                of("invalid-input", "the URL cannot be used; the engine's log says why", false)
            }
            ErrorCode::HttpRequestBodySize(_) | ErrorCode::HttpRequestHeaderSectionSize(_) => {
                of("denied", "the request is larger than the command's <http/> grant allows", false)
            }
            ErrorCode::HttpResponseBodySize(_) => {
                of("failed", "the answer is larger than the command's <http/> grant allows", false)
            }
            ErrorCode::ConnectionTimeout
            | ErrorCode::ConnectionReadTimeout
            | ErrorCode::HttpResponseTimeout
            | ErrorCode::DnsTimeout => of("timeout", "the server did not answer in time", true),
            ErrorCode::DnsError(_) => of("unavailable", "the host name was not found", true),
            ErrorCode::TlsCertificateError => of(
                "failed",
                "the certificate of the server is not valid for this host; the engine's log says why",
                false,
            ),
            ErrorCode::ConnectionLimitReached => {
                of("denied", "too many requests in this call, or at a time", true)
            }
            ErrorCode::InternalError(Some(message)) => of("failed", &message, false),
            _ => of("unavailable", "the server could not be reached, or does not speak HTTP", true),
        }
    }

    fn fault() -> Error {
        Error::failed("wasi:http of this engine does not behave as it should; please report this fault")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    #[test]
    fn urls_are_taken_apart() {
        let parts = |url: &str| {
            Request::new("GET", url).parts().map(|(tls, host, path)| format!("{tls} {host} {path}"))
        };
        assert_eq!(parts("https://example.com/a?b#c").unwrap(), "true example.com /a?b");
        assert_eq!(parts("http://[2001:db8::7]:81?b").unwrap(), "false [2001:db8::7]:81 ?b");
        assert_eq!(parts("https://example.com").unwrap(), "true example.com ");
        for wrong in ["", "example.com", "ftp://example.com/", "https:///a", "file:///etc/passwd"] {
            assert_eq!(parts(wrong).unwrap_err().kind, "invalid-input", "{wrong}");
        }
    }

    #[test]
    fn the_host_of_tests_records_and_answers() {
        host::reset();
        let request = Request::post_json("https://example.com/x", "{}");
        assert_eq!(send(&request).unwrap(), Response::default());
        assert_eq!(host::calls(), ["http.send POST https://example.com/x Content-Type: application/json {}"]);
        let headers = vec![("retry-after".to_owned(), "7".to_owned())];
        host::answer_with("http.send", Response { status: 429, headers, body: Vec::new() });
        let response = send(&request).unwrap();
        assert!(!response.is_success());
        assert_eq!((response.header("Retry-After"), response.header("etag")), (Some("7"), None));
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let request =
            Request::post_json("https://example.com/token", "secret").header("Authorization", "hidden");
        assert_eq!(format!("{request:?}"), r#"Request { method: "POST", host: "example.com", .. }"#);
    }
}
