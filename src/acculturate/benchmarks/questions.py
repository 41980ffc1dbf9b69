"""Questions as data: with right answers, or with the answers that people of each country gave.

In: what a loader read. Out: frozen sets of questions that have been checked. This file knows no file
format, no model and no score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from acculturate.errors import UsageError
from acculturate.io import fingerprint

Kind = Literal["choice", "judged"]
MOST_OPTIONS = 26
"""Options are labelled with one letter."""


@dataclass(frozen=True)
class Question:
    """A question with known right answers.

    Attributes:
        id: Unique in its set.
        text: The question, on one line.
        options: The answers offered, in the file's order; two to `MOST_OPTIONS`.
        right: True for each option that is a right answer: exactly one, if one has to be chosen.
        country: The country it is about, as every table here names it, or None.
        weight: Its weight in an accuracy, above 0.
    """

    id: str
    text: str
    options: tuple[str, ...]
    right: tuple[bool, ...]
    country: str | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Opinion:
    """A question without a right answer, and how people answered it.

    Attributes:
        id: Unique in its set.
        text: The question, on one line.
        options: The answers offered, in the file's order.
        shares: Country to the share of its people who gave each answer; shares sum to 1.
    """

    id: str
    text: str
    options: tuple[str, ...]
    shares: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Origin:
    """The origin of a set.

    Attributes:
        key: Short name of letters, digits and hyphens: the name of its result file.
        title: Name in full.
        source: The file, or the hub repository and its commit.
        licence: Under which terms, and what a user must know of them.
        note: Anything else for a reader of a score; may be empty.
    """

    key: str
    title: str
    source: str
    licence: str
    note: str = ""


@dataclass(frozen=True)
class QuestionSet:
    """Questions with right answers.

    Attributes:
        origin: Their source and terms.
        kind: "choice": one option is chosen. "judged": every option is judged true or false by itself,
            and a question counts only when all of its judgements are right.
        questions: At least one.
    """

    origin: Origin
    kind: Kind
    questions: tuple[Question, ...]

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, hexadecimal, of all questions and answers."""
        return fingerprint(
            [self.kind]
            + [[q.id, q.text, q.options, q.right, q.country, q.weight] for q in self.questions]
        )


@dataclass(frozen=True)
class OpinionSet:
    """Questions with the answers of people of each country.

    Attributes:
        origin: Their source and terms.
        questions: At least one.
        left_out: Number of unusable entries of the file, by reason.
    """

    origin: Origin
    questions: tuple[Opinion, ...]
    left_out: dict[str, int]

    @property
    def countries(self) -> tuple[str, ...]:
        """Return every country that some question has answers of, by name."""
        return tuple(sorted({country for q in self.questions for country in q.shares}))

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, hexadecimal, of all questions and shares."""
        return fingerprint(
            [[q.id, q.text, q.options, sorted(q.shares.items())] for q in self.questions]
        )


Benchmark = QuestionSet | OpinionSet


def check_unique(ids: Iterable[tuple[str, str]], where: str) -> None:
    """Check that no two questions share an id.

    Args:
        ids: The id and the place in the file of every question.
        where: The file.

    Raises:
        UsageError: Two do.
    """
    seen: dict[str, str] = {}
    for id, place in ids:
        if (first := seen.setdefault(id, place)) != place:
            raise UsageError(
                f"{where}, {place}: the question {id!r} is already at {first}",
                "Give every question an id of its own, or take one of the two out.",
            )


def check_options(options: Sequence[str], where: str) -> None:
    """Check that a question offers two to `MOST_OPTIONS` different answers.

    Raises:
        UsageError: It does not.
    """
    if not 2 <= len(options) <= MOST_OPTIONS:
        raise UsageError(
            f"{where} has {len(options)} options", f"A question has 2 to {MOST_OPTIONS} options."
        )
    for number, option in enumerate(options, 1):
        if not option:
            raise UsageError(f"{where}: option {number} is empty", "Fill it in.")
        if options.index(option) != number - 1:
            raise UsageError(f"{where} has the option {option!r} twice", "Take one of them out.")
