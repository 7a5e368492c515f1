"""Sends HTTP requests. Granted by `<http/>`, one element for each host.

    answer = http.post("https://hooks.example.com/x", json={"text": "blocked"})
    if not answer.ok:
        raise Error.failed(f"the server answered {answer.status}")

Over `wasi:http`, which the engine decides and sends: `urllib` and everything that
opens a connection itself does not work in a component. One request is sent as it
is; a redirect is an answer like any other, and following it is a request of its
own, which needs its own grant.
"""

import json as _json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _border, _wasi, host
from ._checked import checked
from ._error import Error

# Deepest JSON that is read, as of an alert.
DEPTH = 128
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True)
class Response:
    """What the server answered. A host of native tests, like a run in shadow, answers
    200 and nothing else."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    """What it sent, as much as the grant allows."""
    headers: dict[str, str] = field(default_factory=dict)
    """By name in small letters; what was sent several times is joined with commas."""

    @property
    def ok(self) -> bool:
        """Whether the server took the request: status 200 to 299."""
        return 200 <= self.status < 300

    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, read as JSON. Raises an `Error` of kind `failed` when it is none, or
        nested deeper than an alert may be."""
        text = self.text()
        if _depth(text) > DEPTH:
            raise Error.failed(f"the server answered with JSON nested more than {DEPTH} deep")
        try:
            return _json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Error.failed(f"the server did not answer with JSON: {error}") from None


@checked
def request(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    *,
    json: Any = None,
) -> Response:
    """Sends one request and waits for the whole answer, whatever its status.

    `json` becomes the body, with its `Content-Type`. `Host`, `Connection` and other
    headers that frame the request are the engine's. Raises an `Error`: `denied` by
    the grant or for the address that the host name stands for, `timeout` and
    `unavailable` when there was no answer, `failed` when it was too large or none of
    HTTP.
    """
    secure, authority, path = _parts(url)
    lines = dict(headers or {})
    if json is not None:
        lines = {"Content-Type": "application/json", **lines}
        body = _json.dumps(json, ensure_ascii=False, separators=(",", ":"))
    content = body.encode("utf-8", "replace") if isinstance(body, str) else bytes(body)
    if _border.SANDBOXED:
        answer = _wasi.send(method, secure, authority, path, lines, content)
        return Response(answer.status, answer.body, answer.headers)
    said = [method, f"{'https' if secure else 'http'}://{authority}{path}"]
    said += [f"{name}: {value}" for name, value in lines.items()]
    if content:
        said.append(content.decode("utf-8", "replace"))
    return host.answer("http.send", " ".join(said), Response())


@checked
def get(url: str, headers: Mapping[str, str] | None = None) -> Response:
    """Sends a GET."""
    return request("GET", url, headers)


@checked
def post(
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    *,
    json: Any = None,
) -> Response:
    """Sends a POST."""
    return request("POST", url, headers, body, json=json)


def _depth(text: str) -> int:
    """How deep JSON is nested. Python's own reader of it takes the stack of the
    component for every level, and what overflows that ends the call as a crash."""
    if text.count("[") + text.count("{") <= DEPTH:
        return 0
    depth = deepest = 0
    for found in _BRACKETS.finditer(text):
        if found[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif found[0] in "]}":
            depth -= 1
    return deepest


def _parts(url: str) -> tuple[bool, str, str]:
    """Its address, taken apart: whether it is under TLS, host and port, path and
    query. The engine checks all of it again."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in ("https", "http"):
        # The address may hold a secret: it is not repeated.
        raise Error.invalid("the URL begins neither with https:// nor with http://")
    rest = rest.partition("#")[0]
    end = min((place for place in (rest.find("/"), rest.find("?")) if place >= 0), default=len(rest))
    if end == 0:
        raise Error.invalid("the URL names no host")
    return scheme == "https", rest[:end], rest[end:]
