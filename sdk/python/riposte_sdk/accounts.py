"""Locks accounts. Granted by `<account/>`, which also names the users."""

from . import _border
from ._checked import checked


@checked
def lock(user: str) -> bool:
    """Lets nobody log in as `user`; `False` when a response had locked it."""
    return _border.make("accounts.lock", user)


@checked
def unlock(user: str) -> bool:
    """Restores the account as it was; `False` when this response did not hold it."""
    return _border.undo("accounts.unlock", user)


@checked
def locked(user: str) -> bool:
    """Whether a response holds `user` locked."""
    return _border.holds("accounts.locked", user)


@checked
def end_sessions(user: str) -> int:
    """Ends what `user` runs; how many processes were told to end."""
    return _border.answer("accounts.end-sessions", 0, user, text=user)
