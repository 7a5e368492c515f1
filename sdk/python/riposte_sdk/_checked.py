"""Types before the border.

What has another type than the world asks for cannot be handed over: the glue of
componentize-py would end the call as a crash, which no `except` catches and no log
explains. So every function that hands something to the host looks at it first, and
raises a `TypeError` in the plugin; natively as in a component.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, get_args, get_origin

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


def checked(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """Lets a function of a capability take what its annotations say, and nothing else."""
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    names = function.__code__.co_varnames
    types = {one: wanted for one, wanted in function.__annotations__.items() if one != "return"}

    @functools.wraps(function)
    def call(*arguments: Parameters.args, **named: Parameters.kwargs) -> Returned:
        for parameter, value in (*zip(names, arguments), *named.items()):
            # A name that it does not have is Python's to refuse.
            if parameter in types:
                take(name, parameter, types[parameter], value)
        return function(*arguments, **named)

    return call


def take(function: str, parameter: str, wanted: Any, value: Any) -> None:
    """Raises `TypeError` unless `value` is what `function` wants. It says what was
    given by its type alone: a value may be a secret, or of any length."""
    if not _fits(wanted, value):
        raise TypeError(
            f"{function}: `{parameter}` has to be {_named(wanted)}, not {_given(value)}"
        )


def _fits(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, UnionType):
        return any(_fits(one, value) for one in get_args(wanted))
    if get_origin(wanted) is Sequence:
        return _is_list(value) and all(_fits(get_args(wanted)[0], one) for one in value)
    if get_origin(wanted) is Mapping:
        name, member = get_args(wanted)
        return isinstance(value, Mapping) and all(
            _fits(name, key) and _fits(member, one) for key, one in value.items()
        )
    if wanted is bytes:
        # Its functions make bytes of it.
        return isinstance(value, (bytes, bytearray))
    return wanted is Any or isinstance(value, wanted)


def _is_list(value: Any) -> bool:
    """Not a text, which is a sequence of texts too: each letter would be one."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))


def _named(wanted: Any) -> str:
    if isinstance(wanted, UnionType):
        return " or ".join(map(_named, get_args(wanted)))
    members = " to ".join(map(_named, get_args(wanted)))
    if get_origin(wanted) is Sequence:
        return f"a list of {members}"
    if get_origin(wanted) is Mapping:
        return f"a mapping of {members}"
    return _type(wanted)


def _given(value: Any) -> str:
    """Its type; of a list or a mapping also what is in it, which may be the fault."""
    holds: set[str] = set()
    if _is_list(value):
        holds = {_type(type(one)) for one in value}
    elif isinstance(value, Mapping):
        holds = {_type(type(one)) for one in (*value.keys(), *value.values())}
    members = f" of {', '.join(sorted(holds))}" if holds else ""
    return _type(type(value)) + members


def _type(one: type) -> str:
    return "None" if one is NoneType else one.__name__
