"""Tells people what happened: in Slack, Microsoft Teams or Telegram.

`<config name="service" value="slack"/>` says where: `slack` (the default) and
`teams` post to the webhook in `<secret name="hook"/>`, `telegram` sends to the chat
in `<config name="chat" value="..."/>` with the bot's token in `<secret name="token"/>`.
"""

from riposte_sdk import Alert, Error, config, http, log, oneshot, secret


@oneshot
def tell(alert: Alert) -> None:
    service = config.get("service", "slack")
    message: dict[str, object]
    match service:
        case "slack":
            # An alert must not call everybody, or show a link under another name.
            shown = text(alert).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            url, message = secret.get("hook"), {"text": shown}
        case "teams":
            url, message = secret.get("hook"), card(text(alert))
        case "telegram":
            # Plain text: without a parse mode nothing in it is markup.
            message = {"chat_id": config.get("chat"), "text": text(alert)}
            url = f"https://api.telegram.org/bot{secret.get('token')}/sendMessage"
        case other:
            raise Error.failed(f'service "{other}" is not known: slack, teams or telegram')
    answer = http.post(url, json=message)
    if answer.status == 429 or answer.status >= 500:
        raise Error.unavailable(f"{service} answered {answer.status}")
    if not answer.ok:
        raise Error.failed(f"{service} answered {answer.status}: check its secret")
    log.info(f"told {service}")


def text(alert: Alert) -> str:
    what = alert.text("/rule/description") or "an alert"
    where = alert.text("/agent/name") or "this machine"
    level = alert.number("/rule/level") or 0
    return f"{what} on {where} (level {level}): {alert.text('/full_log') or ''}"[:2000]


def card(shown: str) -> dict[str, object]:
    """What an incoming webhook of Teams takes. A text of Markdown would show links."""
    block = {"type": "TextRun", "text": shown}
    content = {
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [block]}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    return {"type": "message", "attachments": [attachment]}
