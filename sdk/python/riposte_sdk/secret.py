"""What the operator keeps from everybody else. Granted by `<secret/>`."""

from . import _border
from ._checked import checked


@checked
def get(name: str) -> str:
    """The value of `name`."""
    return _border.answer("secret.get", "", name, text=name)
