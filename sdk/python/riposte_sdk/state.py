"""Values that outlive a call, for this command alone. Granted by `<state/>`."""

from . import _border
from ._checked import checked


@checked
def get(key: str) -> bytes | None:
    """The value of `key`, if there is one."""
    none: bytes | None = None
    return _border.answer("state.get", none, key, text=key)


@checked
def set(key: str, value: bytes) -> None:
    """Sets the value of `key`; it then survives a crash of the machine."""
    text = f"{key} {value.decode('utf-8', 'replace')}"
    _border.answer("state.set", None, key, bytes(value), text=text)


@checked
def remove(key: str) -> bool:
    """Removes the value of `key`; `False` when there was none."""
    return _border.undo("state.remove", key)


@checked
def keys(prefix: str = "") -> list[str]:
    """All keys that begin with `prefix`, in order."""
    return _border.answer("state.keys", list[str](), prefix, text=prefix)
