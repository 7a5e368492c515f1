"""What the operator sets for this command: `<config name="" value=""/>`."""

from . import _border, host
from ._checked import take


def get(name: str, default: str | None = None) -> str | None:
    """The value of `name`; `default` when it is not set."""
    take("config.get", "name", str, name)
    if _border.SANDBOXED:
        # Declared or not, a name that is not set has no value.
        found = _border.getter("config.get", _border.clean(name)) if _border.there("config") else None
    else:
        found = host.config(name)
    return default if found is None else str(found)


def names() -> list[str]:
    """All names that are set, in order."""
    if not _border.SANDBOXED:
        return host.config_names()
    return list(_border.getter("config.names")) if _border.there("config") else []
