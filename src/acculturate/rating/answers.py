"""The answers that pairs are made of: written many at once, and kept as they come.

In: a model, and the questions that each variant is to answer. Out: texts. Until the pairs are written, answers
are kept in drafts.jsonl by a hash of all that they depend on: the same request goes on where it was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

from acculturate.io import fingerprint, write_text
from acculturate.model import LanguageModel, ProseModel, SoftPrompt, one_each
from acculturate.progress import Task, advance, task
from acculturate.rating.folder import Variant
from acculturate.rating.log import cannot_write
from acculturate.record_files import read_records
from acculturate.serving import Engine, chat_job, seed_of, write_all
from acculturate.serving import Variant as Answering

DRAFTS = "drafts.jsonl"
MAX_TOKENS = 80
"""Tokens of an answer."""
_ROWS = 32
"""Answers that are written at once."""


@dataclass(frozen=True)
class Asked:
    """A question to a variant.

    Attributes:
        variant: Answers it.
        prompt: The variant's soft prompt; None where it has none.
        question: The question.
        number: Of the question, which starts the answer's random numbers with the variant's seed.
    """

    variant: Variant
    prompt: SoftPrompt | None
    question: str
    number: int


@dataclass(frozen=True)
class _Draft:
    """An answer, and the hash of all that it depends on: a line of drafts.jsonl."""

    mark: str
    text: str


def write_answers(
    model: ProseModel, weights_hash: str, asked: Sequence[Asked], folder: Path
) -> dict[tuple[str, int], str]:
    """Return answers by variant and number of the question, written where the folder has no draft of them.

    Raises:
        FailureError: The drafts are damaged or cannot be written, or the model fails.
    """
    path = folder / DRAFTS
    drafts = _read(path)
    marks = {_mark(each, weights_hash): each for each in asked}
    left = {mark: each for mark, each in marks.items() if mark not in drafts}
    write_text(path, "".join(map(_line, drafts.items())))  # without what a kill cut off
    made = _write(model, left) if isinstance(model, LanguageModel) else _ask(model, left)
    for mark, text in made:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(_line((mark, text)))
        except OSError as error:
            raise cannot_write(path, error) from error
    drafts = _read(path)  # control characters are made visible where a text is read
    return {(each.variant.name, each.number): drafts[mark] for mark, each in marks.items()}


def _read(path: Path) -> dict[str, str]:
    return {draft.mark: draft.text for draft in read_records(_Draft, path, growing=True)}


def _mark(asked: Asked, weights_hash: str) -> str:
    return fingerprint(
        [weights_hash, MAX_TOKENS, asdict(asked.variant), asked.question, asked.number]
    )


def _line(draft: tuple[str, str]) -> str:
    return json.dumps(asdict(_Draft(*draft))) + "\n"


def _write(model: LanguageModel, asked: Mapping[str, Asked]) -> Iterator[tuple[str, str]]:
    """Yield marks with answers as these are done, of all variants at once."""
    if not asked:
        return
    jobs = [
        replace(
            chat_job(model, _answering(each), [("user", each.question)]),
            max_tokens=MAX_TOKENS,
            seed=seed_of(each.variant.seed, each.number),
        )
        for each in asked.values()
    ]
    marks, texts, counts = list(asked), [""] * len(jobs), [0] * len(jobs)
    with closing(Engine(model, _ROWS, len(jobs))) as engine, _task(jobs):
        for index, piece in write_all(engine, jobs):
            texts[index] += piece.text
            count = MAX_TOKENS if piece.end else piece.written
            advance((count - counts[index]) / MAX_TOKENS)
            counts[index] = count
            if piece.end:
                yield marks[index], texts[index].strip()


def _answering(asked: Asked) -> Answering:
    return Answering(asked.variant.name, prompt=asked.prompt, line=asked.variant.line)


def _ask(model: ProseModel, asked: Mapping[str, Asked]) -> Iterator[tuple[str, str]]:
    """Yield the same of a model that does not run here, of one variant after the other."""
    with _task(asked):
        for variant, group in groupby(asked.items(), lambda item: item[1].variant):
            marks, together = zip(*group, strict=True)
            front = f"{variant.line}\n" if variant.line else ""
            questions = [f"{front}{each.question}" for each in together]
            said = model.reply(
                questions, together[0].prompt, max_tokens=MAX_TOKENS, seed=variant.seed
            )
            yield from zip(marks, one_each(model, "reply", questions, said), strict=True)


def _task(answers: Sized) -> AbstractContextManager[Task]:
    return task(f"writing {len(answers)} answers", len(answers))
