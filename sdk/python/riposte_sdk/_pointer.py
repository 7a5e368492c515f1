"""JSON for native tests, as the host of a component reads it.

Numbers stay as they are written, and a member that its object holds twice has no
value: two readers would find two.
"""

import json
from typing import Any


class _Number(str):
    """A number, as it is written."""


_TWICE = object()


def read(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError` when it is none."""
    return json.loads(
        text,
        parse_int=_Number,
        parse_float=_Number,
        parse_constant=_no_constant,
        object_pairs_hook=_members,
    )


def find(value: Any, pointer: str) -> Any:
    """What stands at a pointer, as `/data/srcip` or `data.srcip`; None when nothing."""
    if pointer.startswith("/"):
        names = [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]
    else:
        names = pointer.split(".")
    for name in names:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list):
            value = value[int(name)] if _is_index(name) and int(name) < len(value) else None
        else:
            return None
    return value


def text(value: Any) -> str | None:
    """A text, a number or a boolean as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else None


def number(value: Any) -> int | None:
    """A whole number of 64 bits, also as a text of digits."""
    if not isinstance(value, str):
        return None
    digits = value.removeprefix("-") if isinstance(value, _Number) else value
    if not (digits.isascii() and digits.isdigit()):
        return None
    # Longer ones would be refused by Python, whatever they are.
    whole = int(value) if len(value) < 40 else 1 << 64
    return whole if -(1 << 63) <= whole < 1 << 63 else None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        members[name] = _TWICE if name in members else value
    return members


def _is_index(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 10 and (name == "0" or name[0] != "0")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
