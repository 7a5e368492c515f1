"""Sends mail. Granted by `<mail/>`, which fixes server, sender and recipients."""

from . import _border
from ._checked import checked


@checked
def send(subject: str, text: str) -> None:
    """Sends one message of plain text."""
    subject, text = _border.clean(subject), _border.clean(text)
    _border.answer("mail.send", None, subject, text, text=f"{subject} {text}")
