"""Sentences on the effects of a soft prompt on ordinary text, computed from the numbers.

In: `SideEffects`. Out: sentences, or None where there is nothing to say.
"""

from __future__ import annotations

import math

from acculturate.formatting import LEVEL, divergence_text, interval_text, loss_text, share_text
from acculturate.metrics.prose import REPEATED
from acculturate.metrics.side_effects import (
    ANSWERS_KEY,
    OWN_KEY,
    PASSAGES_KEY,
    Reach,
    SideEffects,
    TextSet,
    WritingCheck,
)

_QUALITIES = {
    "readable": "readable answers",
    "fresh": "runs of words not said before",
    "fluency": "log-probability a token",
}
_BROKEN = "the tuned model gives no finite number there"


def languages(effects: SideEffects) -> str | None:
    """Say how far the tuned model is from the untouched one on each language's sentences, and at what cost."""
    others = PASSAGES_KEY, OWN_KEY, ANSWERS_KEY
    sets = [texts for texts in effects.sets if texts.key not in others]
    if not sets:
        return None
    if not all(math.isfinite(texts.ratio.value) for texts in sets):
        return f"On ordinary sentences that no search saw {_BROKEN}."
    least, most = (pick(sets, key=lambda texts: texts.divergence.value) for pick in (min, max))
    text = (
        f"On ordinary sentences in {len(sets)} languages that no search saw, the prompt moves what the model "
        f"expects next by {divergence_text(least.divergence.value)} ({least.label}) to "
        f"{divergence_text(most.divergence.value)} ({most.label}) nats a token."
    )
    worse = [texts for texts in sets if texts.ratio.interval and texts.ratio.interval[0] > 1]
    dearest = max(sets, key=lambda texts: texts.ratio.value)
    if not worse:
        return f"{text} In none of them perplexity is higher beyond what other sentences would explain."
    return (
        f"{text} Perplexity is higher beyond what other sentences would explain in "
        f"{len(worse)} of them, most in {dearest.label}, {_times(dearest)}."
    )


def longer_texts(effects: SideEffects) -> str | None:
    """Say how far the tuned model is from the untouched one on longer texts and on that one's own answers."""
    parts = [
        f"{_divergence(texts)} nats a token on {name}"
        for texts in effects.sets
        for key, name in ((PASSAGES_KEY, "longer texts"), (ANSWERS_KEY, "its own answers"))
        if texts.key == key and math.isfinite(texts.divergence.value)
    ]
    if not parts:
        return None
    return f"Divergence from the untouched model is {' and '.join(parts)}."


def own_texts(effects: SideEffects) -> str | None:
    """Describe divergence and perplexity on the texts that a user gave."""
    own = next((texts for texts in effects.sets if texts.key == OWN_KEY), None)
    if own is None:
        return None
    if not math.isfinite(own.ratio.value):
        return f"On the {own.texts} texts given {_BROKEN}."
    return (
        f"On the {own.texts} texts given it moves what the model expects next by "
        f"{divergence_text(own.divergence.value)} nats a token; perplexity is {_times(own)}."
    )


def reach(reached: Reach) -> str:
    """Say whether the effect wears off further into a text."""
    length = len(reached.divergence)
    fifth = max(1, length // 5)
    if not math.isfinite(reached.faded.value):
        return f"How far the prompt reaches into a text cannot be said: {_BROKEN}."
    text = (
        f"On the first {_tokens(fifth)} behind the prompt the divergence is "
        f"{divergence_text(reached.early.value)} nats a token, on the last {fifth} of {length} "
        f"{divergence_text(reached.late.value)}"
    )
    if reached.faded.interval is None:
        return f"{text}; one text alone does not tell whether the effect wears off."
    low, high = reached.faded.interval
    if low > 0:
        return f"{text}: the effect wears off."
    if high < 0:
        return f"{text}: the effect grows."
    return f"{text}: whether the effect wears off these texts do not tell."


def replies(effects: SideEffects) -> str | None:
    """Describe the answers to everyday questions beside the untouched model's."""
    if not effects.replies:
        return None
    tuned, naive = effects.tuned, effects.naive
    text = (
        f"The answers to {len(effects.replies)} everyday questions are {tuned.words:.0f} words long on average "
        f"({naive.words:.0f} untouched)"
    )
    if tuned.repetition is not None:
        text += (
            f", and {share_text(tuned.repetition)} of their runs of {REPEATED} words were said before "
            f"({share_text(naive.repetition)} untouched)"
        )
    shares = (tuned.refusals, "refuse"), (tuned.empty, "are empty")
    wrong = [f"{share_text(share)} {name}" for share, name in shares if share]
    return f"{text}; {' and '.join(wrong) if wrong else 'none refuses or is empty'}."


def writing(effects: SideEffects) -> str | None:
    """Say whether the answers are at least as readable, fresh and fluent as the untouched model's."""
    if not effects.checks:
        return None
    worse = [_QUALITIES[check.key] for check in effects.checks if check.worse]
    numbers = "; ".join(map(_quality, effects.checks))
    if worse:
        verdict = f"The written guard fails: less {' and '.join(worse)} than the untouched model"
    elif all(check.difference.value >= 0 for check in effects.checks):
        verdict = "The written guard holds: at least as good as the untouched model in all of it"
    else:
        verdict = "The written guard finds no less than other questions would explain"
    return f"{verdict} ({numbers})."


def sentences(effects: SideEffects) -> tuple[str, ...]:
    """Return the sentences on all side effects."""
    parts = (
        languages(effects),
        longer_texts(effects),
        own_texts(effects),
        *map(reach, effects.reaches),
        replies(effects),
        writing(effects),
    )
    return tuple(sentence for sentence in parts if sentence is not None)


def _quality(check: WritingCheck) -> str:
    """Return a quality of both models' answers, and the interval of the difference."""
    shares = check.key != "fluency"
    factor, digits = (100, 0) if shares else (1, 2)
    tuned, naive = (
        share_text(value) if shares else loss_text(value, 2) for value in (check.tuned, check.naive)
    )
    ends = check.difference.interval
    span = "" if ends is None else interval_text([factor * end for end in ends], digits)
    numbers = f"{_QUALITIES[check.key]} {tuned}, untouched {naive}"
    return f"{numbers}, difference, {LEVEL}: {span}" if span else numbers


def _divergence(texts: TextSet) -> str:
    """Return the divergence with its interval, in words."""
    ends = texts.divergence.interval
    span = "" if ends is None else f" ({LEVEL}: {' to '.join(map(divergence_text, ends))})"
    return f"{divergence_text(texts.divergence.value)}{span}"


def _times(texts: TextSet) -> str:
    """Return the ratio of perplexities with its interval, in words."""
    ends = interval_text(texts.ratio.interval, 2)
    span = f" ({LEVEL}: {ends})" if ends else ""
    return f"{loss_text(texts.ratio.value, 2)} times the untouched model’s{span}"


def _tokens(count: int) -> str:
    return "token" if count == 1 else f"{count} tokens"
