"""The end of a command: signals that stop it, and errors that nobody expected.

In: a signal, or any exception. Out: an interrupt as by Ctrl-C, or an error with a message and a next step; the
traceback of an error that is the package's own fault is kept in a file.
"""

from __future__ import annotations

import platform
import shlex
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import metadata
from types import FrameType

import acculturate
from acculturate.errors import AcculturateError, FailureError
from acculturate.formatting import short
from acculturate.model.embedded import cache_folder

_STOPS = ("SIGTERM", "SIGHUP")
_VERSIONS = ("numpy", "torch", "transformers")


def installed_versions() -> dict[str, str | None]:
    """Return the versions that matter for a bug report, None for what is not installed; nothing is imported."""
    versions: dict[str, str | None] = {"acculturate": acculturate.__version__}
    versions["Python"] = platform.python_version()
    for name in _VERSIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


@contextmanager
def stop_signals() -> Generator[list[int]]:
    """Let the signals that stop a program do what Ctrl-C does, while the body runs in the main thread.

    A signal that is ignored, as by nohup, stays so.

    Yields:
        The signals that came.
    """
    received: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in _STOPS if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def as_known(error: Exception, arguments: Sequence[str]) -> AcculturateError:
    """Return any exception as an error with a message and a next step.

    Args:
        error: The exception.
        arguments: The command line that it ended.
    """
    if isinstance(error, AcculturateError):
        return error
    first = short((str(error).strip().splitlines() or [""])[0], 200)
    if _is_lack_of_memory(error):
        return FailureError(
            f"there is not enough memory: {first or 'no more could be had'}",
            "Ask for less, such as fewer --tokens or a smaller model, or use a machine with more.",
        )
    if isinstance(error, OSError) and error.filename is not None:
        return FailureError(
            f"cannot use {error.filename}: {error.strerror}", "Check the path and its permissions."
        )
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    file = _keep(_record(error, arguments))
    where = f"{file}, which holds the traceback" if file else "the traceback above"
    return FailureError(
        f"acculturate is at fault here, not you: {what}",
        f"Please report it {_tracker()}, with {where}.",
    )


def _is_lack_of_memory(error: Exception) -> bool:
    """Return whether numpy, Python, or torch on any device had too little memory."""
    torch_ran_out = "OutOfMemoryError" in type(error).__name__ or "can't allocate memory" in str(
        error
    )
    return isinstance(error, MemoryError) or torch_ran_out


def _record(error: Exception, arguments: Sequence[str]) -> str:
    """Return what a developer needs: the command, versions and the traceback."""
    lines = [
        f"command: {shlex.join(['acculturate', *arguments])}",
        *(f"{name} {found or 'is not installed'}" for name, found in installed_versions().items()),
        platform.platform(),
        "".join(traceback.format_exception(error)),
    ]
    return "\n".join(lines)


def _keep(record: str) -> str | None:
    """Write a record to a file of its own and return its path; print it where that fails."""
    try:
        folder = cache_folder() / "errors"
        folder.mkdir(parents=True, exist_ok=True)
        name = time.strftime("%Y-%m-%d-%H%M%S-")
        with tempfile.NamedTemporaryFile(
            "wb", dir=folder, prefix=name, suffix=".txt", delete=False
        ) as file:
            file.write(record.encode(errors="backslashreplace"))
        return file.name
    except (OSError, RuntimeError):  # a full disk; a user without a home
        print(record, file=sys.stderr)
        return None


def _tracker() -> str:
    """Return where the installed package says that issues are reported."""
    urls = metadata.metadata("acculturate").get_all("Project-URL") or []
    named = dict(url.split(", ", 1) for url in urls)
    return f"at {named['Issues']}" if "Issues" in named else "in the project's issue tracker"
