"""A model that keeps its answers, untouched and of a result, in a file: an interrupted run asks none twice.

In: questions. Out: answers, bit for bit those that the model gave first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.io import fingerprint, remove_leftovers, write_bytes
from acculturate.model.answers import Answering, Answers, Query, join_answers
from acculturate.model.asking import ask, keep_untouched
from acculturate.model.soft_prompt import Prompt, Prompts, SoftPrompt
from acculturate.progress import skip
from acculturate.record_files import dump_arrays, read_arrays
from acculturate.survey.forms import fingerprint as form_fingerprint

Arrays = dict[str, np.ndarray]


class RememberingModel:
    """A model whose answers are written down one candidate at a time.

    Args:
        model: Answers what is not known yet; its weights must not change.
        path: The file; one that cannot be read counts as empty.

    Attributes:
        name: The model's.
    """

    def __init__(self, model: Answering, path: Path) -> None:
        self.name, self._model, self._path = model.name, model, path
        remove_leftovers(path)
        try:
            self._known = read_arrays(path)
        except ValueError:
            self._known: Arrays = {}

    def ask(self, prompts: Prompts | None, query: Query) -> Answers:
        """See `Answering.ask`."""
        rows = [None] if prompts is None else [prompts[i : i + 1] for i in range(len(prompts))]
        return join_answers([self._ask(row, query) for row in rows])

    def continue_text(
        self, text: str, prompt: SoftPrompt | None = None, *, max_tokens: int = 40
    ) -> str:
        """See `Answering.continue_text`."""
        embeddings, placement = (prompt.embeddings, prompt.placement) if prompt else (None, None)
        kept = self._once(
            1,
            [_hash(embeddings), placement, text, max_tokens],
            lambda: {
                "text": np.array(self._model.continue_text(text, prompt, max_tokens=max_tokens))
            },
        )
        return str(kept["text"])

    def embed_text(self, text: str) -> Prompt:
        """See `Answering.embed_text`."""
        return self._model.embed_text(text)

    def _ask(self, prompt: Prompts | None, query: Query) -> Answers:
        forms, asked = (
            form_fingerprint(query.forms),
            [query.texts, query.reference, query.placement, query.valid_mass, query.read_every],
        )
        kept = self._once(
            query.size,
            [_hash(prompt), forms, *asked],
            lambda: {
                name: np.asarray(value)
                for name, value in vars(ask(self._model, prompt, query)).items()
                if name != "forms" and value is not None
            },
        )
        values: dict[str, Any] = {k: v if v.ndim else v.item() for k, v in kept.items()}
        answers = Answers(forms=tuple(query.forms), **values)
        if prompt is None and query.forms and not query.texts and not query.valid_mass:
            keep_untouched(self._model, answers, of_pool=True)
        return answers

    def _once(self, size: int, asked: list[object], answer: Callable[[], Arrays]) -> Arrays:
        """Return what is known, or ask and write it down."""
        key = fingerprint(asked)
        kept = {
            name.partition("/")[2]: v for name, v in self._known.items() if name.startswith(key)
        }
        if kept:
            skip(size)
        else:
            kept = answer()
            self._known |= {f"{key}/{name}": value for name, value in kept.items()}
            write_bytes(self._path, dump_arrays(self._known))
        return kept


def _hash(prompt: Prompt | Prompts | None) -> str | None:
    if prompt is None:
        return None
    values = np.ascontiguousarray(prompt, np.float32)
    return hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
