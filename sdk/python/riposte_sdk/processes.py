"""Ends processes. Granted by `<process/>`, which names the programs."""

from . import _border


def running(name: str) -> list[int]:
    """The processes that run the program `name`."""
    return _border.answer("processes.running", list[int](), name, text=name)


def kill(process: int, name: str) -> bool:
    """Ends `process` if it still runs `name`; `False` when it does not."""
    return _border.answer("processes.kill", False, process, name, text=f"{process} {name}")
