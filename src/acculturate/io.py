"""Files that are there whole or not at all. Also locks and fingerprints."""

from __future__ import annotations

import codecs
import csv
import errno
import hashlib
import json
import re
import secrets
import tomllib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout

from acculturate.errors import FailureError, UsageError, WriteError

_FULL = (errno.ENOSPC, errno.EDQUOT)
LOCK = ".lock"
"""Name of the file by which a folder is held."""
_TOO_LARGE = 2**63
_DEEPEST = 100


def write_bytes(path: Path, content: bytes) -> None:
    """Write to a temporary file beside `path` and rename it; into a device or a pipe, as it is.

    Args:
        path: The file; its folder is made where it is missing. What it held before stays until the new
            content is complete.
        content: What it is to hold.

    Raises:
        WriteError: The disk is full or the folder cannot be written; nothing already written is lost.
    """
    if not path.name:
        raise WriteError(f"cannot write {path}: it is a folder", "Give the name of a file.")
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        if _is_stream(path):
            path.write_bytes(content)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        full = error.errno in _FULL
        raise WriteError(
            f"cannot write {path}: {'the disk is full' if full else error.strerror or error}",
            "Make space and try again; what was written before is intact."
            if full
            else "Check the path and its permissions.",
        ) from error


def _is_stream(path: Path) -> bool:
    """Return whether a path is a device, a pipe or an open stream, which no file may replace."""
    is_open = re.fullmatch(r"/dev/(stdout|stderr|fd/\d+)", str(path)) is not None
    return is_open or (path.exists() and not path.is_file() and not path.is_dir())


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text as `write_bytes` does."""
    write_bytes(path, content.encode())


def remove_leftovers(path: Path) -> None:
    """Remove what a `write_bytes` to `path` left when its process was killed; nobody may be writing."""
    for left in path.parent.glob(f".{path.name}-*"):
        left.unlink(missing_ok=True)


def is_leftover(path: Path, name: str) -> bool:
    """Return whether `path` is what a killed `write_bytes` to a file called `name` left."""
    return path.name.startswith(f".{name}-")


def disk_is_full(error: BaseException) -> bool:
    """Return whether an error, or one that it came from, is a full disk."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        cause = cause.__cause__
    return False


def check_free(folder: Path, *known: str) -> None:
    """Refuse a folder to write that holds something already.

    Args:
        folder: The folder.
        known: Names of files that it may hold, and may have been left by a kill while they were written.

    Raises:
        UsageError: It does, or it is a file.
    """
    if folder.is_dir():
        taken = any(
            all(path.name != name and not is_leftover(path, name) for name in known)
            for path in folder.iterdir()
        )
    else:
        taken = folder.exists()
    if taken:
        raise UsageError(f"{folder} already exists and is not empty", "Use another --out.")


@contextmanager
def lock_folder(folder: Path, *, wait: bool = False) -> Generator[None]:
    """Hold a folder against other writers; the end of the process, however it comes, lets go of it too.

    Args:
        folder: The folder.
        wait: Whether to wait while another process holds it.

    Raises:
        UsageError: Another process holds it.
        FailureError: The folder cannot be written.
    """
    lock = FileLock(folder / LOCK, blocking=wait, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"another process is writing to {folder}", "Wait for it, or use another folder."
        ) from error
    except OSError as error:
        raise FailureError(
            f"cannot write {folder / LOCK}: {error.strerror}", "Check the folder's permissions."
        ) from error
    try:
        yield
    finally:
        lock.release()


def fingerprint(value: object) -> str:
    """Return the SHA-256, hexadecimal, of a value that JSON can hold; the order of keys is no part of it."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def json_text(value: object, ascii_only: bool = False) -> str:
    """Return JSON with readable letters; numbers that are not finite, which JSON does not have, are null."""
    finite = json.loads(json.dumps(value, default=dict), parse_constant=lambda _: None)
    return json.dumps(finite, indent=1, ensure_ascii=ascii_only) + "\n"


def read_bytes(path: Path, what: str, largest: int = 2_000_000) -> bytes:
    """Read a small file.

    Args:
        path: The file.
        what: Kind of the file for the message, such as "instrument file".
        largest: Bytes it has at most; what is larger than by default is no survey and no country table.

    Raises:
        UsageError: The path is missing, a directory, unreadable, empty or too large.
    """
    try:
        if not path.is_file():
            other = "is a directory" if path.is_dir() else "is not an ordinary file"
            fault = other if path.exists() else "does not exist"
            raise UsageError(f"{what} {path} {fault}", "Give the path of the file itself.")
        size = path.stat().st_size
        if size > largest:
            raise UsageError(
                f"{what} {path} has {size:,} bytes; at most {largest:,} are read",
                "Check that this is the file you meant.",
            )
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"{what} {path} cannot be read: {reason}", "Check the path and its permissions."
        ) from error
    if not raw.removeprefix(codecs.BOM_UTF8).strip():
        raise UsageError(f"{what} {path} is empty", "Check that it was saved.")
    return raw


def decode(raw: bytes, path: Path, what: str) -> str:
    """Decode UTF-8, with or without a byte-order mark.

    Raises:
        UsageError: The bytes are not text, or text in another encoding.
    """
    hint = "Save it as plain text in UTF-8."
    if b"\0" in raw:
        raise UsageError(f"{what} {path} is not a UTF-8 text file: it holds zero bytes", hint)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{what} {path} is not UTF-8 (line {line})", hint) from error


def is_path(name: str, suffix: str) -> bool:
    """Return whether a name that could be a built-in one is meant as a path."""
    if name.casefold().endswith(suffix) or re.search(r"[/\\]", name):
        return True
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def parse_plain(parse: Callable[[str], Any], text: str) -> Any:
    """Parse a text of plain values such as JSON and TOML, of a size that every reader can take.

    Args:
        parse: The format's own parser, such as `json.loads`.
        text: The text.

    Raises:
        ValueError: The parser refuses it, it is nested deeper than 100 levels, or a whole number in it does
            not fit 64 bits.
    """
    try:
        value = parse(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        if "int_max_str_digits" in str(error):
            raise ValueError("a number in it has thousands of digits") from None
        raise
    _check_size(value, "", _DEEPEST)
    return value


def _check_size(value: object, place: str, levels: int) -> None:
    """Refuse what `parse_plain` refuses, by its place, such as `items[3].scale`."""
    if isinstance(value, int) and not -_TOO_LARGE <= value < _TOO_LARGE:
        where, size = place.removeprefix(".") or "it", value.bit_length()
        raise ValueError(f"{where} is a whole number of {size} bits, and at most 63 are read")
    if not levels:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict):
        for key, inner in cast("dict[object, object]", value).items():
            _check_size(inner, f"{place}.{key}", levels - 1)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(cast("Sequence[object]", value), 1):
            _check_size(inner, f"{place}[{number}]", levels - 1)


def parse_toml(raw: bytes, path: Path, what: str) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        UsageError: It is not UTF-8 text or not valid TOML; a key declared twice is not valid.
    """
    text = decode(raw, path, what).replace("\r\n", "\n")
    try:
        return parse_plain(tomllib.loads, text)
    except ValueError as error:
        raise UsageError(
            f"{what} {path} is not valid TOML: {error}",
            "Mend that line; an id may be declared only once, a text stands between quotes.",
        ) from error


@dataclass(frozen=True)
class Sheet:
    """The cells of a text file.

    Attributes:
        separator: What stands between them.
        header: Those of the first line.
        rows: Those of every other line by its number; empty lines are left out.
        unit: Name of what is numbered.
    """

    separator: str
    header: list[str]
    rows: list[tuple[int, list[str]]]
    unit: str = "line"


def parse_csv(raw: bytes, path: Path, what: str) -> Sheet:
    """Parse a table of cells separated by commas, semicolons or tabs, in UTF-8 or with a mark in UTF-16.

    Args:
        raw: Content of the file.
        path: The file.
        what: Kind of the file for the message, such as "country table".

    Returns:
        Its cells. A row's line is that which it starts on; a first line "sep=;", as Excel writes it, only
        names the separator.

    Raises:
        UsageError: It is no such text, quotes do not close, or a row has more or fewer cells than the first.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with suppress(UnicodeDecodeError):  # what is cut off is reported below
            raw = raw.decode("utf-16").encode()
    where, text = f"{what} {path}", decode(raw, path, what)
    if stated := re.match(r'\s*"?sep=([,;\t])"?\r?\n', text, re.IGNORECASE):
        text = "\n" * stated[0].count("\n") + text[stated.end() :]  # lines keep their numbers
    separator = stated[1] if stated else max(",;\t", key=text.lstrip().split("\n")[0].count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((start, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(
            f"{where}, line {reader.line_num}: {error}", "Check the quotes on that line."
        ) from error
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    for number, cells in rows[1:]:
        if len(cells) != len(header):
            raise UsageError(
                f"{where}, line {number} has {len(cells)} cells and the first line {len(header)}",
                "Put a text that holds the separator between quotes.",
            )
    return Sheet(separator, header, rows[1:])
