"""Preparing a rating: the answers of every variant, and the pairs that raters will see.

In: finished runs of one country on one model, the model, and open questions. Out: a folder with pairs and their
sealed key. Everything is drawn from one seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from acculturate.arguments import Seed, checked
from acculturate.errors import UsageError
from acculturate.formatting import visible
from acculturate.io import LOCK, check_free, lock_folder
from acculturate.metrics.questions import Questions
from acculturate.model import AnswerModel, ProseModel
from acculturate.rating.answers import DRAFTS, MAX_TOKENS, Asked, write_answers
from acculturate.rating.folder import (
    AGAIN,
    KEY,
    NAIVE,
    PERSONA,
    SHARE,
    Key,
    Origin,
    Pair,
    Variant,
    mark_of,
    write_folder,
)
from acculturate.runs import Run, check_model
from acculturate.tuning.baselines import persona_line

_Drawn = tuple[int, str, str]
"""Index of a question, and the names of two variants."""


@dataclass(frozen=True)
class Prepared:
    """The pairs that were made.

    Attributes:
        folder: Holds them.
        country: Of all runs.
        questions: Number of questions asked.
        contrasts: Number of pairs by the two variants.
    """

    folder: Path
    country: str
    questions: int
    contrasts: dict[tuple[str, str], int]


@checked
def prepare(
    runs: Sequence[Run],
    model: AnswerModel,
    questions: Questions,
    *,
    pairs: int,
    out: str | Path,
    seed: Seed = 0,
) -> Prepared:
    """Let the untouched model, the model with a persona line, and every run answer, and pair their answers.

    Args:
        runs: Finished runs of one country.
        model: The model that they were tuned on.
        questions: What is answered.
        pairs: Number of different pairs; a tenth of them are two answers of the untouched model.
        out: Folder to write; must not exist, be empty, or hold what was written for it before a kill.
        seed: Of answers and pairs.

    Raises:
        UsageError: The runs are of several countries, of another model or of one name, the model writes no
            text, there are too few or too many pairs, or the folder is taken.
        FailureError: It cannot be written.
    """
    folder = Path(out)
    check_free(folder, DRAFTS, KEY, LOCK)
    if not isinstance(model, ProseModel):
        raise UsageError(f"{model.name} writes no text")
    country = _check_runs(runs)
    hashes = [check_model(run.directory, run.soft_prompt, model) for run in runs]
    rng, generators = np.random.default_rng(seed), np.random.SeedSequence(seed)
    line = runs[0].summary.baselines.get("persona") or persona_line(country)
    variants = _variants(runs, line, generators)
    drawn = _draw_pairs([v.name for v in variants], len(questions.questions), pairs, rng)
    texts = [question.text for question in questions.questions]
    prompts = {run.directory.resolve().name: run.soft_prompt for run in runs}
    asked = [
        Asked(variant, prompts.get(variant.name), texts[at], at)
        for variant in variants
        for at in sorted({at for at, *names in drawn if variant.name in names})
    ]
    made: list[Pair] = []
    origins: dict[str, Origin] = {}
    with lock_folder(folder):
        answers = write_answers(model, hashes[0], asked, folder)
    for index in rng.permutation(len(drawn)).tolist():
        question, *names = drawn[index]
        first, second = rng.permutation(names).tolist()
        mark = rng.bytes(6).hex()
        said = answers[first, question], answers[second, question]
        # As they are read back from the file.
        shown = visible(country), visible(texts[question])
        made.append(Pair(mark, *shown, *said))
        origins[mark] = Origin(first, second, questions.questions[question].domain)
    key = Key(
        fingerprint=mark_of(made),
        model=model.name,
        weights_hash=hashes[0],
        max_tokens=MAX_TOKENS,
        seed=seed,
        source=questions.source,
        variants=variants,
        origins=origins,
    )
    write_folder(folder, made, key)
    (folder / DRAFTS).unlink()
    counts = Counter((one, other) for _, one, other in drawn)
    return Prepared(folder, country, len({question for question, *_ in drawn}), dict(counts))


def _check_runs(runs: Sequence[Run]) -> str:
    """Return the country of all runs."""
    countries = {run.summary.target.country: run.directory for run in runs}
    if len(countries) != 1:
        raise UsageError(
            f"the runs are of {', '.join(countries) or 'no country'}, and raters judge what is typical of one",
            "Prepare a folder for each country.",
        )
    names = [run.directory.resolve().name for run in runs]
    for name in names:
        if names.count(name) > 1 or name in (NAIVE, AGAIN, PERSONA):
            raise UsageError(f'two variants are called "{name}"', "Rename the run's directory.")
    return next(iter(countries))


def _variants(
    runs: Sequence[Run], line: str, generators: np.random.SeedSequence
) -> tuple[Variant, ...]:
    """Return all ways of answering, each with a seed of its own."""
    seeds = (int(number) for number in generators.generate_state(3 + len(runs)))
    return (
        Variant(NAIVE, "naive", next(seeds)),
        Variant(AGAIN, "naive", next(seeds)),
        Variant(PERSONA, "persona", next(seeds), line=line),
        *(
            Variant(
                run.directory.resolve().name,
                "tuned",
                next(seeds),
                run=str(run.directory.resolve()),
                prompt=run.soft_prompt.fingerprint,
            )
            for run in runs
        ),
    )


def _draw_pairs(
    names: Sequence[str], questions: int, pairs: int, rng: np.random.Generator
) -> list[_Drawn]:
    """Draw which variants answer which question: as many of each two, questions as even as can be."""
    contrasts = list(combinations([name for name in names if name != AGAIN], 2))
    counts = _share(pairs, len(contrasts))
    if not _fits(counts, questions):
        numbers = range(1, (len(contrasts) + 1) * questions + 1)
        fitting = [n for n in numbers if _fits(_share(n, len(contrasts)), questions)]
        ask = f"Ask for {fitting[0]} to {fitting[-1]} pairs, or give" if fitting else "Give"
        raise UsageError(
            f"{pairs} pairs cannot be made of {len(names) - 1} variants and {questions} questions",
            f"{ask} more questions.",
        )
    shares = dict(zip([*contrasts, (NAIVE, AGAIN)], counts, strict=True))
    order, at = rng.permutation(questions).tolist(), 0
    drawn: list[_Drawn] = []
    for (one, other), share in shares.items():
        drawn += [(order[(at + step) % questions], one, other) for step in range(share)]
        at += share
    return drawn


def _share(pairs: int, contrasts: int) -> list[int]:
    """Return how many pairs each contrast gets, and last the noise floor."""
    floor = max(1, round(SHARE * pairs))
    each, more = divmod(pairs - floor, contrasts)
    return [each + (index < more) for index in range(contrasts)] + [floor]


def _fits(counts: Sequence[int], questions: int) -> bool:
    """Return whether every contrast has a pair, and none asks a question twice."""
    return min(counts) >= 1 and max(counts) <= questions
