"""A model with known answers, and small files of questions."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.model import Answers, FakeModel, Query
from acculturate.survey import Form

EASY = ["data_idx", "question_idx", "prompt_question", *(f"prompt_option_{c}" for c in "abcd")]
EASY += ["answer", "country"]
HARD = ["data_idx", "question_idx", "prompt_question", "prompt_option", "answer", "country"]


class Oracle(FakeModel):
    """Gives the option that a function names 0.7, and shares 0.3 among the others.

    Args:
        choose: Takes the form, and whether a soft prompt stands before it; gives the option's place in the
            item's own order, or None for a broken answer.
    """

    def __init__(self, choose: Callable[[Form, bool], int | None]) -> None:
        super().__init__()
        self._choose = choose
        self.asked: list[int] = []

    def provenance(self) -> dict[str, str]:
        return FakeModel().provenance()

    def ask(self, prompts: Any, query: Query) -> Answers:
        forms = query.forms
        self.asked.append(len(forms))
        widest = max(len(form.options) for form in forms)
        shares = np.zeros((1, len(forms), widest))
        for row, form in enumerate(forms):
            count = len(form.options)
            option = self._choose(form, prompts is not None)
            shares[0, row, :count] = np.nan if option is None else 0.3 / (count - 1)
            if option is not None:
                shares[0, row, option] = 0.7
        return Answers(tuple(forms), shares)

    def generate_answers(self, forms: Sequence[Form], prompt: Any = None, **options: Any) -> Any:
        texts: list[str] = []
        for form in forms:
            option = self._choose(form, prompt is not None)
            texts.append(
                "I do not know" if option is None else form.labels[form.options.index(option)]
            )
        return tuple(texts)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def write_json_lines(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def easy_row(number: int, answer: str, country: str, text: str = "") -> list[object]:
    """A row of an Easy file: question `number` of a country, with options w, x, y, z."""
    return [number, number, text or f"Question {number}?", "w", "x", "y", "z", answer, country]


def hard_rows_of(number: int, right: str, country: str) -> list[list[object]]:
    """The four rows of a Hard file for one question; `right` holds T or F for each option."""
    return [
        [4 * number + k, number, f"Question {number}?", "wxyz"[k], truth == "T", country]
        for k, truth in enumerate(right)
    ]
