"""What happens at the border of a component, against bindings that are made up
here as componentize-py would make them."""

import gc
import importlib
import logging
import sys
import types
import unittest
from dataclasses import dataclass
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Err(Exception):
    value: Any


@dataclass
class Ok:
    value: Any


@dataclass
class HostError:
    kind: str
    message: str
    retry: bool


class Level(Enum):
    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4


class Component(unittest.TestCase):
    """A component whose world holds `firewall`, and `http` when it is asked for."""

    http = False

    def setUp(self) -> None:
        self.calls: list[str] = []
        self.said: list[str] = []
        self.fails: Exception | None = None
        self.texts: dict[str, str] = {"/data/srcip": "192.0.2.7"}
        hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)}
        self.addCleanup(lambda: sys.modules.update(hidden))
        self.addCleanup(lambda: [sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)])
        self.addCleanup(logging.root.handlers.clear)
        self.addCleanup(gc.unfreeze)

        self.module("componentize_py_types", Err=Err, Ok=Ok)
        self.module("wit_world")
        self.module("wit_world.imports")
        name = "active_response_plugin_types" if self.http else "types"
        self.module(f"wit_world.imports.{name}", Error=HostError)
        self.module("wit_world.imports.log", Level=Level, log=self.log)
        self.module("wit_world.imports.alert", text=self.texts.get, number=lambda pointer: None)
        self.module("wit_world.imports.invocation", keys=lambda: ["k"], offence=lambda: 3)
        self.module("wit_world.imports.firewall", block=self.block, unblock=self.block)
        self.bindings()
        self.sdk: Any = importlib.import_module("riposte_sdk")

    def bindings(self) -> None:
        """More of them."""

    def module(self, name: str, **members: Any) -> None:
        module = types.ModuleType(name)
        module.__dict__.update(members)
        sys.modules[name] = module

    def log(self, level: Level, message: str) -> None:
        self.said.append(f"{level.name.lower()}: {message}")

    def block(self, address: str) -> bool:
        self.calls.append(address)
        if self.fails is not None:
            raise self.fails
        return True

    def exported(self, name: str) -> Any:
        return getattr(sys.modules[__name__], name)()

    def reversible(self, **methods: Any) -> Any:
        methods = {"add": lambda self, alert: None, "delete": lambda self, alert, receipt: None, **methods}
        self.sdk.reversible(type("Plugin", (), {**methods, "__module__": __name__}))
        return self.exported("Reversible")

    def oneshot(self, run: Any) -> Any:
        run.__module__ = __name__
        self.sdk.oneshot(run)
        return self.exported("Oneshot")

    def error(self, call: Any, *arguments: Any) -> HostError:
        with self.assertRaises(Err) as raised:
            call(*arguments)
        found: HostError = raised.exception.value
        return found


class Border(Component):
    def test_a_response_is_exported(self) -> None:
        firewall = self.sdk.firewall
        plugin = self.reversible(
            add=lambda _, alert: firewall.block(alert.srcip) and b"receipt",
            delete=lambda _, alert, receipt: firewall.unblock(receipt.decode()),
        )
        self.assertEqual(plugin.keys("{}"), ["192.0.2.7"])
        self.assertEqual(plugin.add("{}"), b"receipt")
        self.assertIsNone(plugin.delete("{}", b"192.0.2.8"))
        self.assertEqual(self.calls, ["192.0.2.7", "192.0.2.8"])
        self.texts.clear()
        self.assertEqual(self.error(plugin.keys, "{}").kind, "no-key")

    def test_what_the_host_refuses_comes_back_unchanged(self) -> None:
        self.fails = Err(HostError("denied", "an own address", True))
        plugin = self.reversible(add=lambda _, alert: self.sdk.firewall.block("127.0.0.1"))
        self.assertEqual(self.error(plugin.add, "{}"), HostError("denied", "an own address", True))
        self.assertEqual(self.said, [])

    def test_what_is_uncaught_is_an_error_with_its_traceback_in_the_log(self) -> None:
        def run(alert: Any) -> None:
            raise ValueError("no such thing")

        self.assertEqual(
            self.error(self.oneshot(run).run, "{}"), HostError("failed", "ValueError: no such thing", False)
        )
        self.assertEqual(self.said[0], "error: Traceback (most recent call last):")
        self.assertIn('File "test_component.py"', self.said[1])
        self.assertIn('raise ValueError("no such thing")', self.said[2])
        self.assertEqual(self.said[-1], "error: ValueError: no such thing")
        self.assertFalse(any("_response.py" in line for line in self.said))

    def test_nothing_ends_the_component(self) -> None:
        def endless(alert: Any) -> None:
            endless(alert)

        self.assertIn("RecursionError", self.error(self.oneshot(endless).run, "{}").message)
        self.assertLess(sum(map(len, self.said)), 8 << 10)
        self.assertIn("RecursionError", self.said[-1])
        for raised in (SystemExit(1), KeyboardInterrupt()):

            def run(alert: Any, raised: BaseException = raised) -> None:
                raise raised

            self.assertEqual(self.error(self.oneshot(run).run, "{}").kind, "failed")

    def test_what_has_no_text_is_an_error_too(self) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise ValueError("no text")

        # One may have been given another message since.
        changed = self.sdk.Error("failed", "text")
        changed.message = Mute()
        for raised in (Mute(), changed):

            def run(alert: Any, raised: BaseException = raised) -> None:
                raise raised

            self.assertIn("a Mute without a text", self.error(self.oneshot(run).run, "{}").message)
        changed.kind, changed.message, changed.retry = 404, {"a": 1}, None
        plugin = self.oneshot(lambda alert: (_ for _ in ()).throw(changed))
        self.assertEqual(self.error(plugin.run, "{}"), HostError("404", "{'a': 1}", False))

    def test_an_error_of_an_authors_own_is_one(self) -> None:
        class Own(self.sdk.Error):  # type: ignore[misc, name-defined]
            def __init__(self, place: str) -> None:
                self.place = place

        def run(alert: Any) -> None:
            raise Own("here")

        expected = HostError("failed", "an error without a message", False)
        self.assertEqual(self.error(self.oneshot(run).run, "{}"), expected)

    def test_a_value_of_the_wrong_type_is_an_error_and_not_handed_over(self) -> None:
        plugin = self.reversible(add=lambda _, alert: self.sdk.firewall.block(alert.text("/data/nothing")))
        said = "TypeError: firewall.block: `address` has to be str, not None"
        self.assertEqual(self.error(plugin.add, "{}"), HostError("failed", said, False))
        self.assertEqual(self.calls, [])
        self.assertEqual(self.said[0], "error: Traceback (most recent call last):")
        self.assertTrue(any("self.sdk.firewall.block(alert.text(" in line for line in self.said))
        self.assertEqual(self.said[-1], f"error: {said}")

        def run(alert: Any) -> None:
            for wrong in (None, 7, b"192.0.2.7", ["192.0.2.7"]):
                try:
                    self.sdk.firewall.block(wrong)
                except TypeError:
                    continue
                raise AssertionError(wrong)
            self.sdk.firewall.block("192.0.2.7")

        self.oneshot(run).run("{}")
        self.assertEqual(self.calls, ["192.0.2.7"])
        plugin = self.oneshot(lambda alert: (_ for _ in ()).throw(self.sdk.Error("denied", 7)))
        said = "TypeError: Error: `message` has to be str, not int"
        self.assertEqual(self.error(plugin.run, "{}"), HostError("failed", said, False))

    def test_a_long_or_broken_message_is_cut(self) -> None:
        def run(alert: Any) -> None:
            raise self.sdk.Error("odd\ud800", "ä" * 10_000 + "\ud800", retry=True)

        error = self.error(self.oneshot(run).run, "{}")
        self.assertEqual((error.kind, len(error.message), error.retry), ("odd?", 2048, True))

    def test_half_a_character_is_not_handed_over(self) -> None:
        plugin = self.reversible(
            add=lambda _, alert: self.sdk.firewall.block("\ud800"),
            keys=lambda _, alert: ["\ud800"],
        )
        self.assertEqual(self.error(plugin.add, "{}").kind, "invalid-input")
        self.assertEqual(self.error(plugin.keys, "{}").kind, "invalid-input")
        self.assertEqual(self.calls, [])
        self.sdk.log.info("\ud800")
        self.assertEqual(self.said, ["info: ?"])

    def test_wrong_answers_are_named(self) -> None:
        for receipt in ("text", 7, [1], True):
            plugin = self.reversible(add=lambda _, alert, receipt=receipt: receipt)
            self.assertIn("its receipt as bytes", self.error(plugin.add, "{}").message)
        for keys in ("key", None, [7], ["key", None], {"key": 1}, b"key"):
            plugin = self.reversible(keys=lambda _, alert, keys=keys: keys)
            self.assertIn("a list of texts", self.error(plugin.keys, "{}").message)

    def test_what_is_not_declared_is_denied(self) -> None:
        def run(alert: Any) -> None:
            self.sdk.quarantine.put("/tmp/a")

        error = self.error(self.oneshot(run).run, "{}")
        self.assertEqual(error.kind, "denied")
        self.assertIn("add it to `capabilities` in plugin.toml", error.message)
        self.assertIn("`http`", self.error(self.oneshot(lambda alert: self.sdk.http.get("https://a")).run, "").message)
        self.assertEqual((self.sdk.config.get("a", "b"), self.sdk.config.names()), ("b", []))

    def test_logging_goes_to_the_log(self) -> None:
        def run(alert: Any) -> None:
            logging.getLogger("x").warning("two\nlines %d", 2)
            logging.info("done")
            logging.debug("not asked for")

        self.oneshot(run).run("{}")
        self.assertEqual(self.said, ["warn: two", "warn: lines 2", "info: done"])

    def test_the_invocation_is_the_hosts(self) -> None:
        self.assertEqual((self.sdk.invocation.keys(), self.sdk.invocation.offence()), (["k"], 3))


class Resource:
    """One of the host's; says when it is dropped."""

    def __init__(self, log: list[str], name: str, **methods: Any) -> None:
        self.__dict__.update(methods)
        self._dropped = lambda: log.append(f"drop {name}")

    def __enter__(self) -> "Resource":
        return self

    def __exit__(self, *_: object) -> None:
        self._dropped()


class Http(Component):
    http = True

    def bindings(self) -> None:
        test, order = self, self.calls

        class Fields:
            def __init__(self) -> None:
                self.lines: list[tuple[str, bytes]] = []

            def append(self, name: str, value: bytes) -> None:
                if name.lower() == "host":
                    raise Err("forbidden")
                self.lines.append((name, value))

        class OutgoingRequest:
            def __init__(self, fields: Fields) -> None:
                self.fields, self.parts = fields, list[Any]()
                self.set_method = self.set_scheme = self.set_authority = self.set_path_with_query = self.parts.append

            def body(self) -> Any:
                return Resource(order, "body", write=lambda: stream)

        class OutgoingBody:
            @staticmethod
            def finish(body: Any, trailers: None) -> None:
                order.append("finish")

        case = lambda name: type(name, (), {})  # noqa: E731
        stream = Resource(order, "stream", blocking_write_and_flush=lambda b: order.append(f"write {len(b)}"))
        closed = case("StreamError_Closed")
        chunks = [b"hel", b"lo"]

        def read(most: int) -> bytes:
            if not chunks:
                raise Err(closed())
            return chunks.pop(0)

        incoming = Resource(
            order,
            "response",
            status=lambda: 201,
            headers=lambda: Resource(order, "fields", entries=lambda: [("X-A", b"1"), ("x-a", b"2")]),
            consume=lambda: Resource(
                order, "content", stream=lambda: Resource(order, "input", blocking_read=read)
            ),
        )
        self.answer: Any = Ok(Ok(incoming))

        def handle(request: OutgoingRequest, options: None) -> Any:
            test.sent = request
            if test.fails is not None:
                raise test.fails
            pollable = Resource(order, "pollable", block=lambda: order.append("block"))
            return Resource(order, "future", subscribe=lambda: pollable, get=lambda: test.answer)

        self.module("wit_world.imports.outgoing_handler", handle=handle)
        self.cases = {
            name: case(name)
            for name in (
                "Method_Get",
                "Method_Post",
                "Method_Other",
                "Scheme_Http",
                "Scheme_Https",
                "ErrorCode_HttpRequestDenied",
                "ErrorCode_LoopDetected",
            )
        }
        self.module(
            "wit_world.imports.wasi_http_types",
            Fields=Fields,
            OutgoingRequest=OutgoingRequest,
            OutgoingBody=OutgoingBody,
            **self.cases,
        )

    def test_a_request_is_sent_and_its_answer_read(self) -> None:
        answer = self.sdk.http.post("https://example.com/x?y", {"X-Key": "k"}, json={"a": "b" * 5000})
        self.assertEqual((answer.status, answer.text(), answer.headers), (201, "hello", {"x-a": "1, 2"}))
        method, scheme, authority, path = self.sent.parts
        names = (type(method).__name__, type(scheme).__name__, authority, path)
        self.assertEqual(names, ("Method_Post", "Scheme_Https", "example.com", "/x?y"))
        self.assertEqual(
            self.sent.fields.lines,
            [("Content-Type", b"application/json"), ("X-Key", b"k"), ("content-length", b"5008")],
        )
        # What was taken from another goes before it.
        self.assertEqual(
            self.calls,
            "write 4096|write 912|drop stream|finish|block|drop pollable|drop fields|drop input|drop content|"
            "drop response|drop future".split("|"),
        )

    def test_refusals_have_kinds(self) -> None:
        for name, kind, retry in (
            ("ErrorCode_HttpRequestDenied", "denied", False),
            ("ErrorCode_LoopDetected", "unavailable", True),
        ):
            code = self.cases[name]()
            for self.fails, self.answer in ((Err(code), None), (None, Ok(Err(code)))):
                with self.assertRaises(self.sdk.Error) as raised:
                    self.sdk.http.get("https://example.com/")
                self.assertEqual((raised.exception.kind, raised.exception.retry), (kind, retry))

    def test_headers_of_the_engine_are_refused(self) -> None:
        with self.assertRaisesRegex(self.sdk.Error, "the header Host"):
            self.sdk.http.get("https://example.com/", {"Host": "other"})


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in ("riposte_sdk", "wit_world", "componentize_py_types")


if __name__ == "__main__":
    unittest.main()
