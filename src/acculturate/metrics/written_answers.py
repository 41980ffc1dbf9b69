"""Answers read from generated text, beside what the probabilities say.

In: texts that a model wrote after the answer cue. Out: what they mean, strictly read, and how often that is
the option which the probabilities like best. An answer that cannot be read is counted, never turned into a
number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from acculturate.metrics.comparison import ComparisonSettings, compare
from acculturate.metrics.prose import is_readable
from acculturate.metrics.statistics import Quantity, bootstrap_weights, interval_of
from acculturate.model import Answers, GeneratingModel, SoftPrompt, one_each
from acculturate.progress import task
from acculturate.survey import Form, item_means
from acculturate.survey.parsing import Kind, parse_answer

MAX_TOKENS = 12
_SAMPLES = 1000


@dataclass(frozen=True)
class Written:
    """The written answers of one state, untouched or tuned.

    Attributes:
        counts: Answers by kind.
        agreement: Share of the valid answers that are the option the probabilities like best; None
            without a valid one.
        kappa: Cohen's kappa of the two readings over the option numbers; None where it has no value,
            as with one and the same option everywhere.
        loss: Of the valid answers; None where an item has none.
        unread: The first few texts that could not be read.
    """

    counts: dict[str, int]
    agreement: float | None
    kappa: float | None
    loss: float | None
    unread: tuple[str, ...]


@dataclass(frozen=True)
class Generated:
    """Written answers of both states to the same forms.

    Attributes:
        forms: Number of forms asked.
        max_tokens: Tokens an answer had at most.
        seed: Of the drawn tokens; None where the likeliest was taken.
        naive: The untouched model.
        tuned: The tuned one.
        readable: Share of readable answers, see `is_readable_answer`, of the tuned model less that of the
            untouched one; None in files of before version 0.3.
    """

    forms: int
    max_tokens: int
    seed: int | None
    naive: Written
    tuned: Written
    readable: Quantity | None = None


def compare_written_answers(
    model: GeneratingModel,
    prompt: SoftPrompt,
    forms: Sequence[Form],
    settings: ComparisonSettings,
    *,
    max_tokens: int = MAX_TOKENS,
    seed: int | None = None,
) -> Generated:
    """Let the untouched and the tuned model write their answers.

    Args:
        model: The model to ask.
        prompt: The tuned soft prompt.
        forms: The forms to ask, every item at least once.
        settings: Gives scoring and target.
        max_tokens: Tokens an answer has at most.
        seed: Draws the tokens; None takes the likeliest.
    """
    with task(f"asking {len(forms)} forms, to compare with written answers", 2 * len(forms)):
        probabilities = compare(model, prompt, forms, settings).answers
    states: list[Written] = []
    readable: list[list[bool]] = []
    with task(f"writing {len(forms)} answers", 2 * len(forms)):
        for answers, soft in zip(probabilities, (None, prompt), strict=True):
            texts = model.generate_answers(forms, soft, max_tokens=max_tokens, seed=seed)
            one_each(model, "generate_answers", forms, texts)
            states.append(read_texts(texts, answers, settings))
            readable.append([is_readable_answer(*pair) for pair in zip(texts, forms, strict=True)])
    difference = np.subtract(*np.array(readable[::-1], np.float64))
    rng = np.random.default_rng(settings.seed)
    samples = bootstrap_weights([range(len(forms))], _SAMPLES, rng) @ difference
    readable_difference = Quantity(float(difference.mean()), interval_of(samples))
    return Generated(len(forms), max_tokens, seed, states[0], states[1], readable_difference)


def is_readable_answer(text: str, form: Form) -> bool:
    """Return whether a written answer can be read: as an option, or to a form without a list as text."""
    if parse_answer(text, form).kind == "valid":
        return True
    return form.word_set is not None and is_readable(text, form.text)


def read_texts(texts: Sequence[str], answers: Answers, settings: ComparisonSettings) -> Written:
    """Read written answers and compare them with the probabilities of the same forms."""
    parsed = [parse_answer(text, form) for text, form in zip(texts, answers.forms, strict=True)]
    valid = [(k, answer.option) for k, answer in enumerate(parsed) if answer.option is not None]
    probabilities = answers.probabilities[0]
    told = np.isfinite(probabilities).all(axis=1)
    likeliest = probabilities.argmax(axis=1)
    pairs = [(option, int(likeliest[index])) for index, option in valid if told[index]]
    scoring = settings.scoring
    values = np.array([[option + 1.0 for _, option in valid]])
    means = item_means(values, [answers.forms[index] for index, _ in valid], scoring.instrument)
    loss = float(scoring.loss(scoring.scores(means), settings.target)[0])
    kinds = [answer.kind for answer in parsed]
    unread = [text for text, kind in zip(texts, kinds, strict=True) if kind != "valid"]
    return Written(
        counts={kind: kinds.count(kind) for kind in get_args(Kind)},
        agreement=float(np.mean([a == b for a, b in pairs])) if pairs else None,
        kappa=cohens_kappa(pairs),
        loss=loss if np.isfinite(loss) else None,
        unread=tuple(unread[:3]),
    )


def cohens_kappa(pairs: Sequence[tuple[int, int]]) -> float | None:
    """Return the agreement of two readings beyond chance.

    J. Cohen (1960), A coefficient of agreement for nominal scales.

    Args:
        pairs: The two readings of each form.

    Returns:
        1 for full agreement, 0 for that of chance; None where chance alone would always agree, or
        without a pair.
    """
    if not pairs:
        return None
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    observed = float((first == second).mean())
    chance = sum(
        float((first == option).mean() * (second == option).mean()) for option in np.unique(first)
    )
    return None if chance >= 1 else (observed - chance) / (1 - chance)
