"""A rating whose pairs, key and judgements are known, and a model whose answers differ."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np

from acculturate.model import FakeModel
from acculturate.rating.folder import (
    AGAIN,
    NAIVE,
    PERSONA,
    Key,
    Origin,
    Pair,
    Variant,
    mark_of,
    write_folder,
)
from acculturate.rating.log import Event, Rating, Side
from acculturate.rating.statistics import Judgement

RUN = "china"
VARIANTS = NAIVE, PERSONA, RUN


class Writer(FakeModel):
    """Answers by question, prompt and seed, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[tuple[str, ...], bool, int | None]] = []

    def reply(self, questions, prompt=None, *, max_tokens=60, seed=None):
        self.asked.append((tuple(questions), prompt is not None, seed))
        mind = "untouched" if prompt is None else "tuned"
        return tuple(f"{mind} {seed}: {question}" for question in questions)


def make_folder(
    folder: Path, count: int = 11, run: str = "", prompt: str = ""
) -> dict[str, Origin]:
    """Write pairs and their key; the last pair is naive against naive."""
    contrasts = list(combinations(VARIANTS, 2))
    origins: dict[str, Origin] = {}
    pairs: list[Pair] = []
    for index in range(count):
        names = contrasts[index % 3] if index < count - 1 else (NAIVE, AGAIN)
        first, second = names[:: 1 if index % 2 else -1]
        mark = f"{index:012x}"
        answers = f"Answer {index}, one way", f"Answer {index}, another way"
        pairs.append(Pair(mark, "China", f"Question {index}?", *answers))
        origins[mark] = Origin(first, second, "food")
    variants = (
        Variant(NAIVE, "naive", 1),
        Variant(AGAIN, "naive", 2),
        Variant(PERSONA, "persona", 3, line="Answer as a person from China would."),
        Variant(RUN, "tuned", 4, run=run, prompt=prompt),
    )
    key = Key(mark_of(pairs), "fake", "0" * 64, 80, 0, "us", variants, origins)
    write_folder(folder, pairs, key)
    return origins


def write_ratings(folder: Path, events: Iterable[Event]) -> None:
    lines = "".join(json.dumps(asdict(event)) + "\n" for event in events)
    (folder / "ratings.jsonl").write_text(lines)


def rated(
    rater: str, pair: str, typical: Side = "tie", *, window: str = "w", left: bool = True, **more
) -> Event:
    rating = Rating(
        pair,
        **{"again": False, "better": typical, "marked": "none", **more},
        first_left=left,
        typical=typical,
    )
    return Event("2026-01-01T00:00:00+00:00", rater, window, rating)


def judged(
    first: str,
    second: str,
    typical: Side,
    *,
    rater: str = "a",
    question: str = "q",
    left: bool = True,
    **more,
) -> Judgement:
    given = {"pair": f"{question} {first} {second}", "again": False, "marked": "none"} | more
    return Judgement(
        rater=rater,
        question=question,
        first=first,
        second=second,
        first_left=left,
        typical=typical,
        **{"better": typical, **given},
    )


def simulated(
    strengths: dict[str, float], tie: float, raters: int, questions: int, rng: np.random.Generator
) -> list[Judgement]:
    """Draws judgements from Davidson's model, sides at random."""
    made: list[Judgement] = []
    for rater in range(raters):
        for question in range(questions):
            for first, second in combinations(strengths, 2):
                one, other = np.exp(strengths[first]), np.exp(strengths[second])
                odds = np.array([one, other, 2 * tie * np.sqrt(one * other)])
                who = int(rng.choice(3, p=odds / odds.sum()))
                left = bool(rng.random() < 0.5)
                side: Side = "tie" if who == 2 else "left" if (who == 0) == left else "right"
                names = {"rater": f"r{rater}", "question": f"q{question}"}
                made.append(judged(first, second, side, left=left, **names))
    return made
