"""The effects of a soft prompt on ordinary text, in sentences computed from the numbers.

In: `SideEffects`. Out: sentences, or None where there is nothing to say.
"""

from __future__ import annotations

import math

from acculturate.formatting import LEVEL, divergence_text, interval_text, loss_text, share_text
from acculturate.metrics.prose import REPEATED
from acculturate.metrics.side_effects import OWN_KEY, PASSAGES_KEY, Reach, SideEffects, TextSet

_BROKEN = "the tuned model gives no finite number there"


def languages(found: SideEffects) -> str | None:
    """Say how far the tuned model is from the untouched one on each language's sentences, and at what cost."""
    sets = [one for one in found.sets if one.key not in (PASSAGES_KEY, OWN_KEY)]
    if not sets:
        return None
    if not all(math.isfinite(one.ratio.value) for one in sets):
        return f"On ordinary sentences that no search saw {_BROKEN}."
    least, most = (pick(sets, key=lambda one: one.divergence.value) for pick in (min, max))
    text = (
        f"On ordinary sentences in {len(sets)} languages that no search saw, the prompt moves what the model "
        f"expects next by {divergence_text(least.divergence.value)} ({least.label}) to "
        f"{divergence_text(most.divergence.value)} ({most.label}) nats a token."
    )
    worse = [one for one in sets if one.ratio.interval and one.ratio.interval[0] > 1]
    dearest = max(sets, key=lambda one: one.ratio.value)
    if not worse:
        return f"{text} In none of them perplexity is higher beyond what other sentences would explain."
    return (
        f"{text} Perplexity is higher beyond what other sentences would explain in "
        f"{len(worse)} of them, most in {dearest.label}, {_times(dearest)}."
    )


def own_texts(found: SideEffects) -> str | None:
    """Say the same of the texts that a user gave."""
    one = next((one for one in found.sets if one.key == OWN_KEY), None)
    if one is None:
        return None
    if not math.isfinite(one.ratio.value):
        return f"On the {one.texts} texts given {_BROKEN}."
    return (
        f"On the {one.texts} texts given it moves what the model expects next by "
        f"{divergence_text(one.divergence.value)} nats a token; perplexity is {_times(one)}."
    )


def reach(found: Reach) -> str:
    """Say whether the effect wears off further into a text."""
    length = len(found.divergence)
    fifth = max(1, length // 5)
    if not math.isfinite(found.faded.value):
        return f"How far the prompt reaches into a text cannot be said: {_BROKEN}."
    text = (
        f"On the first {_tokens(fifth)} behind the prompt the divergence is "
        f"{divergence_text(found.early.value)} nats a token, on the last {fifth} of {length} "
        f"{divergence_text(found.late.value)}"
    )
    if found.faded.interval is None:
        return f"{text}; one text alone does not tell whether the effect wears off."
    low, high = found.faded.interval
    if low > 0:
        return f"{text}: the effect wears off."
    if high < 0:
        return f"{text}: the effect grows."
    return f"{text}: whether the effect wears off these texts do not tell."


def replies(found: SideEffects) -> str | None:
    """Describe the answers to everyday questions beside the untouched model's."""
    if not found.replies:
        return None
    tuned, naive = found.tuned, found.naive
    text = (
        f"The answers to {len(found.replies)} everyday questions are {tuned.words:.0f} words long on average "
        f"({naive.words:.0f} untouched)"
    )
    if tuned.repetition is not None:
        text += (
            f", and {share_text(tuned.repetition)} of their runs of {REPEATED} words were said before "
            f"({share_text(naive.repetition)} untouched)"
        )
    wrong = [
        f"{share_text(share)} {name}"
        for share, name in ((tuned.refusals, "refuse"), (tuned.empty, "are empty"))
        if share
    ]
    return f"{text}; {' and '.join(wrong) if wrong else 'none refuses or is empty'}."


def sentences(found: SideEffects) -> tuple[str, ...]:
    """Return all that side effects say."""
    parts = (languages(found), own_texts(found), *map(reach, found.reaches), replies(found))
    return tuple(sentence for sentence in parts if sentence is not None)


def _times(one: TextSet) -> str:
    """Return the ratio of perplexities with its interval, in words."""
    ends = interval_text(one.ratio.interval, 2)
    span = f" ({LEVEL}: {ends})" if ends else ""
    return f"{loss_text(one.ratio.value, 2)} times the untouched model’s{span}"


def _tokens(count: int) -> str:
    return "token" if count == 1 else f"{count} tokens"
