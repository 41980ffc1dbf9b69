"""Files that are there whole or not at all. Below every other room, beside `errors`."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from acculturate.errors import FailureError


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
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise FailureError(
            f"cannot write {path}: {'the disk is full' if full else error.strerror or error}",
            "Make space and run the same command again; what was written before is intact."
            if full
            else "Check the path and its permissions.",
        ) from error


def write_text(path: Path, content: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, content.encode())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
