"""The space "demonstrations": the survey's questions in front of every form, with answers that are searched.

In: a task. Out: a space with a number a question. A search by answers has few evaluations, so that it needs few
numbers, each with an effect of its own; the start is what the method "demonstrations" shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.model.answers import Answering
from acculturate.search import Choices
from acculturate.survey.forms import Form, all_forms
from acculturate.tuning.task import Task
from acculturate.tuning.treatments import make_demonstrations


class _Question(NamedTuple):
    """A question as it is shown.

    Attributes:
        asked: Embeddings of the question, up to its answer.
        answers: Embeddings of each answer, from the first option on, with line ends behind shorter ones.
        end: Embeddings of what follows.
        answer: Number of the answer at the start, from 0.
    """

    asked: Float[np.ndarray, "token hidden"]
    answers: Float[np.ndarray, "option part hidden"]
    end: Float[np.ndarray, "token hidden"]
    answer: int

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.asked) + self.answers.shape[1] + len(self.end)


def space_of_shown_answers(model: Answering, task: Task, spread: float) -> Choices:
    """Return the space of the answers to the questions that fit into the virtual tokens.

    Every question is shown in one of the tuning wordings and sets of option words, its neighbour in others.
    Those whose answers have to change most come first where not all fit; line ends in front fill what is left.

    Args:
        model: Gives the embeddings, and is asked untouched.
        task: Its settings hold the number of tokens.
        spread: Of the first answers around those of the country, in options.

    Raises:
        UsageError: Not even one question fits.
    """
    settings, instrument = task.settings, task.scoring.instrument
    tokens, items = settings.token_count, [item.id for item in instrument.items]
    kind, line_end = settings.label_kinds[0], model.embed_text("\n")
    pool = all_forms(instrument, (settings.language,), "tuning", (kind,), words="tuning")
    shown: dict[int, _Question] = {}
    left = tokens
    for item, answer in make_demonstrations(model, task).answers.items():
        place = items.index(item)
        forms = [form for form in pool if form.item == item]
        question = _embed(model, _choose(forms, place), answer - 1, line_end)
        if question.length <= left:
            shown[place] = question
            left -= question.length
    if not shown:
        raise UsageError(
            f"no question of {instrument.title} fits into {tokens} virtual tokens",
            "Use more --tokens, or another --space.",
        )
    questions = [shown[place] for place in sorted(shown)]
    parts, places, at = [_repeat(line_end, left)], [], left
    for question in questions:
        parts += [question.asked, question.answers[question.answer], question.end]
        places.append((at + len(question.asked), question.answers))
        at += question.length
    start = np.array([question.answer for question in questions], np.float64)
    return Choices(np.concatenate(parts), places, start, spread)


def _choose(forms: Sequence[Form], place: int) -> Form:
    """Choose a form of an item: wording, option words and order by its place, the shortest frame."""
    for name in ("wording", "word_set", "order"):
        values = list(dict.fromkeys(getattr(form, name) for form in forms))
        chosen = values[place % len(values)]
        forms = [form for form in forms if getattr(form, name) == chosen]
    return min(forms, key=lambda form: len(form.text))


def _embed(
    model: Answering, form: Form, answer: int, line_end: Float[np.ndarray, "token hidden"]
) -> _Question:
    options = [
        model.embed_text(f" {form.labels[form.options.index(option)]}")
        for option in range(len(form.options))
    ]
    longest = max(map(len, options))
    filled = [np.concatenate([words, _repeat(line_end, longest - len(words))]) for words in options]
    asked = model.embed_text(f"{form.text}\n{form.cue}")
    return _Question(asked, np.stack(filled), model.embed_text("\n\n"), answer)


def _repeat(tokens: Float[np.ndarray, "token hidden"], count: int) -> np.ndarray:
    """Repeat or cut embeddings to a number of tokens."""
    return np.resize(tokens, (count, tokens.shape[1]))
