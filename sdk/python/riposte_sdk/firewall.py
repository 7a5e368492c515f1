"""Blocks addresses.

Granted by `<firewall/>`. An address is written
`192.0.2.7` or `2001:db8::7`; a network, where the grant allows it, `192.0.2.0/24`.
"""

from . import _border
from ._checked import checked


@checked
def block(address: str) -> bool:
    """Drops all packets from `address`; `False` when it was blocked already."""
    return _border.make("firewall.block", address)


@checked
def unblock(address: str) -> bool:
    """Ends what `block` began; `False` when this response did not hold it."""
    return _border.undo("firewall.unblock", address)


@checked
def blocked(address: str) -> bool:
    """Whether packets from `address` are dropped now."""
    return _border.holds("firewall.blocked", address)
