"""The border between a plugin and its host.

In a component it leads to the bindings that componentize-py makes of the world,
on your machine to the recording host of `riposte_sdk.host`. All modules of
capabilities call through here, so that the same source runs in both places.
"""

import importlib
from typing import Any, TypeVar

from . import host
from ._error import Error

Value = TypeVar("Value")

try:
    importlib.import_module("wit_world")
except ImportError:
    SANDBOXED = False
else:
    SANDBOXED = True


def bound(name: str) -> Any:
    """The bindings of an interface; None when the world of the plugin has none."""
    try:
        return importlib.import_module(f"wit_world.imports.{name}")
    except ImportError:
        return None


# The world of a plugin holds what its plugin.toml declares. Only what is loaded
# while the component is built can be used in it.
_INTERFACES = {
    name: bound(name) if SANDBOXED else None
    for name in (
        "accounts",
        "alert",
        "config",
        "exec",
        "firewall",
        "invocation",
        "isolation",
        "lines",
        "log",
        "mail",
        "processes",
        "quarantine",
        "routes",
        "secret",
        "services",
        "state",
    )
}

if SANDBOXED:
    # Beside another package that has an interface `types`, it goes by its whole name.
    TYPES = bound("types") or bound("active_response_plugin_types")
    Err: Any = importlib.import_module("componentize_py_types").Err
else:
    TYPES = None
    Err = Error


def make(function: str, *arguments: Any) -> bool:
    """A call that makes an effect: `False` when it is there already."""
    if SANDBOXED:
        return bool(_call(function, arguments))
    return host.make(function, *arguments)


def undo(function: str, *arguments: Any) -> bool:
    """A call that takes it back: `False` when it is not there."""
    if SANDBOXED:
        return bool(_call(function, arguments))
    return host.undo(function, *arguments)


def holds(function: str, *arguments: Any) -> bool:
    """A call that asks for it."""
    if SANDBOXED:
        return bool(_call(function, arguments))
    return host.holds(function, *arguments)


def answer(function: str, default: Value, *arguments: Any, text: str) -> Value:
    """A call with an answer of its own; `text` is how tests see its arguments."""
    if SANDBOXED:
        found: Value = _call(function, arguments)
        return found
    return host.answer(function, text, default)


def getter(function: str, *arguments: Any) -> Any:
    """A call that cannot be refused, of an interface that is always there."""
    interface = _INTERFACES[function.partition(".")[0]]
    return getattr(interface, _named(function))(*arguments)


def there(interface: str) -> bool:
    """Whether the world of this component holds an interface."""
    return _INTERFACES.get(interface) is not None


def clean(text: str) -> str:
    """`text` as it can be handed over: half a pair of surrogates is no Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def undeclared(capability: str) -> Error:
    """What is said when a plugin calls what its plugin.toml does not declare."""
    return Error(
        "denied",
        f"this component was built without `{capability}`: "
        f"add it to `capabilities` in plugin.toml and build it again",
    )


def _call(function: str, arguments: tuple[Any, ...]) -> Any:
    name = function.partition(".")[0]
    interface = _INTERFACES[name]
    if interface is None:
        raise undeclared(name)
    for argument in arguments:
        _check(function, argument)
    try:
        return getattr(interface, _named(function))(*arguments)
    except Err as refused:
        said = refused.value
        raise Error(said.kind, said.message, said.retry) from None


def _check(function: str, argument: Any) -> None:
    """What cannot be handed over would end the call as a crash, not as an error."""
    if isinstance(argument, str) and not argument.isascii():
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            raise Error.invalid(f"{function}: {argument!r} is no valid text") from None
    elif isinstance(argument, list):
        for element in argument:
            _check(function, element)


def _named(function: str) -> str:
    return function.partition(".")[2].replace("-", "_")
