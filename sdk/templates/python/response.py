"""Blocks the source address of an alert until the time of the response is over."""

from riposte_sdk import Alert, firewall, log, reversible


@reversible
class {{type}}:
    def add(self, alert: Alert) -> None:
        firewall.block(alert.srcip)
        log.info(f"blocked {alert.srcip}")

    def delete(self, alert: Alert, receipt: bytes | None) -> None:
        firewall.unblock(alert.srcip)
