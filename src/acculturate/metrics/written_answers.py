"""Answers read from generated text, beside what the probabilities say.

In: texts that a model wrote after the answer cue. Out: what they mean, strictly read, and how often that is
the option which the probabilities like best. An answer that cannot be read is counted, never turned into a
number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from acculturate.metrics.comparison import ComparisonSettings, compare
from acculturate.metrics.prose import is_readable, is_refusal
from acculturate.metrics.statistics import Quantity, bootstrap_weights, interval_of
from acculturate.model import Answers, GeneratingModel, SoftPrompt, one_each
from acculturate.progress import task
from acculturate.survey import Form, item_means

Kind = Literal["valid", "refusal", "unparsable"]
MAX_TOKENS = 12
_SAMPLES = 1000


@dataclass(frozen=True)
class Parsed:
    """The meaning of a written answer.

    Attributes:
        kind: "valid", "refusal" or "unparsable".
        option: 0-based index in the item's own order of the option answered, or None.
    """

    kind: Kind
    option: int | None = None


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


def parse_answer(text: str, form: Form) -> Parsed:
    """Read one written answer, strictly.

    Valid is the first line where it is a label alone, or a label followed by punctuation, or by the
    words of its own option, which may be cut off. A label with anything else behind it is not. Of a form
    that lists no options valid is a line that begins with the words of one.

    Args:
        text: The text of the model.
        form: The form that it answers.
    """
    line = text.strip().split("\n")[0].strip()
    if form.word_set is not None:
        said = line.lstrip("([*\"'").casefold()
        begun = [
            (len(words), option)
            for words, option in zip(form.labels, form.options, strict=True)
            if said.startswith(words.casefold()) and not said[len(words) :][:1].isalnum()
        ]
        if begun:
            return Parsed("valid", max(begun)[1])
        return Parsed("refusal" if is_refusal(line) else "unparsable")
    for label, option in zip(form.labels, form.options, strict=True):
        match = re.fullmatch(rf"[(\[*\"']*{label}(?![\w])(?!\.\d)[\s)\]*\"'.:,;!–—-]*(.*)", line)
        if match and _is_option(match[1].strip(), _words(form, label)):
            return Parsed("valid", option)
    return Parsed("refusal" if is_refusal(line) else "unparsable")


def is_readable_answer(text: str, form: Form) -> bool:
    """Return whether a written answer can be read: as an option, or to a form without a list as text."""
    if parse_answer(text, form).kind == "valid":
        return True
    return form.word_set is not None and is_readable(text, form.text)


def read_texts(texts: Sequence[str], answers: Answers, settings: ComparisonSettings) -> Written:
    """Read written answers and compare them with the probabilities of the same forms."""
    parsed = [parse_answer(text, form) for text, form in zip(texts, answers.forms, strict=True)]
    valid = [(k, answer.option) for k, answer in enumerate(parsed) if answer.option is not None]
    likeliest = np.nan_to_num(answers.probabilities[0], nan=-1.0).argmax(axis=1)
    pairs = [(option, int(likeliest[index])) for index, option in valid]
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


def _words(form: Form, label: str) -> str:
    """Return the words that a form shows behind a label."""
    match = re.search(rf"^{label}\. (.*)$", form.text, re.MULTILINE)
    return match[1].strip().casefold() if match else ""


def _is_option(rest: str, words: str) -> bool:
    """Return whether what follows a label is nothing, its option's words, or their beginning."""
    shown = rest.casefold()
    if not shown or words.startswith(shown):
        return True
    return shown.startswith(words) and bool(words) and not re.search(r"\w", shown[len(words) :])
