//! WASI's HTTP, forwarded to the capability: who may send what is decided
//! there, and it sends.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::{Request, Response};
use riposte_capability::http::{Answer, Cause, Failed, HEADERS, Http};
use riposte_capability::refusal::Refusal;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks};

/// Most bytes of one write to the body of a request.
const WRITE: usize = 64 << 10;
/// What names and values of headers may take in memory, counted with the
/// structures around them.
const FIELDS: usize = HEADERS * 2;

/// The HTTP of one call.
pub(crate) struct Outgoing {
    hooks: Hooks,
    context: WasiHttpCtx,
}

impl Outgoing {
    pub(crate) fn new(http: Http) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(FIELDS);
        Self { hooks: Hooks(http), context }
    }

    pub(crate) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.context }
    }
}

struct Hooks(Http);

/// An answer, and what moves its bytes.
type Answered = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Hooks {
    /// The capability sets it, from the host that it has granted.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Answered, Error>> + Send> {
        let http = self.0.clone();
        Box::new(async move {
            let request = request.map(|body| body.map_err(ended));
            let Answer { response, connection } =
                http.send(request, patience(options)).await.map_err(|failed| code(&failed))?;
            let response = response.map(|body| body.map_err(|failed| code(&failed)).boxed_unsync());
            let moving: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async move {
                connection.await;
                Ok(())
            });
            Ok((response, moving))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        WRITE
    }
}

/// How long the component itself wants to wait for an answer to begin.
fn patience(options: Option<RequestOptions>) -> Option<Duration> {
    let options = options?;
    options.first_byte_timeout.map(|first| first.saturating_add(options.connect_timeout.unwrap_or_default()))
}

/// A component that ends a body before it is whole ends the request.
fn ended(error: Error) -> Failed {
    let message = format!("the component did not end the body of its request: {error}");
    Failed { cause: Cause::Protocol, refusal: Refusal::failed(message) }
}

/// What the component is told. The words are for the operator, and in the log.
fn code(failed: &Failed) -> Error {
    match failed.cause {
        Cause::Denied => Error::HttpRequestDenied,
        Cause::Url => Error::HttpRequestUriInvalid,
        Cause::Address => Error::DestinationIpProhibited,
        Cause::Name => Error::DnsError { rcode: None, info_code: None },
        Cause::TooMany => Error::ConnectionLimitReached,
        Cause::RequestHeaders => Error::HttpRequestHeaderSectionSize(None),
        Cause::RequestBody(limit) => Error::HttpRequestBodySize(Some(limit)),
        Cause::Connection => Error::ConnectionRefused,
        Cause::Certificate => Error::TlsCertificateError,
        Cause::Tls => Error::TlsProtocolError,
        Cause::Time => Error::HttpResponseTimeout,
        Cause::ResponseBody(limit) => Error::HttpResponseBodySize(Some(limit)),
        Cause::Protocol => Error::HttpProtocolError,
        Cause::Configuration => Error::ConfigurationError,
        Cause::Unsupported => Error::InternalError(Some(failed.refusal.message.clone())),
    }
}
