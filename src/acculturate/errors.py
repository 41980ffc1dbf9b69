"""Errors with a message and a next step.

The lowest layer: imports nothing of the package. The command line turns a `UsageError` into
exit code 2 and any other `AcculturateError` into exit code 1, without a traceback.
"""


class AcculturateError(Exception):
    """Base of everything the package raises on purpose.

    Attributes:
        hint: The next step, as a sentence, or None where the message says it all.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            self.add_note(hint)  # shown below the message where nobody catches it


class UsageError(AcculturateError):
    """A request that cannot be met: an unknown name, a broken file, a number out of range."""

    exit_code = 2


class FailureError(AcculturateError):
    """The request was fine and the work still failed: a full disk, a damaged state, no memory."""


class UnreachableError(FailureError):
    """A server that does not answer now, and may later."""


class WriteError(FailureError):
    """A file that cannot be written: a full disk, no permission."""
