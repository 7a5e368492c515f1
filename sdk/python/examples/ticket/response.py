"""Opens a ticket for an alert, once.

`<config name="url" value="https://tickets.example.com/api/tickets"/>` says where,
`<secret name="token"/>` with which right. The interface is made up: change the
members to those of your system.
"""

from riposte_sdk import Alert, Error, config, http, invocation, log, oneshot, secret


@oneshot
def open_ticket(alert: Alert) -> None:
    url = config.get("url")
    if url is None:
        raise Error.failed('no place for tickets is named: add <config name="url" value="https://..."/>')
    level = alert.number("/rule/level") or 0
    ticket = {
        "title": alert.text("/rule/description") or "an alert without a description",
        "priority": "high" if level >= 10 else "normal",
        "body": alert.text("/full_log") or "",
    }
    # The same for every attempt, so that a repetition opens no second one.
    headers = {"Authorization": f"Bearer {secret.get('token')}", "Idempotency-Key": invocation.id()}
    answer = http.post(url, headers, json=ticket)
    if answer.status == 429 or answer.status >= 500:
        raise Error.unavailable(f"the ticket system answered {answer.status}")
    if not answer.ok:
        raise Error.failed(f"the ticket system answered {answer.status}: check token and url")
    log.info(f"opened ticket {answer.json().get('id')}")
