"""Keeps single lines in text files such as hosts.deny.

Granted by `<lines/>`, one element for each file.
"""

from . import _border
from ._checked import checked


@checked
def ensure(file: str, line: str) -> bool:
    """Sees to it that `file` holds `line`; `False` when it was there."""
    return _border.make("lines.ensure", file, line)


@checked
def remove(file: str, line: str) -> bool:
    """Ends what `ensure` began; `False` when this response did not hold it."""
    return _border.undo("lines.remove", file, line)


@checked
def contains(file: str, line: str) -> bool:
    """Whether `file` holds `line`."""
    return _border.holds("lines.contains", file, line)
