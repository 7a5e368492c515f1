"""The call that is being served."""

from typing import Any

from . import _border, host


def command() -> str:
    """Name of the `<command>` that runs."""
    return str(_get("command"))


def id() -> str:
    """Identifies this response to this alert: the same for `keys`, `add` and
    `delete`, also after a restart."""
    return str(_get("id"))


def attempt() -> int:
    """Which attempt this is, from 1. From the second on, `add` may find its own
    earlier work."""
    return int(_get("attempt"))


def timeout() -> int | None:
    """Seconds until `delete` is due; `None` when the response is not undone."""
    seconds = _get("timeout")
    return None if seconds is None else int(seconds)


def offence() -> int:
    """Which offence of this target it is, from 1; always 1 during `keys`."""
    return int(_get("offence"))


def tenant() -> str:
    """The tenant; `default` on a machine without tenants."""
    return str(_get("tenant"))


def location() -> str:
    """`local`, `server`, `defined-agent` or `all`."""
    return str(_get("location"))


def arguments() -> list[str]:
    """The words of `<extra_args>`."""
    return list(_get("arguments"))


def keys() -> list[str]:
    """What the operator's `<keys>` found in the alert; empty when the command has
    none. A response that acts on an address or a user takes it from here first."""
    return list(_get("keys"))


def _get(name: str) -> Any:
    if _border.SANDBOXED:
        return _border.getter(f"invocation.{name}")
    return getattr(host.invocation(), name)
