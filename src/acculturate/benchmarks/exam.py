"""Benchmarks as they are asked of one run: every method, several option orders, by probability or by text.

In: benchmarks, a model, the methods. Out: a `Result` for each. An answer that is already known by its mark
is not asked for again. What a run directory is, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from jaxtyping import Float

from acculturate.benchmarks import accuracy, similarity
from acculturate.benchmarks.asking import Prompting, ReadOut, ask, rounds, with_method
from acculturate.benchmarks.questions import Benchmark, OpinionSet, QuestionSet
from acculturate.benchmarks.result import Result
from acculturate.errors import AcculturateError, UsageError
from acculturate.io import fingerprint
from acculturate.metrics.written_answers import MAX_TOKENS
from acculturate.model import AnswerModel, SoftPrompt
from acculturate.progress import task
from acculturate.survey import Form
from acculturate.survey import fingerprint as form_fingerprint

FORMAT = 1
"""Raised when an answer comes to mean something else, so that old ones are asked for again."""
MOST_ORDERS = 100

Known = MutableMapping[str, Float[np.ndarray, "_ _"]]
"""Answers, `[row, option]`, by the mark of all that they depend on; each has rows of its own."""


@dataclass(frozen=True)
class Exam:
    """Benchmarks, and how they are asked.

    Attributes:
        benchmarks: The questions, each under a key of its own.
        orders: Random option orders to average; 0 asks in that of the file.
        written: True to let the model write its answers too, where one option is to be chosen or judged.
        seed: Of the orders and the bootstrap.
        unread: Benchmarks that could not be loaded, by the name they were asked for, and why.
    """

    benchmarks: tuple[Benchmark, ...]
    orders: int = 0
    written: bool = False
    seed: int = 0
    unread: Mapping[str, AcculturateError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the number of orders.

        Raises:
            UsageError: There are fewer than 0, or more than anyone needs.
        """
        if not 0 <= self.orders <= MOST_ORDERS:
            raise UsageError(
                f"{self.orders} option orders",
                f"Give a number of random orders up to {MOST_ORDERS}, or 0 for the file's own.",
            )

    def sheets(self) -> tuple[AskedBenchmark, ...]:
        """Return what is asked and shown one by one."""
        return tuple(
            AskedBenchmark(self, benchmark, how)
            for benchmark in self.benchmarks
            for how in get_args(ReadOut)
            if how == "probability" or (self.written and isinstance(benchmark, QuestionSet))
        )


@dataclass(frozen=True)
class AskedBenchmark:
    """One benchmark, asked in one way.

    Attributes:
        exam: Its orders and its seed.
        benchmark: One of its benchmarks.
        how: The reading of an answer.
    """

    exam: Exam
    benchmark: Benchmark
    how: ReadOut

    @property
    def key(self) -> str:
        """Return its name in files and reports."""
        key = self.benchmark.origin.key
        return key if self.how == "probability" else f"{key}-written"

    @property
    def title(self) -> str:
        """Return its name in words."""
        title = self.benchmark.origin.title
        return title if self.how == "probability" else f"{title}, written out"

    def answer(
        self,
        model: AnswerModel,
        weights_hash: str,
        methods: Sequence[Prompting],
        known: Known,
        keep: Callable[[str], None],
    ) -> dict[str, str]:
        """Ask what is not known yet, and add it to what is known.

        Args:
            model: The model to ask.
            weights_hash: Of its weights.
            methods: Ways of making it answer.
            known: Answers by their marks.
            keep: Called with the mark of every method that was asked, as soon as it is answered.

        Returns:
            Method to the mark of its answers.
        """
        plain = rounds(self.benchmark, self.exam.orders, self.exam.seed)
        shape = len(plain[0]), max(len(form.options) for form in plain[0])
        marks: dict[str, str] = {}
        for method in methods:
            asked = [with_method(forms, method) for forms in plain]
            mark = marks[method.key] = self._mark(weights_hash, method.prompt, asked)
            if mark in known and known[mark].shape == shape:
                continue
            count = sum(len(forms) for forms in asked)
            with task(f"asking {count} forms: {self.key}, {method.key}", count):
                known[mark] = ask(model, asked, method.prompt, self.how)
            keep(mark)
        return marks

    def result(self, marks: Mapping[str, str], known: Known, country: str) -> Result:
        """Score answers that are known.

        Args:
            marks: Method to the mark of its answers, the tuned one last.
            known: Answers by their marks.
            country: The tuned country.
        """
        answered = {method: known[mark] for method, mark in marks.items()}
        benchmark, orders, seed = self.benchmark, self.exam.orders, self.exam.seed
        if isinstance(benchmark, OpinionSet):
            rows, tests = similarity.score_opinions(benchmark, answered, country, seed)
            kind, ways = "opinions", (similarity.INTERVAL, similarity.TEST)
            chance, left_out = None, benchmark.left_out
        else:
            rows, tests = accuracy.score_questions(benchmark, answered, country, seed)
            kind, ways = benchmark.kind, (accuracy.INTERVAL, accuracy.test_of(benchmark))
            chance, left_out = accuracy.chance(benchmark), {}
        origin = benchmark.origin
        return Result(
            benchmark=self.key,
            title=self.title,
            kind=kind,
            how=self.how,
            questions=len(benchmark.questions),
            country=country,
            chance=chance,
            orders=orders,
            seed=seed,
            interval=ways[0],
            test=ways[1],
            source=origin.source,
            licence=origin.licence,
            note=origin.note,
            left_out=left_out,
            rows=rows,
            tests=tests,
            fingerprint=fingerprint([FORMAT, benchmark.fingerprint, marks, country, orders, seed]),
        )

    def _mark(
        self, weights_hash: str, prompt: SoftPrompt | None, asked: Sequence[Sequence[Form]]
    ) -> str:
        """Return a hash of the weights, the soft prompt and the forms, on which the answers depend."""
        soft = None if prompt is None else [prompt.fingerprint, prompt.placement]
        tokens = MAX_TOKENS if self.how == "text" else None
        shown = [form_fingerprint(forms) for forms in asked]
        return fingerprint([FORMAT, weights_hash, soft, shown, self.how, tokens])
