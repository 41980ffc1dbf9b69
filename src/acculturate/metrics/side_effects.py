"""Side effects of a soft prompt: the model as a reader and a writer of ordinary text.

In: a model and a soft prompt. Out: `SideEffects`: divergence and perplexity on texts that no search saw, how
far into a text they reach, and whether answers to everyday questions are at least as readable and fluent as
the untouched model's. Texts are the sample: intervals say how much a number hangs on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.metrics.prose import Prose, is_readable, measure_prose, repetition, words
from acculturate.metrics.statistics import Quantity, bootstrap_weights, percentile_interval
from acculturate.metrics.texts import HELD_OUT_PASSAGES, QUESTIONS, SENTENCES
from acculturate.model import Exchange, Passage, ProseModel, SoftPrompt, TextReading, one_each
from acculturate.progress import task
from acculturate.record_files import NanIfNull
from acculturate.survey.language import language_name

SAMPLES = 1000
MAX_TOKENS = 60
"""Tokens of an answer to a question."""
PASSAGES_KEY, OWN_KEY, ANSWERS_KEY = "passages", "own", "answers"
_ENDS = 5  # the beginning and the end of a text that are compared are a fifth of it each


@dataclass(frozen=True)
class TextSet:
    """A set of texts, read by both models.

    Attributes:
        key: A language's code for sentences, `PASSAGES_KEY` for longer texts, `OWN_KEY` for a user's, or
            `ANSWERS_KEY` for the untouched model's own answers to the questions.
        label: In words.
        texts: Number of texts read.
        tokens: Number of predicted tokens.
        divergence: Of the tuned model from the untouched one, nats a token, all tokens alike.
        naive: Perplexity of the untouched model.
        tuned: Perplexity of the tuned one.
        ratio: Tuned by naive; both on the same drawn texts.
    """

    key: str
    label: str
    texts: int
    tokens: int
    divergence: Quantity
    naive: Quantity
    tuned: Quantity
    ratio: Quantity


@dataclass(frozen=True)
class Reach:
    """The reach of a soft prompt into a text.

    Attributes:
        key: The set of texts.
        label: In words.
        texts: Number of texts that are long enough; each counts at every position.
        divergence: Mean divergence of each predicted token, the first behind the soft prompt's place
            first, in nats.
        low: Lower end of the 95% bootstrap interval of each over texts; empty for one text alone.
        high: Upper end.
        early: Mean of the first fifth of the positions.
        late: Mean of the last fifth.
        faded: Early less late; above 0 where the effect wears off.
    """

    key: str
    label: str
    texts: int
    divergence: tuple[NanIfNull, ...]
    low: tuple[NanIfNull, ...]
    high: tuple[NanIfNull, ...]
    early: Quantity
    late: Quantity
    faded: Quantity

    def __post_init__(self) -> None:
        ends = [len(self.low), len(self.high)]
        if ends not in ([0, 0], [len(self.divergence)] * 2):
            raise ValueError(f"{len(self.divergence)} positions with {ends} ends of intervals")


@dataclass(frozen=True)
class Reply:
    """A question and the answers of both models."""

    question: str
    naive: str
    tuned: str


@dataclass(frozen=True)
class WritingCheck:
    """A quality of answers that the tuned model should have at least as much of as the untouched one.

    Attributes:
        key: "readable": share that is readable text, see `is_readable`. "fresh": share of an answer's runs of
            words that it has not said before. "fluency": log-probability of an answer under the untouched
            model [nats a token].
        naive: Mean over the untouched model's answers.
        tuned: Mean over the tuned model's.
        difference: Tuned less untouched, question by question.
    """

    key: str
    naive: NanIfNull
    tuned: NanIfNull
    difference: Quantity

    @property
    def worse(self) -> bool:
        """True where the tuned model has less of it, beyond what other questions would explain."""
        return self.difference.interval is not None and self.difference.interval[1] < 0


@dataclass(frozen=True)
class SideEffects:
    """The effects of a soft prompt on ordinary text.

    Attributes:
        sets: Sets of texts, the sentences of each language first.
        reaches: For the sets of longer texts.
        replies: Greedy answers to everyday questions.
        max_tokens: Tokens an answer had at most.
        naive: Properties of the untouched model's answers.
        tuned: Properties of the tuned one's.
        seed: Of the bootstrap.
        checks: Of the answers; none in files of version 0.1.
    """

    sets: tuple[TextSet, ...]
    reaches: tuple[Reach, ...]
    replies: tuple[Reply, ...]
    max_tokens: int
    naive: Prose
    tuned: Prose
    seed: int
    checks: tuple[WritingCheck, ...] = ()


def measure_side_effects(
    model: ProseModel,
    prompt: SoftPrompt,
    *,
    own: Sequence[str] = (),
    seed: int = 0,
) -> SideEffects:
    """Read ordinary texts and ask everyday questions, untouched and tuned.

    Args:
        model: The model that reads and writes.
        prompt: The tuned soft prompt.
        own: A user's texts to read as well.
        seed: Of the bootstrap. Every set of texts has a stream of its own.

    Raises:
        UsageError: None of the user's texts has a token to predict.
    """
    with task(f"answering {len(QUESTIONS)} everyday questions", 2 * len(QUESTIONS)):
        answers = [model.reply(QUESTIONS, soft, max_tokens=MAX_TOKENS) for soft in (None, prompt)]
    one_each(model, "reply", QUESTIONS * 2, (*answers[0], *answers[1]))
    said = tuple(Exchange(*pair) for pair in zip(QUESTIONS, answers[0], strict=True) if pair[1])
    known = text_sets(own, said)
    sets: list[TextSet] = []
    reaches: list[Reach] = []
    for index, (key, (label, texts)) in enumerate(known.items()):
        with task(f"reading {len(texts)} texts: {label}", 2 * len(texts)):
            naive = model.read_texts(texts, placement=prompt.placement)
            tuned = model.read_texts(texts, prompt.embeddings, placement=prompt.placement)
        one_each(model, "read_texts", texts * 2, (*naive, *tuned))
        streams = np.random.SeedSequence(seed, spawn_key=(index,)).spawn(2)
        of_set, of_reach = (np.random.default_rng(stream) for stream in streams)
        sets.append(_text_set(key, label, naive, tuned, of_set))
        if key in (PASSAGES_KEY, OWN_KEY):
            reaches.append(reach(key, label, [reading.divergence for reading in tuned], of_reach))
    return SideEffects(
        sets=tuple(sets),
        reaches=tuple(reaches),
        replies=tuple(Reply(*reply) for reply in zip(QUESTIONS, *answers, strict=True)),
        max_tokens=MAX_TOKENS,
        naive=measure_prose(answers[0]),
        tuned=measure_prose(answers[1]),
        seed=seed,
        checks=check_writing(model, QUESTIONS, answers[0], answers[1], seed),
    )


def check_writing(
    model: ProseModel,
    questions: Sequence[str],
    naive: Sequence[str],
    tuned: Sequence[str],
    seed: int,
) -> tuple[WritingCheck, ...]:
    """Compare the qualities of both models' answers, question by question; one that no answer has is left out.

    Args:
        model: Reads the answers, untouched.
        questions: The questions.
        naive: The untouched model's answers.
        tuned: The tuned one's.
        seed: Of the bootstrap over questions.
    """
    states: list[np.ndarray] = []
    with task(f"reading {2 * len(questions)} answers", 2 * len(questions)):
        for answers in (naive, tuned):
            exchanges = [Exchange(*pair) for pair in zip(questions, answers, strict=True)]
            readings = model.read_texts(exchanges)
            one_each(model, "read_texts", exchanges, readings)
            rows = [
                (
                    is_readable(exchange.answer, exchange.question),
                    np.nan if (said := repetition(words(exchange.answer))) is None else 1 - said,
                    -reading.surprise.mean() if len(reading.surprise) else np.nan,
                )
                for exchange, reading in zip(exchanges, readings, strict=True)
            ]
            states.append(np.array(rows, np.float64))
    checks: list[WritingCheck] = []
    for column, key in enumerate(("readable", "fresh", "fluency")):
        pairs = np.stack([state[:, column] for state in states], axis=1)
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        if len(pairs):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, column)))
            differences = pairs[:, 1:] - pairs[:, :1]
            (difference,) = _quantities(differences.mean(axis=0), _weighted(differences, rng))
            before, after = pairs.mean(axis=0).tolist()
            checks.append(WritingCheck(key, before, after, difference))
    return tuple(checks)


def text_sets(
    own: Sequence[str] = (), said: Sequence[Exchange] = ()
) -> Mapping[str, tuple[str, tuple[Passage, ...]]]:
    """Return every set of texts by its key: its label, and the texts.

    Args:
        own: A user's texts, which come last: they change nothing of the others.
        said: The untouched model's answers.
    """
    sets: dict[str, tuple[str, tuple[Passage, ...]]] = {
        code: (language_name(code), texts) for code, texts in SENTENCES.items()
    }
    sets[PASSAGES_KEY] = "English, longer texts", HELD_OUT_PASSAGES
    if said:
        sets[ANSWERS_KEY] = "The untouched model’s own answers", tuple(said)
    if own:
        sets[OWN_KEY] = "Own texts", tuple(own)
    return sets


def reach(
    key: str,
    label: str,
    divergences: Sequence[Float[np.ndarray, " _"]],
    rng: np.random.Generator,
) -> Reach:
    """Average the divergence of many texts at each position.

    Only positions that at least half the texts have are kept, and only texts that have them all: every position
    is a mean over the same texts, so that a difference between positions is none between texts.

    Args:
        key: The set of texts.
        label: In words.
        divergences: Of each text's predicted tokens, at least one of them, in nats.
        rng: Draws texts.
    """
    lengths = sorted((len(tokens) for tokens in divergences if len(tokens)), reverse=True)
    length = lengths[len(lengths) // 2]
    table = np.stack([tokens[:length] for tokens in divergences if len(tokens) >= length])
    end = max(1, length // _ENDS)
    ends = np.stack([table[:, :end].mean(axis=1), table[:, -end:].mean(axis=1)], axis=1)
    columns = np.concatenate([table, ends, ends[:, :1] - ends[:, 1:]], axis=1)
    quantities = _quantities(columns.mean(axis=0), _weighted(columns, rng))
    means, intervals = quantities[:length], [quantity.interval for quantity in quantities[:length]]
    return Reach(
        key=key,
        label=label,
        texts=len(table),
        divergence=tuple(quantity.value for quantity in means),
        low=tuple(interval[0] for interval in intervals if interval is not None),
        high=tuple(interval[1] for interval in intervals if interval is not None),
        early=quantities[-3],
        late=quantities[-2],
        faded=quantities[-1],
    )


def _text_set(
    key: str,
    label: str,
    naive: Sequence[TextReading],
    tuned: Sequence[TextReading],
    rng: np.random.Generator,
) -> TextSet:
    """Count all tokens of a set alike, as the guard counts them; texts are drawn."""
    rows = [
        (after.divergence.sum(), before.surprise.sum(), after.surprise.sum(), len(after.divergence))
        for before, after in zip(naive, tuned, strict=True)
    ]
    sums = np.array([row for row in rows if row[-1]], np.float64)
    if not len(sums):
        raise UsageError(
            f"none of the {len(rows)} texts has two tokens, so there is nothing to predict",
            "Give whole sentences, one a line.",
        )
    total, samples = sums.sum(axis=0), _weighted(sums, rng)
    quantities = _quantities(_per_token(total), None if samples is None else _per_token(samples))
    return TextSet(key, label, len(sums), int(total[-1]), *quantities)


def _per_token(sums: Float[np.ndarray, "*sample sum"]) -> Float[np.ndarray, "*sample quantity"]:
    """Return divergence, both perplexities and their ratio from sums over tokens and their count."""
    divergence, naive, tuned = (sums[..., k] / sums[..., 3] for k in range(3))
    return np.stack(
        [np.maximum(divergence, 0.0), np.exp(naive), np.exp(tuned), np.exp(tuned - naive)], axis=-1
    )


def _weighted(
    columns: Float[np.ndarray, "text column"], rng: np.random.Generator
) -> Float[np.ndarray, "sample column"] | None:
    """Return the means of bootstrap samples of the texts; None for one text alone."""
    texts = len(columns)
    return None if texts < 2 else bootstrap_weights([range(texts)], SAMPLES, rng) @ columns


def _quantities(
    values: Float[np.ndarray, " column"], samples: Float[np.ndarray, "sample column"] | None
) -> list[Quantity]:
    if samples is None:
        return [Quantity(value, None) for value in values.tolist()]
    pairs = percentile_interval(samples).tolist()
    return [Quantity(value, (a, b)) for value, (a, b) in zip(values.tolist(), pairs, strict=True)]
