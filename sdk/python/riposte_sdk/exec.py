"""Runs programs of the host. Granted by `<exec/>`, one element for each program.

There is no shell: each argument reaches the program as one, whatever it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from . import _border
from ._checked import checked


@dataclass(frozen=True)
class Output:
    """How a program ended."""

    status: int = 0
    """Its exit status, or minus the number of the signal that ended it."""
    stdout: bytes = b""
    """What it wrote to its standard output."""
    stderr: bytes = b""
    """What it wrote to its standard error."""
    truncated: bool = False
    """Whether it wrote more than is kept."""


@checked
def run(program: str, arguments: Sequence[str] = (), input: bytes = b"") -> Output:
    """Runs `program`, an absolute path, to its end."""
    text = " ".join([program, *arguments])
    ended = _border.answer("exec.run", Output(), program, list(arguments), bytes(input), text=text)
    return Output(ended.status, ended.stdout, ended.stderr, ended.truncated)
