"""The standard streams: texts from files cannot steer a terminal, and an output that fails is one message."""

from __future__ import annotations

import codecs
import os
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from acculturate.errors import AcculturateError, FailureError
from acculturate.formatting import visible

_PLAIN = "acculturate.plain"
_IN_ASCII = str.maketrans("−–’“”\N{NO-BREAK SPACE}", '--\'"" ')


def _write_plainly(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII for what an output's encoding lacks: signs that are like it, numbers of all others."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end].translate(_IN_ASCII)
    return lacking.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(_PLAIN, _write_plainly)


class OutputStream:
    """A standard stream; what it lacks is that of the stream below.

    Args:
        stream: The stream below.
        needed: Whether a failure to write is an error: results are, progress and messages are not.
    """

    def __init__(self, stream: Any, needed: bool) -> None:
        self.stream, self._needed = stream, needed

    def write(self, text: str) -> int:
        """Write a text with its control characters made visible.

        Raises:
            FailureError: A result cannot be written; nothing more is then written to it.
            SystemExit: Its reader is gone.
        """
        return self.steer(visible(text))

    def steer(self, text: str) -> int:
        """Write a text as it is, with the control characters of our own bars and colours."""
        return self._guarded(self.stream.write, text)

    def flush(self) -> None:
        """Flush the stream below; see `write`."""
        self._guarded(self.stream.flush)

    def _guarded(self, act: Callable[..., Any], *given: object) -> Any:
        try:
            return act(*given)
        except OSError as error:
            # What is left in the buffer would fail once more at exit.
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
            if self._needed and isinstance(error, BrokenPipeError):
                sys.exit(1)  # its reader has read enough
            if self._needed:
                raise FailureError(
                    f"cannot write the output: {error.strerror or error}",
                    "Check where it goes and that there is space.",
                ) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Steering:
    """An output stream for a console, whose control characters steer the terminal."""

    def __init__(self, output: OutputStream) -> None:
        self.write = output.steer
        self._output = output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)


class _Console(Console):
    """A console that makes control characters in what it shows visible, and sends its own."""

    def render_str(self, text: str, **how: Any) -> Text:
        """See `Console.render_str`."""
        return super().render_str(visible(text), **how)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Generator[Segment]:
        """See `Console.render`."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)


@contextmanager
def standard_streams() -> Generator[None]:
    """Guard standard output and standard error while the body runs; an output that is closed stays None.

    A warning is shown as a message, without its place in the code.
    """
    streams, format_warning = (sys.stdout, sys.stderr), warnings.formatwarning
    # Where a stream is closed, this takes its number, which the next file that is opened would get.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        out, err = streams[0], streams[1] or nowhere
        for stream in (out, err):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors=_PLAIN)
        if out is not None:
            sys.stdout = cast("TextIO", OutputStream(out, needed=True))
        sys.stderr = cast("TextIO", OutputStream(err, needed=False))
        warnings.formatwarning = _format_warning
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            warnings.formatwarning = format_warning


def _format_warning(message: object, *_place: object) -> str:
    return f"Warning: {message}\n"


def open_console(stderr: bool = False) -> Console:
    """Return a console that shows names as they are, also what looks like markup or an emoji code."""
    stream = sys.stderr if stderr else sys.stdout
    stream = getattr(stream, "rich_proxied_file", stream)  # while a bar is shown
    file = _Steering(stream) if isinstance(stream, OutputStream) else stream
    return _Console(
        file=cast("TextIO", file), stderr=stderr, markup=False, emoji=False, highlight=False
    )


def say(text: str, style: str = "") -> None:
    """Print a message on standard error, without line breaks of our own."""
    open_console(stderr=True).print(text, style=style, soft_wrap=True)


def say_error(error: AcculturateError) -> None:
    """Print an error and its next step on standard error."""
    say(f"Error: {error}", "bold red")
    if error.hint:
        say(error.hint)
