"""Does what a response must not do, to show what becomes of it."""

from typing import Any

from riposte_sdk import Alert, Error, exec, firewall, http, log, oneshot, processes, state

calls = 0


@oneshot
def probe(alert: Alert) -> None:
    global calls
    calls += 1
    match alert.text("/data/probe"):
        case "loop":
            while True:
                pass
        case "memory":
            held = []
            while True:
                held.append(bytearray(1 << 20))
        case "throw":
            raise ValueError("thrown on purpose")
        case "state" if calls > 1:
            raise Error.failed(f"this instance has served {calls - 1} calls before")
        case "log":
            log.warn("from probe")
        case "wrong type":
            # What mypy would have found: there may be nothing, and then it is None.
            nothing: Any = alert.text("/data/nothing")
            firewall.block(nothing)
        case "wrong types":
            wrong_types(alert["data"]["peer"])
        case "kinds of bytes":
            data: Any = bytearray(b"x")
            exec.run("/bin/true", ["a"], data)
            state.set("key", data)
        case "number":
            processes.kill(alert.number("/data/process") or 0, "miner")


def wrong_types(peer: Any) -> None:
    """None of these may reach the host, and each can be caught."""
    text: Any = "text"
    for call in (
        lambda: firewall.block(peer),
        lambda: firewall.unblock(address=None),  # type: ignore[arg-type]
        lambda: exec.run("/bin/true", ["a"], text),
        lambda: exec.run("/bin/true", text),
        lambda: exec.run("/bin/true", ["a", peer]),
        lambda: state.set("key", text),
        lambda: processes.kill(text, "miner"),
        lambda: http.get("https://example.com/", {"X-Peer": peer}),
        lambda: http.post("https://example.com/", body=peer),
        lambda: log.info(peer),
        lambda: Error.failed(peer),
    ):
        try:
            call()
        except TypeError as error:
            log.info(f"caught {error}")
        else:
            raise Error.failed("nothing was raised")
