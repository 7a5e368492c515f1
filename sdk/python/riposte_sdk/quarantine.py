"""Takes files out of everybody's reach.

Granted by `<quarantine/>`, which names the folders.
"""

from . import _border
from ._checked import checked


@checked
def put(path: str) -> bool:
    """Moves the file into the quarantine; `False` when a response holds it there."""
    return _border.make("quarantine.put", path)


@checked
def restore(path: str) -> bool:
    """Puts the file back; `False` when this response did not hold it."""
    return _border.undo("quarantine.restore", path)


@checked
def holds(path: str) -> bool:
    """Whether a response holds the file in quarantine."""
    return _border.holds("quarantine.holds", path)
