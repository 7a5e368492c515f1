"""Why something was not done."""

from ._checked import take


class Error(Exception):
    """Why a response, or a call to the host, was not done.

    Raise it to say so to the operator; what the host refuses is raised as one.
    What it carries:

    * `kind`: what kind of failure it is, from an open vocabulary:
      `invalid-input`, `no-key`, `denied`, `unavailable`, `unsupported`, `timeout`,
      `failed`.
    * `message`: one line for the operator: what happened, and what to do about it.
    * `retry`: whether the same call may succeed later. The engine then tries again.
    """

    # What a class of an author's own says that does not call this one's `__init__`.
    kind: str = "failed"
    message: str = "an error without a message"
    retry: bool = False

    def __init__(self, kind: str, message: str, retry: bool = False) -> None:
        take("Error", "kind", str, kind)
        take("Error", "message", str, message)
        take("Error", "retry", bool, retry)
        super().__init__(kind, message, retry)
        self.kind = kind
        self.message = message
        self.retry = retry

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @classmethod
    def failed(cls, message: str) -> "Error":
        """Kind `failed`: it did not work, and will not when tried again."""
        return cls("failed", message)

    @classmethod
    def invalid(cls, message: str) -> "Error":
        """Kind `invalid-input`: the alert or an argument is unusable as it is."""
        return cls("invalid-input", message)

    @classmethod
    def no_key(cls, message: str) -> "Error":
        """Kind `no-key`: the alert does not hold what this response acts on."""
        return cls("no-key", message)

    @classmethod
    def unavailable(cls, message: str) -> "Error":
        """Kind `unavailable`: something did not answer; to be tried again."""
        return cls("unavailable", message, retry=True)
