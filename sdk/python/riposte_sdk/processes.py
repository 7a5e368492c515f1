"""Ends processes. Granted by `<process/>`, which names the programs."""

from . import _border
from ._checked import checked
from ._error import Error


@checked
def running(name: str) -> list[int]:
    """The processes that run the program `name`."""
    return _border.answer("processes.running", list[int](), name, text=name)


@checked
def kill(process: int, name: str) -> bool:
    """Ends `process` if it still runs `name`; `False` when it does not."""
    # An alert may hold any number, and one of more than 32 bits cannot be handed over.
    if not 0 <= process < 1 << 32:
        raise Error.invalid(f"processes.kill: {process} is no number of a process")
    return _border.answer("processes.kill", False, process, name, text=f"{process} {name}")
