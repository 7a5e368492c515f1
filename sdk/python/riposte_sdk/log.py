"""Lines for the operator, in the engine's log under the command's name.

`print()` writes there too, as `info`. So does `logging`, when the plugin imports
it, at the level of each record. A call may write 8 KiB in all; what is more is
dropped, and the log says so.
"""

import sys
from enum import Enum
from typing import Any

from . import _border, host
from ._checked import checked


# What is too long to be handed over would end the call as a crash. More than may be
# written, so that the engine sees that there was more.
LONGEST = 16 << 10


class Level(Enum):
    """How much a line matters."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4


@checked
def log(level: Level, message: str) -> None:
    """Writes one line."""
    if _border.SANDBOXED:
        _border.getter("log.log", _LEVELS[level], _border.clean(message[:LONGEST]))
    else:
        host.say(level.name.capitalize(), message)


@checked
def trace(message: str) -> None:
    """Writes one line about a step."""
    log(Level.TRACE, message)


@checked
def debug(message: str) -> None:
    """Writes one line for whoever looks for a fault."""
    log(Level.DEBUG, message)


@checked
def info(message: str) -> None:
    """Writes one line about what was done."""
    log(Level.INFO, message)


@checked
def warn(message: str) -> None:
    """Writes one line about what is perhaps not as meant."""
    log(Level.WARN, message)


@checked
def error(message: str) -> None:
    """Writes one line about what did not work."""
    log(Level.ERROR, message)


def take_logging() -> None:
    """Lets the records of `logging` come here, if the plugin uses it: else it would
    be a part of every component. Called while the component is built."""
    logging: Any = sys.modules.get("logging")
    if logging is None or logging.root.handlers:
        return

    def emit(record: Any) -> None:
        for line in formatter.format(record).splitlines():
            log(_level(record.levelno), line)

    formatter = logging.Formatter("%(message)s")
    handler = logging.Handler()
    handler.emit = emit
    logging.root.addHandler(handler)
    # The engine has a filter of its own, so what was done is not held back here.
    if logging.root.level == logging.WARNING:
        logging.root.setLevel(logging.INFO)


def _level(number: int) -> Level:
    """That of `logging`: 10 is debug, 20 info, 30 a warning, 40 an error."""
    return Level(max(0, min(number // 10, 4)))


_LEVELS = (
    {level: _border.bound("log").Level(level.value) for level in Level} if _border.SANDBOXED else {}
)
