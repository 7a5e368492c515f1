"""Sends the request, or reads the file, that the alert names: what every SDK has to
bring of HTTP and of files."""

from riposte_sdk import Alert, Error, http, log, oneshot


@oneshot
def reach(alert: Alert) -> None:
    path = alert.text("/data/read")
    if path is not None:
        with open(path, "rb") as file:
            log.info(f"read {len(file.read())} bytes")
        return
    url = alert.text("/data/url")
    if url is None:
        raise Error.no_key("the alert names nothing")
    value = alert.text("/data/header")
    for _ in range(alert.number("/data/times") or 1):
        answer = http.request(
            alert.text("/data/method") or "GET",
            url,
            {} if value is None else {"X-Probe": value},
            alert.text("/data/body") or "",
        )
        reply = answer.headers.get("x-reply", "none")
        log.info(f"answered {answer.status}, {reply}, {len(answer.body)} bytes")
