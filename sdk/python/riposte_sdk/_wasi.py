"""One HTTP request over `wasi:http`, in a component."""

from dataclasses import dataclass
from typing import Any

from . import _border
from ._error import Error

# Most that one write may take (`blocking-write-and-flush` of `wasi:io`).
CHUNK = 4096
READ = 64 << 10

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")

# The words of the engine are in its log; these are for the response's. By the name
# of the case, as componentize-py writes it.
REFUSALS = {
    "HttpRequestDenied": Error(
        "denied",
        "the command's <http/> grants do not allow this request; the engine's log says which one would",
    ),
    "DestinationIpProhibited": Error(
        "denied",
        "the host name stands for an address of a private or special network; the engine's log says which",
    ),
    "HttpRequestUriInvalid": Error(
        "invalid-input", "the URL cannot be used; the engine's log says why"
    ),
    "HttpRequestBodySize": Error(
        "denied", "the request is larger than the command's <http/> grant allows"
    ),
    "HttpRequestHeaderSectionSize": Error(
        "denied", "the request is larger than the command's <http/> grant allows"
    ),
    "HttpResponseBodySize": Error(
        "failed", "the answer is larger than the command's <http/> grant allows"
    ),
    "ConnectionTimeout": Error("timeout", "the server did not answer in time", True),
    "ConnectionReadTimeout": Error("timeout", "the server did not answer in time", True),
    "HttpResponseTimeout": Error("timeout", "the server did not answer in time", True),
    "DnsTimeout": Error("timeout", "the server did not answer in time", True),
    "DnsError": Error("unavailable", "the host name was not found", True),
    "TlsCertificateError": Error(
        "failed",
        "the certificate of the server is not valid for this host; the engine's log says why",
    ),
    "ConnectionLimitReached": Error("denied", "too many requests in this call, or at a time", True),
}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]


# Only what is loaded while the component is built can be used in it.
_handler = _border.bound("outgoing_handler") if _border.SANDBOXED else None
_http: Any = _border.bound("wasi_http_types") if _border.SANDBOXED else None


def send(
    method: str, secure: bool, authority: str, path: str, headers: dict[str, str], body: bytes
) -> Answer:
    """Sends it and waits for the whole answer. A resource goes before the one that it
    was taken from: the host ends a call that does it the other way round."""
    if _handler is None:
        raise _border.undeclared("http")
    outgoing = _request(method, secure, authority, path, headers, body)
    carried = outgoing.body()
    try:
        answer = _handler.handle(outgoing, None)
    except _border.Err as err:
        raise _refusal(err.value) from None
    # A server may answer before it has read everything, and the engine may refuse:
    # what comes of the request is in the answer, not here.
    written = _write(carried, body)
    with answer:
        with answer.subscribe() as ready:
            ready.block()
        with _arrived(answer.get()) as incoming:
            status = incoming.status()
            if not written and 200 <= status < 300:
                raise Error.unavailable(
                    "the server ended the connection before it had the whole request"
                )
            with incoming.headers() as fields:
                received = _received(fields.entries())
            with incoming.consume() as content:
                return Answer(status, _read(content), received)


def _request(
    method: str, secure: bool, authority: str, path: str, headers: dict[str, str], body: bytes
) -> Any:
    fields = _http.Fields()
    for name, value in headers.items():
        try:
            fields.append(_border.clean(name), value.encode("utf-8", "replace"))
        except _border.Err:
            raise Error.invalid(f"the header {name} or its value cannot be sent") from None
    # Without it the body would be sent in chunks, which not every server takes.
    if "content-length" not in map(str.lower, headers):
        fields.append("content-length", str(len(body)).encode())
    outgoing = _http.OutgoingRequest(fields)
    try:
        outgoing.set_method(_method(method))
        outgoing.set_scheme(_http.Scheme_Https() if secure else _http.Scheme_Http())
        outgoing.set_authority(_border.clean(authority))
        outgoing.set_path_with_query(_border.clean(path))
    except _border.Err:
        raise Error.invalid("the URL or the method is none of HTTP") from None
    return outgoing


def _method(name: str) -> Any:
    if name in METHODS:
        return getattr(_http, f"Method_{name.capitalize()}")()
    return _http.Method_Other(_border.clean(name))


def _write(carried: Any, body: bytes) -> bool:
    """Whether all of it was taken."""
    try:
        with carried.write() as stream:
            for begin in range(0, len(body), CHUNK):
                stream.blocking_write_and_flush(body[begin : begin + CHUNK])
        _http.OutgoingBody.finish(carried, None)
    except _border.Err:
        return False
    return True


def _arrived(answer: Any) -> Any:
    """What `get` of the answer to come holds: results within results."""
    response = getattr(answer, "value", None)
    if isinstance(response, _border.Err):
        raise _refusal(response.value)
    if response is None:
        raise Error.failed(
            "wasi:http of this engine does not behave as it should; please report this fault"
        )
    return response.value


def _read(content: Any) -> bytes:
    read = bytearray()
    with content.stream() as stream:
        while True:
            try:
                read += stream.blocking_read(READ)
            except _border.Err as err:
                if type(err.value).__name__ == "StreamError_Closed":
                    return bytes(read)
                with err.value.value as error:
                    code = _http.http_error_code(error)
                if code is None:
                    raise Error.unavailable("the answer of the server broke off") from None
                raise _refusal(code) from None


def _received(entries: list[tuple[str, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in entries:
        name, text = name.lower(), value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _refusal(code: Any) -> Error:
    name = type(code).__name__.removeprefix("ErrorCode_")
    if name == "InternalError" and code.value:
        return Error.failed(code.value)
    known = REFUSALS.get(name)
    if known is None:
        return Error.unavailable("the server could not be reached, or does not speak HTTP")
    return Error(known.kind, known.message, known.retry)
