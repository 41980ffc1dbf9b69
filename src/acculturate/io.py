"""Files that are there whole or not at all. Below every other room, beside `errors`."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from acculturate.errors import FailureError, UsageError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes to a temporary file beside `path` and renames it.

    Args:
        path: The file; its folder is made where it is missing. What it held before stays until the new
            content is complete.
        content: What it is to hold.

    Raises:
        FailureError: The disk is full or the folder cannot be written; nothing already written is lost.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        full = error.errno in _FULL
        raise FailureError(
            f"cannot write {path}: {'the disk is full' if full else error.strerror or error}",
            "Make space and try again; what was written before is intact."
            if full
            else "Check the path and its permissions.",
        ) from error


def write_text(path: Path, content: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, content.encode())


def remove_leftovers(path: Path) -> None:
    """Removes what a `write_bytes` to `path` left when its process was killed; nobody may be writing."""
    for left in path.parent.glob(f".{path.name}-*"):
        left.unlink(missing_ok=True)


def is_leftover(path: Path, name: str) -> bool:
    """Whether `path` is what a killed `write_bytes` to a file called `name` left."""
    return path.name.startswith(f".{name}-")


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or what it came from, is a full disk."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        cause = cause.__cause__
    return False


def lock_folder(folder: Path) -> IO[str]:
    """An exclusive lock on a folder that the system lets go of when the process ends, however it ends.

    Raises:
        UsageError: Another process holds it.
        FailureError: The folder cannot be written.
    """
    try:
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise FailureError(
            f"cannot write {folder / '.lock'}: {error.strerror}", "Choose another --out."
        ) from error
    try:
        import fcntl
    except ImportError:  # Windows has no flock; two writers there are the user's to avoid
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UsageError(
            f"another process is writing to {folder}", "Wait for it, or use another --out."
        ) from error
    return file


def json_text(value: object, ascii_only: bool = False) -> str:
    """JSON with readable letters; numbers that are not finite, which JSON does not have, are null."""
    return json.dumps(_finite(value), indent=1, ensure_ascii=ascii_only, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in cast("Mapping[Any, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in cast("list[object]", value)]
    return value


_UMASK = threading.Lock()


def _umask() -> int:
    with _UMASK:  # it can be read only by setting it, for all threads
        mask = os.umask(0)
        os.umask(mask)
    return mask
