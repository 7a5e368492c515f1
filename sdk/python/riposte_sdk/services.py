"""Acts on services of the init system.

Granted by `<service/>`, one element for each unit.
"""

from . import _border
from ._checked import checked


@checked
def restart(unit: str) -> None:
    """Stops `unit` and starts it again."""
    _border.answer("services.restart", None, unit, text=unit)


@checked
def reload(unit: str) -> None:
    """Lets `unit` read its configuration again."""
    _border.answer("services.reload", None, unit, text=unit)


@checked
def start(unit: str) -> bool:
    """Starts `unit`; `False` when it was running."""
    return _border.make("services.start", unit)


@checked
def stop(unit: str) -> bool:
    """Stops `unit`; `False` when it was not running."""
    return _border.undo("services.stop", unit)


@checked
def active(unit: str) -> bool:
    """Whether `unit` runs."""
    return _border.holds("services.active", unit)
