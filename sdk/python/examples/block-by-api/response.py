"""Blocks the source address at a firewall elsewhere, by its HTTP interface.

The interface here is made up: change paths and members to those of your firewall.
`<config name="url" value="https://firewall.example.com/api"/>` says where it is,
`<secret name="token"/>` what it is asked with.
"""

from riposte_sdk import Alert, Error, config, http, invocation, log, reversible, secret


@reversible
class BlockByApi:
    def keys(self, alert: Alert) -> list[str]:
        # One address, one key, however the alert spells it.
        return [str(alert.address)]

    def add(self, alert: Alert) -> bytes:
        address = str(alert.address)
        # It ends there by itself too, should this engine never come back.
        block = {"address": address, "seconds": invocation.timeout(), "reference": invocation.id()}
        answer = ask("POST", "/blocks", block)
        log.info(f"blocked {address} at the firewall")
        return str(answer.json()["id"]).encode()

    def delete(self, alert: Alert, receipt: bytes | None) -> None:
        if receipt:
            remove(receipt.decode())
            return
        # The engine may have stopped before the receipt was stored.
        for block in ask("GET", f"/blocks?address={alert.address}").json():
            remove(str(block["id"]))


def remove(block: str) -> None:
    if not block.isalnum():
        raise Error.failed(f"the firewall gave a block the identifier {block!r}, which is none")
    ask("DELETE", f"/blocks/{block}", gone_is_good=True)


def ask(method: str, path: str, body: object = None, gone_is_good: bool = False) -> http.Response:
    url = config.get("url")
    if url is None:
        raise Error.failed('no firewall is named: add <config name="url" value="https://..."/>')
    headers = {"Authorization": f"Bearer {secret.get('token')}"}
    answer = http.request(method, url + path, headers, json=body)
    if answer.ok or (gone_is_good and answer.status == 404):
        return answer
    if answer.status == 429 or answer.status >= 500:
        raise Error.unavailable(f"the firewall answered {answer.status}")
    raise Error.failed(f"the firewall answered {answer.status}: check token and url")
