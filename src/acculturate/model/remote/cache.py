"""A cache of an endpoint's answers on disk: a question is asked once, and answered again without a network.

A file a question, named by the SHA-256 of all that was asked: base URL, the model with what its server says
of it, path and body, and how often it was asked before where answers are drawn. A key is no part of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from acculturate.io import fingerprint, json_text, write_text
from acculturate.model.embedded import cache_folder


def answers_folder() -> Path:
    """Return the folder of all that endpoints answered."""
    return cache_folder() / "answers"


class AnswerCache:
    """Answers on disk.

    Args:
        identity: All that an answer depends on beside the question.
        folder: Where they are.
    """

    def __init__(self, identity: object, folder: Path | None = None) -> None:
        self._identity, self._folder = identity, folder or answers_folder()

    def find(self, path: str, body: dict[str, Any], draw: int = 0) -> dict[str, Any] | None:
        """Return the answer to a question that was asked so often before; None where none is on file."""
        try:
            kept: Any = json.loads(self._file(path, body, draw).read_text("utf-8"))
            answer = kept["answer"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return cast("dict[str, Any]", answer) if isinstance(answer, dict) else None

    def keep(self, path: str, body: dict[str, Any], answer: dict[str, Any], draw: int = 0) -> None:
        """Write an answer down, with its question for those who read the files.

        Raises:
            WriteError: The disk is full, or the folder cannot be written.
        """
        asked = {key: value for key, value in body.items() if key != "prompt_embeds"}
        kept = {"asked": {"of": self._identity, "path": path, **asked}, "answer": answer}
        write_text(self._file(path, body, draw), json_text(kept))

    def _file(self, path: str, body: dict[str, Any], draw: int) -> Path:
        key = fingerprint([self._identity, path, body, *([draw] if draw else [])])
        return self._folder / key[:2] / f"{key}.json"
