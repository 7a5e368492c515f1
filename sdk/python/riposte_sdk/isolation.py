"""Cuts this host off from the network. Granted by `<isolation/>`."""

from . import _border


def isolate() -> bool:
    """Cuts the host off; `False` when it was so already."""
    return _border.make("isolation.isolate")


def release() -> bool:
    """Ends what `isolate` began; `False` when this response did not hold it."""
    return _border.undo("isolation.release")


def isolated() -> bool:
    """Whether a response holds this host isolated."""
    return _border.holds("isolation.isolated")
