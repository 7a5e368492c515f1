"""Does what a response must not do, to show what becomes of it."""

from riposte_sdk import Alert, Error, log, oneshot

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
