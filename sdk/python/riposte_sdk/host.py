"""The host of native tests.

It records every call and answers like a host on which nothing is blocked yet:

    host.reset()
    assert firewall.block("192.0.2.7")
    assert not firewall.block("192.0.2.7")
    assert host.calls() == ["firewall.block 192.0.2.7", "firewall.block 192.0.2.7"]

In a component there is another, and nothing of this is used.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from ._error import Error

Value = TypeVar("Value")


@dataclass(frozen=True)
class Invocation:
    """What the invocation answers; `set_invocation` replaces it."""

    command: str = "test"
    id: str = "1"
    attempt: int = 1
    timeout: int | None = 600
    offence: int = 1
    tenant: str = "default"
    location: str = "local"
    arguments: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """What the operator's `<keys>` found in the alert."""


@dataclass
class _Host:
    calls: list[str] = field(default_factory=list)
    # What is held, by interface and target.
    held: set[tuple[str, str]] = field(default_factory=set)
    refusals: dict[str, Error] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)
    invocation: Invocation = field(default_factory=Invocation)


_host = _Host()


def reset() -> None:
    """Forgets all calls, what is held, refusals, answers and settings."""
    global _host
    _host = _Host()


def calls() -> list[str]:
    """Every call since the last one of this function, in order:
    `firewall.block 192.0.2.7`, `log Info blocked`."""
    taken, _host.calls = _host.calls, []
    return taken


def refuse(function: str, error: Error) -> None:
    """From now on, `function` (`firewall.block`) raises `error`."""
    _host.refusals[function] = error


def answer_with(function: str, value: Any) -> None:
    """From now on, `function` (`exec.run`, `http.send`) returns this value, which has
    to be of the type that the function returns."""
    _host.answers[function] = value


def set_config(name: str, value: str) -> None:
    """From now on, `config.get` returns `value` for `name`."""
    _host.config[name] = value


def set_invocation(invocation: Invocation) -> None:
    """From now on, the invocation answers this."""
    _host.invocation = invocation


# What the modules of the capabilities call.


def make(function: str, *arguments: str) -> bool:
    """A call that makes an effect: `False` when it is there already."""
    held = _called(function, arguments)
    if held in _host.held:
        return _answered(function, False)
    _host.held.add(held)
    return _answered(function, True)


def undo(function: str, *arguments: str) -> bool:
    """A call that takes it back: `False` when it is not there."""
    held = _called(function, arguments)
    if held not in _host.held:
        return _answered(function, False)
    _host.held.remove(held)
    return _answered(function, True)


def holds(function: str, *arguments: str) -> bool:
    """A call that asks for it."""
    held = _called(function, arguments)
    return _answered(function, held in _host.held)


def answer(function: str, text: str, default: Value) -> Value:
    """A call with an answer of its own."""
    _called(function, (text,))
    return _answered(function, default)


def say(level: str, message: str) -> None:
    """A line of the log."""
    _host.calls.append(f"log {level} {message}")


def config(name: str) -> str | None:
    """What `set_config` set."""
    return _host.config.get(name)


def config_names() -> list[str]:
    """All names that `set_config` set."""
    return sorted(_host.config)


def invocation() -> Invocation:
    """What `set_invocation` set."""
    return _host.invocation


def _called(function: str, arguments: tuple[str, ...]) -> tuple[str, str]:
    # What acts on no target acts on this host.
    target = " ".join(arguments) if arguments else "host"
    _host.calls.append(f"{function} {target}")
    refusal = _host.refusals.get(function)
    if refusal is not None:
        raise refusal
    return function.partition(".")[0], target


def _answered(function: str, default: Value) -> Value:
    value: Value = _host.answers.get(function, default)
    return value
