"""Tells a webhook what happened."""

from riposte_sdk import Alert, Error, http, log, oneshot, secret


@oneshot
def run(alert: Alert) -> None:
    what = alert.text("/rule/description") or "an alert without a description"
    answer = http.post(secret.get("hook"), json={"text": what})
    if not answer.ok:
        raise Error.failed(f"the server answered {answer.status}: check the hook")
    log.info("posted")
