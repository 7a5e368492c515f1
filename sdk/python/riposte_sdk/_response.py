"""What a plugin is, and how it becomes the exports of a component."""

import gc
import linecache
import os.path
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, TypeVar

from . import _border, log
from ._alert import Alert
from ._error import Error

# Most bytes of an error's message: the engine keeps as much.
MESSAGE = 4096
# Most letters of a traceback, and the last steps of it: a call may log little more,
# and a thousand steps would cost more time than it has.
TRACEBACK = 6144
STEPS = 20

Value = TypeVar("Value")


class Reversible(Protocol):
    """A response that is undone when its time is over: a class with the decorator
    `reversible`. It may also have a method `keys`.

    Every call runs in a fresh instance of the component: nothing stays in memory
    between `add` and `delete` but what the receipt holds.
    """

    def add(self, alert: Alert, /) -> bytes | None:
        """Makes the effect and returns the receipt: what `delete` needs and the alert
        does not hold, at most 64 KiB, often nothing. May be called again; what is
        done already is a success."""

    def delete(self, alert: Alert, receipt: bytes | None, /) -> None:
        """Undoes the effect. Must succeed without a receipt, when called twice, and
        when there was no `add` before."""


# Where the plugin lay while its component was built; no place of the operator's.
_folder = "\0"

Plugin = TypeVar("Plugin", bound=Reversible)
Run = TypeVar("Run", bound=Callable[[Alert], None])


def reversible(plugin: type[Plugin]) -> type[Plugin]:
    """Makes the component export this class as a response that is undone.

    A method `keys(self, alert) -> list[str]` says what the response would act on, in
    one spelling for one target. The engine calls it first, with every effect
    refused; it does not answer a target in force twice, and counts its offences. An
    empty list: the alert is not for this plugin. Without it the key is the source
    address.
    """
    for method in ("add", "delete"):
        if not callable(getattr(plugin, method, None)):
            raise TypeError(f"@reversible: {plugin.__name__} has no method `{method}`")
    if not _border.SANDBOXED:
        return plugin

    class Exported:
        """What componentize-py looks for in the module of the plugin."""

        def keys(self, alert: str) -> list[str]:
            return _answer(lambda: _keys(plugin(), Alert(alert)))

        def add(self, alert: str) -> bytes:
            return _answer(lambda: _receipt(plugin().add(Alert(alert))))

        def delete(self, alert: str, receipt: bytes | None) -> None:
            _answer(lambda: plugin().delete(Alert(alert), receipt))

    _export(plugin.__module__, "Reversible", Exported)
    return plugin


def oneshot(run: Run) -> Run:
    """Makes the component export this function as a response that happens once and
    is never undone."""
    if not _border.SANDBOXED:
        return run

    class Exported:
        """What componentize-py looks for in the module of the plugin."""

        def run(self, alert: str) -> None:
            _answer(lambda: run(Alert(alert)))

    _export(run.__module__, "Oneshot", Exported)
    return run


def _export(module: str, name: str, exported: type) -> None:
    setattr(sys.modules[module], name, exported)
    log.take_logging()
    _keep_sources(module)
    # What is there now stays for as long as the instance: a collection that looked
    # at it would only make the instance copy pages that all instances share.
    gc.collect()
    gc.freeze()


def _keys(plugin: Any, alert: Alert) -> list[str]:
    keys = getattr(plugin, "keys", None)
    if keys is None:
        return [alert.srcip]
    found = keys(alert)
    if not isinstance(found, (list, tuple)) or not all(isinstance(key, str) for key in found):
        raise TypeError(f"`keys` has to return a list of texts; it returned {found!r}")
    for key in found:
        if key != _border.clean(key):
            raise Error.invalid(f"the key {key!r} is no valid text")
    return list(found)


def _receipt(receipt: Any) -> bytes:
    if receipt is None:
        return b""
    if not isinstance(receipt, (bytes, bytearray)):
        kind = type(receipt).__name__
        raise TypeError(f"`add` has to return its receipt as bytes, or nothing; it returned a {kind}")
    return bytes(receipt)


def _answer(call: Callable[[], Value]) -> Value:
    """What a call comes to. Whatever leaves it becomes an error: an exception that
    reached the component's border would end the call as a crash, without a word."""
    try:
        return call()
    except Error as error:
        said = error
    # Also what asks Python to end: it would end the component.
    except BaseException as exception:
        _tell(exception)
        said = Error.failed(f"{type(exception).__name__}: {_shown(exception)}")
    # It may quote an alert of any length, and what is too long cannot be handed over.
    message = _shown(said.message).encode("utf-8", "replace")[:MESSAGE].decode("utf-8", "ignore")
    kind = _border.clean(_shown(said.kind))
    raise _border.Err(_border.TYPES.Error(kind, message, bool(said.retry)))


def _shown(value: Any) -> str:
    """As text, also what raises when it is asked for one."""
    try:
        return str(value)
    except BaseException:
        return f"(a {type(value).__name__} without a text)"


def _tell(exception: BaseException) -> None:
    """Writes the traceback to the log, without the steps of this module."""
    steps = _own(exception.__traceback__)
    lines = traceback.format_exception(type(exception), exception, steps, limit=-STEPS)
    text = "".join(lines).replace(f'File "{_folder}', 'File "')
    if len(text) > TRACEBACK:
        # The end says what happened.
        text = "...\n" + text[-TRACEBACK:]
    for line in text.splitlines():
        log.error(line)


def _own(steps: TracebackType | None) -> TracebackType | None:
    while steps is not None and steps.tb_frame.f_code.co_filename == __file__:
        steps = steps.tb_next
    return steps


def _keep_sources(module: str) -> None:
    """Keeps the lines of the plugin for its tracebacks: in the component there is no
    file to read them from."""
    global _folder
    own = getattr(sys.modules[module], "__file__", None)
    if own is None:
        return
    _folder = os.path.join(os.path.dirname(own), "")
    for known in list(sys.modules.values()):
        file = getattr(known, "__file__", None)
        if file is not None and file.startswith(_folder):
            lines = linecache.getlines(file)
            # Without a time of change it is never looked for again.
            linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
