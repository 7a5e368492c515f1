"""Sends what would go to an address nowhere. Granted by `<route/>`."""

from . import _border
from ._checked import checked


@checked
def blackhole(address: str) -> bool:
    """Lets packets to `address` go nowhere; `False` when it was so already."""
    return _border.make("routes.blackhole", address)


@checked
def restore(address: str) -> bool:
    """Ends what `blackhole` began; `False` when this response did not hold it."""
    return _border.undo("routes.restore", address)


@checked
def blackholed(address: str) -> bool:
    """Whether packets to `address` go nowhere on behalf of a response."""
    return _border.holds("routes.blackholed", address)
