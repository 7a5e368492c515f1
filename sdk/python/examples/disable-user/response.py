"""Locks the user of an alert out, and ends what the user runs."""

from riposte_sdk import Alert, accounts, invocation, log, reversible


@reversible
class DisableUser:
    def keys(self, alert: Alert) -> list[str]:
        return [user(alert)]

    def add(self, alert: Alert) -> None:
        name = user(alert)
        accounts.lock(name)
        ended = accounts.end_sessions(name)
        log.info(f"locked {name}, ended {ended} processes")

    def delete(self, alert: Alert, receipt: bytes | None) -> None:
        accounts.unlock(user(alert))


def user(alert: Alert) -> str:
    # The operator's <keys> go first.
    keys = invocation.keys()
    return keys[0] if keys else alert.user
