"""Results of a benchmark, as they are written to a file and shown.

In: nothing. Out: frozen records; evaluation/benchmarks/KEY.json is their JSON.
"""

from __future__ import annotations

from dataclasses import dataclass

from acculturate.record_files import NanIfNull


@dataclass(frozen=True)
class Part:
    """A score over some questions.

    Attributes:
        score: An accuracy, or a similarity, 0 to 1; NaN where a model was broken or nothing was asked.
        low: Lower end of its 95% interval.
        high: Upper end.
        questions: Their number.
    """

    score: NanIfNull
    low: NanIfNull
    high: NanIfNull
    questions: int


@dataclass(frozen=True)
class MethodScore:
    """One method on all questions.

    Attributes:
        method: "naive", "persona", "in-context" or "tuned".
        score: Over all questions of known answers; of opinions, the similarity to the target, or the mean
            over all countries where the target was not asked.
        low: Lower end of its 95% interval.
        high: Upper end.
        by_country: The same for each country.
        target: Questions on the tuned country alone; None where there are none.
        others: Questions on all other countries; of opinions, the mean over the other countries.
        judgements: Share of single true-or-false judgements that are right; None where there are none.
        unanswered: Rows without one likeliest option, or whose text cannot be read; none of them is right.
        rank: 1 + how many countries are nearer than the target, each compared with it on the questions
            that both were asked; None where there is no target.
        ranked: Number of countries compared, the target among them; None likewise.
    """

    method: str
    score: NanIfNull
    low: NanIfNull
    high: NanIfNull
    by_country: dict[str, Part]
    target: Part | None = None
    others: Part | None = None
    judgements: float | None = None
    unanswered: int = 0
    rank: int | None = None
    ranked: int | None = None


@dataclass(frozen=True)
class Change:
    """The lead of the tuned model over another method, on the same questions.

    Attributes:
        gain: Difference of the two scores.
        low: Lower end of its 95% bootstrap interval over questions, within pairs.
        high: Upper end.
        p: Two-sided p-value that there is no difference; None where it has no value.
        gained: Questions that the tuned model alone gets right; None for opinions.
        lost: Questions that the other alone gets right; None likewise.
    """

    gain: NanIfNull
    low: NanIfNull
    high: NanIfNull
    p: float | None
    gained: int | None = None
    lost: int | None = None


@dataclass(frozen=True, kw_only=True)
class Test(Change):
    """The tuned model against another method, on the questions that the rows' scores are about.

    Attributes:
        against: "naive", "persona" or "in-context".
        target: On the tuned country's questions alone; None where there are none.
        others: On all others, likewise.
    """

    __test__ = False  # no test of pytest's

    against: str
    target: Change | None = None
    others: Change | None = None


@dataclass(frozen=True)
class Result:
    """A benchmark of one run.

    Attributes:
        benchmark: Its key; of written answers with "-written" behind it.
        title: In full.
        kind: "choice", "judged" or "opinions".
        how: "probability" or "text".
        questions: Their number.
        country: The tuned country.
        chance: Score of answering at random, each option alike; None where it is not known.
        orders: Random option orders averaged; 0 for that of the file.
        seed: Of the orders and the bootstrap.
        interval: Method of the intervals of the rows.
        test: Method of the p-values.
        source: Source of the questions.
        licence: Their terms.
        note: A note for the reader.
        left_out: Number of entries of the file that were not asked, by reason.
        rows: One a method, the tuned one last.
        tests: The tuned model against each other method.
        fingerprint: SHA-256 of all that the result depends on.
    """

    benchmark: str
    title: str
    kind: str
    how: str
    questions: int
    country: str
    chance: float | None
    orders: int
    seed: int
    interval: str
    test: str
    source: str
    licence: str
    note: str
    left_out: dict[str, int]
    rows: tuple[MethodScore, ...]
    tests: tuple[Test, ...]
    fingerprint: str

    def row(self, method: str) -> MethodScore | None:
        """Return the row of a method, or None."""
        return next((row for row in self.rows if row.method == method), None)

    def against(self, method: str) -> Test | None:
        """Return the test against a method, or None."""
        return next((test for test in self.tests if test.against == method), None)
