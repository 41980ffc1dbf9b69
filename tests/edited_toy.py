"""The toy instrument with parts of its file changed."""

from __future__ import annotations

from pathlib import Path

from acculturate.survey.instrument import DATA


def edited_toy(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the file with texts replaced, each of which stands in it, and return its path."""
    text = (DATA / "toy.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "own.toml"
    path.write_text(text, "utf-8")
    return path
