"""What authors use on their own machine: alert, capabilities, recording host."""

import inspect
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from types import ModuleType
from typing import Any

from riposte_sdk import (
    Alert,
    Error,
    accounts,
    config,
    exec,
    firewall,
    host,
    http,
    invocation,
    isolation,
    lines,
    log,
    mail,
    oneshot,
    processes,
    quarantine,
    reversible,
    routes,
    secret,
    services,
    state,
)


class Native(unittest.TestCase):
    def setUp(self) -> None:
        host.reset()

    @contextmanager
    def refused(self, kind: str) -> Iterator[None]:
        with self.assertRaises(Error) as raised:
            yield
        self.assertEqual(raised.exception.kind, kind)


class Alerts(Native):
    def test_texts_and_numbers(self) -> None:
        alert = Alert(
            '{"rule":{"level":10,"id":"5712","mail":true,"share":1.50},'
            '"data":{"srcport":"51544","uid":null,"list":["a",{"b":"c"}]},"a/b":{"~":"odd"}}'
        )
        for pointer, text in (
            ("/rule/id", "5712"),
            ("rule.id", "5712"),
            ("/rule/level", "10"),
            ("/rule/mail", "true"),
            ("/rule/share", "1.50"),
            ("/data/list/1/b", "c"),
            ("data.list.1.b", "c"),
            ("/a~1b/~0", "odd"),
        ):
            self.assertEqual(alert.text(pointer), text, pointer)
        for pointer in ("/data/uid", "/data", "/data/list", "/data/list/01", "/data/list/9", "/x/y", ""):
            self.assertIsNone(alert.text(pointer), pointer)
        self.assertEqual(alert.number("/rule/level"), 10)
        self.assertEqual(alert.number("/data/srcport"), 51544)
        self.assertIsNone(alert.number("/rule/mail"))
        self.assertIsNone(alert.number("/rule/share"))

    def test_numbers_are_of_64_bits(self) -> None:
        for written, number in (
            ("9223372036854775807", 9223372036854775807),
            ("-9223372036854775808", -9223372036854775808),
            ("9223372036854775808", None),
            ("9" * 5000, None),
            ('"-5"', None),
            ('"٣"', None),
            ("-5", -5),
            ("1e3", None),
        ):
            self.assertEqual(Alert(f'{{"n":{written}}}').number("/n"), number, written)

    def test_the_source_address_of_each_product(self) -> None:
        for text in (
            '{"data":{"win":{"eventdata":{"ipAddress":5}},"srcip":"192.0.2.7"}}',
            '{"data":{"win":{"eventdata":{"ipAddress":"5"}},"srcip":"192.0.2.7"}}',
            '{"data":{"srcip":"192.0.2.7"}}',
            '{"srcip":"192.0.2.7"}',
            '{"data":{"srcip":"-"},"source":{"ip":"192.0.2.7"}}',
            '{"data":{"srcip":"192.0.\\u0032.7"}}',
        ):
            self.assertEqual(Alert(text).srcip, "192.0.2.7", text)
        for text in (
            "{}",
            '{"data":{"srcip":""}}',
            '{"data":{"srcip":null}}',
            '{"data":{"srcip":7}}',
            '{"data":"srcip"}',
            '{"data":{"srcip":"192.0.2.7","srcip":"192.0.2.8"}}',
        ):
            with self.refused("no-key"):
                Alert(text).srcip

    def test_one_address_has_one_spelling(self) -> None:
        for written, address in (
            ("192.0.2.7", "192.0.2.7"),
            ("2001:DB8:0::7", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::192.0.2.7", "192.0.2.7"),
            ("::1", "::1"),
            ("::", "::"),
        ):
            alert = Alert.of({"data": {"srcip": written}})
            self.assertEqual(str(alert.address), address)
        for written in ("example.com", "192.0.2.7 ", "192.0.2.7\n-j ACCEPT", "192.0.2.0/24", "fe80::1%eth0"):
            with self.refused("invalid-input"):
                Alert.of({"data": {"srcip": written}}).address
        host.set_invocation(host.Invocation(keys=["192.0.2.9"]))
        self.assertEqual(Alert("{}").address, ip_address("192.0.2.9"))

    def test_the_user(self) -> None:
        self.assertEqual(Alert.of({"data": {"dstuser": "eve"}}).user, "eve")
        with self.refused("no-key"):
            Alert.of({"data": {"dstuser": "-"}}).user

    def test_it_is_a_mapping(self) -> None:
        alert = Alert('{"rule":{"level":10}}')
        self.assertEqual(alert["rule"]["level"], 10)
        self.assertEqual(alert.get("data", {}), {})
        self.assertEqual(list(alert), ["rule"])
        for text in ("not JSON", "[1]", "", "[" * 100_000):
            with self.refused("invalid-input"):
                Alert(text)["rule"]
        with self.refused("invalid-input"):
            Alert("not JSON").srcip


class Capabilities(Native):
    def test_every_call_is_recorded_in_the_words_of_all_languages(self) -> None:
        firewall.block("192.0.2.7")
        routes.blackhole("192.0.2.7")
        accounts.lock("eve")
        accounts.end_sessions("eve")
        services.restart("nginx.service")
        lines.ensure("/etc/hosts.deny", "ALL:192.0.2.7")
        processes.running("miner")
        processes.kill(7, "miner")
        exec.run("/usr/bin/yara", ["-w", "rules", "a b"])
        state.set("seen", b"1")
        state.get("seen")
        secret.get("token")
        quarantine.put("/tmp/a")
        isolation.isolate()
        mail.send("subject", "text")
        http.get("https://example.com/x?y#z")
        http.post("https://example.com", {"X-Key": "k"}, json={"ä": [1]})
        log.warn("careful")
        self.assertEqual(
            host.calls(),
            [
                "firewall.block 192.0.2.7",
                "routes.blackhole 192.0.2.7",
                "accounts.lock eve",
                "accounts.end-sessions eve",
                "services.restart nginx.service",
                "lines.ensure /etc/hosts.deny ALL:192.0.2.7",
                "processes.running miner",
                "processes.kill 7 miner",
                "exec.run /usr/bin/yara -w rules a b",
                "state.set seen 1",
                "state.get seen",
                "secret.get token",
                "quarantine.put /tmp/a",
                "isolation.isolate host",
                "mail.send subject text",
                "http.send GET https://example.com/x?y",
                'http.send POST https://example.com Content-Type: application/json X-Key: k {"ä":[1]}',
                "log Warn careful",
            ],
        )
        self.assertEqual(host.calls(), [])

    def test_what_is_made_is_held_until_it_is_undone(self) -> None:
        self.assertTrue(firewall.block("192.0.2.7"))
        self.assertFalse(firewall.block("192.0.2.7"))
        self.assertTrue(firewall.blocked("192.0.2.7"))
        self.assertTrue(firewall.unblock("192.0.2.7"))
        self.assertFalse(firewall.unblock("192.0.2.7"))
        self.assertFalse(firewall.blocked("192.0.2.7"))

    def test_answers_and_refusals(self) -> None:
        host.answer_with("exec.run", exec.Output(status=1, stderr=b"no"))
        self.assertEqual(exec.run("/bin/false").status, 1)
        host.answer_with("http.send", http.Response(404, b'{"a":1}'))
        answer = http.get("https://example.com/")
        self.assertFalse(answer.ok)
        self.assertEqual(answer.json(), {"a": 1})
        for body in (b"none", b"", b"[" * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200):
            with self.refused("failed"):
                http.Response(200, body).json()
        # Brackets in texts nest nothing.
        flat = b'["' + b'[\\"' * 1000 + b'"]'
        self.assertEqual(http.Response(200, flat).json(), ['["' * 1000])
        wide = b"[" + b"[]," * 1000 + b"[]]"
        self.assertEqual(len(http.Response(200, wide).json()), 1001)
        host.refuse("firewall.block", Error("denied", "an own address"))
        with self.refused("denied"):
            firewall.block("127.0.0.1")

    def test_urls(self) -> None:
        for url in ("", "example.com", "ftp://example.com/", "https:///a", "file:///etc/passwd"):
            with self.refused("invalid-input"):
                http.get(url)
        self.assertEqual(host.calls(), [])

    def test_settings(self) -> None:
        host.set_config("b", "1")
        self.assertEqual((config.get("b"), config.get("c"), config.get("c", "2")), ("1", None, "2"))
        self.assertEqual(config.names(), ["b"])
        host.set_invocation(host.Invocation(command="block", timeout=None, arguments=["x"]))
        self.assertEqual(invocation.command(), "block")
        self.assertIsNone(invocation.timeout())
        self.assertEqual(invocation.arguments(), ["x"])


CAPABILITIES: tuple[ModuleType, ...] = (
    accounts,
    exec,
    firewall,
    http,
    isolation,
    lines,
    log,
    mail,
    processes,
    quarantine,
    routes,
    secret,
    services,
    state,
)
# What each type of a parameter takes.
RIGHT: dict[type, object] = {str: "text", bytes: b"data", int: 7, log.Level: log.Level.INFO}


def functions(module: ModuleType) -> list[tuple[str, Any, dict[str, Any]]]:
    """What an author calls, with the types of its parameters."""
    found = []
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__:
            types = {one.name: one.annotation for one in inspect.signature(function).parameters.values()}
            if not name.startswith("_") and name != "take_logging":
                found.append((f"{module.__name__.rpartition('.')[2]}.{name}", function, types))
    return found


class Types(Native):
    def wrong(self, said: str, call: Any, *arguments: Any, **named: Any) -> None:
        with self.assertRaises(TypeError) as raised:
            call(*arguments, **named)
        self.assertEqual(str(raised.exception), said)
        self.assertEqual(host.calls(), [])

    def test_every_function_of_every_capability_looks_at_every_argument(self) -> None:
        looked = set()
        for module in CAPABILITIES:
            for name, function, types in functions(module):
                for wrong in types:
                    if types[wrong] is Any:
                        continue
                    looked.add(f"{name} {wrong}")
                    # What is of no type that any function takes.
                    named = {one: RIGHT.get(type, "") for one, type in types.items()}
                    named = {one: value for one, value in named.items() if types[one] in RIGHT}
                    named[wrong] = object()
                    with self.assertRaisesRegex(TypeError, f"^{name}: `{wrong}` has to be .+, not object$"):
                        function(**named)
        self.assertEqual(host.calls(), [])
        self.assertLess(
            {"firewall.block address", "exec.run input", "http.request headers", "log.log level"}, looked
        )

    def test_it_says_what_was_given_and_what_is_wanted(self) -> None:
        run, get, url = exec.run, http.get, "https://example.com/"
        self.wrong("firewall.block: `address` has to be str, not None", firewall.block, None)
        self.wrong("firewall.block: `address` has to be str, not int", firewall.block, address=7)
        self.wrong(
            "firewall.block: `address` has to be str, not IPv4Address",
            firewall.block,
            Alert.of({"srcip": "192.0.2.7"}).address,
        )
        self.wrong("exec.run: `input` has to be bytes, not str", run, "/bin/true", ["a"], "text")
        self.wrong("exec.run: `arguments` has to be a list of str, not str", run, "/bin/true", "-x")
        self.wrong(
            "exec.run: `arguments` has to be a list of str, not list of int, str", run, "/bin/true", ["a", 7]
        )
        for headers, given in (({"X": None}, "dict of None, str"), ({7: "a"}, "dict of int, str"), ("X: a", "str")):
            self.wrong(
                f"http.get: `headers` has to be a mapping of str to str or None, not {given}", get, url, headers
            )
        self.wrong("http.post: `body` has to be bytes or str, not list of int", http.post, url, body=[1])
        self.wrong("log.info: `message` has to be str, not int", log.info, 7)
        self.wrong("log.log: `level` has to be Level, not str", log.log, "info", "text")
        alert = Alert("{}")
        self.wrong("config.get: `name` has to be str, not None", config.get, None)
        self.wrong("alert.text: `pointer` has to be str, not int", alert.text, 7)
        self.wrong("alert.number: `pointer` has to be str, not int", alert.number, 7)

    def test_an_error_is_of_texts(self) -> None:
        self.wrong("Error: `message` has to be str, not int", Error, "failed", 7)
        self.wrong("Error: `message` has to be str, not None", Error.no_key, None)
        self.wrong("Error: `kind` has to be str, not int", Error, 404, "not found")
        self.wrong("Error: `retry` has to be bool, not str", Error, "failed", "text", "yes")

    def test_what_python_takes_for_the_same_is_taken(self) -> None:
        data: Any = bytearray(b"data")
        exec.run("/bin/true", ("a", "b"), data)
        state.set("key", data)
        http.post("https://example.com", body=data)
        self.assertEqual(
            host.calls(),
            ["exec.run /bin/true a b", "state.set key data", "http.send POST https://example.com data"],
        )

    def test_a_number_that_is_none_of_a_process(self) -> None:
        for process in (-1, 1 << 32, 1 << 63):
            with self.refused("invalid-input"):
                processes.kill(process, "miner")
        self.assertEqual(host.calls(), [])


class Decorators(Native):
    def test_natively_they_leave_a_plugin_as_it_is(self) -> None:
        @reversible
        class Block:
            def add(self, alert: Alert) -> None:
                firewall.block(alert.srcip)

            def delete(self, alert: Alert, receipt: bytes | None) -> None:
                firewall.unblock(alert.srcip)

        @oneshot
        def tell(alert: Alert) -> None:
            log.info(alert.srcip)

        alert = Alert.of({"srcip": "192.0.2.7"})
        Block().add(alert)
        tell(alert)
        self.assertEqual(host.calls(), ["firewall.block 192.0.2.7", "log Info 192.0.2.7"])

    def test_a_class_without_a_method_is_told_which(self) -> None:
        with self.assertRaisesRegex(TypeError, "Half has no method `delete`"):

            @reversible  # type: ignore[type-var]
            class Half:
                def add(self, alert: Alert) -> None: ...


if __name__ == "__main__":
    unittest.main()
