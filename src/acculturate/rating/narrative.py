"""Sentences on judgements, computed from the numbers.

In: `Results`. Out: a headline and findings, honest before they are kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from acculturate.formatting import LEVEL, interval_text, loss_text, share_text, short
from acculturate.metrics.ratings import Wins
from acculturate.metrics.statistics import Quantity
from acculturate.rating.folder import AGAIN, NAIVE, PERSONA
from acculturate.rating.statistics import Agreement, Results
from acculturate.reporting.findings import Finding

ENOUGH_AGREEMENT = 0.667
"""Krippendorff's alpha below which no conclusion is customary, not even a tentative one (K. Krippendorff 2018,
Content Analysis, chapter 12)."""


def label(variant: str) -> str:
    """Return the name of a variant in a sentence."""
    untouched = "the untouched model"
    known = {NAIVE: untouched, AGAIN: untouched, PERSONA: "the persona line"}
    return known.get(variant, short(variant, 40))


def headline(results: Results, country: str) -> str:
    """Say who judged how much, and what came of each run against the untouched model."""
    raters = len(results.raters)
    first = (
        f"{raters} rater{'s' if raters > 1 else ''} made {results.judgements} comparisons of answers to "
        f"{results.questions} questions without knowing where they came from."
    )
    return " ".join([first, *(_win_sentence(w, country) for w in results.wins if _is_main(w))])


def findings(results: Results, country: str, shared: Sequence[str]) -> tuple[Finding, ...]:
    """Return what a reader has to know, results first."""
    return (
        *(_win_finding(wins, results, country) for wins in results.wins if _of_run(wins)),
        *_writing_findings(results),
        *_marked_findings(results),
        *_agreement_findings(results),
        *_bias_findings(results, shared),
    )


def ends_text(quantity: Quantity, factor: float, digits: int) -> str:
    """Return the ends of an interval times a factor; empty where there is none."""
    ends = quantity.interval
    return "" if ends is None else interval_text([factor * end for end in ends], digits)


def _is_main(wins: Wins) -> bool:
    return _of_run(wins) and wins.against == NAIVE


def _of_run(wins: Wins) -> bool:
    return wins.variant not in (NAIVE, PERSONA) and wins.against in (NAIVE, PERSONA)


def _side_of_half(quantity: Quantity) -> int:
    """Return 1 or −1 where the whole interval is above or below one half, else 0."""
    low, high = quantity.interval or (0.0, 1.0)
    return (low > 0.5) - (high < 0.5)


def _won(quantity: Quantity) -> str:
    return f"{share_text(quantity.value)} ({LEVEL}: {ends_text(quantity, 100, 0)})"


def _win_sentence(wins: Wins, country: str) -> str:
    side = _side_of_half(wins.typical)
    verdict = ("are neither more nor less often", "are more often", "are less often")[side]
    return (
        f"Answers of {label(wins.variant)} {verdict} found more typical of {short(country)} than the untouched "
        f"model’s: they win {_won(wins.typical)}."
    )


def _win_finding(wins: Wins, results: Results, country: str) -> Finding:
    one, other = label(wins.variant), label(wins.against)
    text = (
        f"It wins {_won(wins.typical)} of {wins.judgements} judgements of what is more typical of "
        f"{short(country)}, ties as half; {share_text(wins.ties)} are ties."
    )
    side = _side_of_half(wins.typical)
    if side == 0:
        if wins.needed and wins.needed > wins.judgements:
            text += (
                f" A difference of {round(100 * results.difference)} points needs some {wins.needed:,} "
                "judgements to be seen."
            )
        return Finding("caution", f"Raters do not tell {one} and {other} apart.", text)
    head = f"Raters find {one} {'more' if side > 0 else 'less'} typical than {other}."
    return Finding("good" if side > 0 else "bad", head, text)


def _writing_findings(results: Results) -> Iterator[Finding]:
    for wins in filter(_is_main, results.wins):
        if _side_of_half(wins.better) < 0:
            text = f"In what is better written it wins {_won(wins.better)} against the untouched model."
            yield Finding("bad", f"Raters find {label(wins.variant)} worse written.", text)


def _marked_findings(results: Results) -> Iterator[Finding]:
    naive = results.marked.get(NAIVE)
    for name, marked in results.marked.items():
        if name == NAIVE or naive is None or not (marked.interval and naive.interval):
            continue
        if marked.interval[0] > naive.interval[1]:
            text = f"{_won(marked)} of its answers were marked, {_won(naive)} of the untouched model’s."
            yield Finding(
                "bad", f"Raters mark {label(name)} as stereotyped or offensive more often.", text
            )


def _agreement_findings(results: Results) -> Iterator[Finding]:
    typical: Agreement = results.agreement[0]
    if len(results.raters) == 1:
        text = "Intervals are over questions alone; another rater may judge otherwise."
        yield Finding("caution", "One person judged.", text)
    elif typical.alpha is not None and typical.alpha < ENOUGH_AGREEMENT:
        text = (
            f"In what is more typical, two raters agree on {share_text(typical.raw)} of the pairs, and "
            f"Krippendorff’s alpha is {loss_text(typical.alpha, 2)}; below {ENOUGH_AGREEMENT} one person’s "
            "judgements are not taken for those of others."
        )
        yield Finding("caution", "Raters agree little.", text)


def _bias_findings(results: Results, shared: Sequence[str]) -> Iterator[Finding]:
    floor, bias = results.floor, results.side_bias
    if floor is not None and _side_of_half(floor.typical):
        text = (
            f"Of two answers of the untouched model, drawn from the same distribution, one wins "
            f"{_won(floor.typical)}. With so few pairs that can be chance, and so can other differences "
            "of this size."
        )
        yield Finding("caution", "The untouched model beats itself.", text)
    if (
        bias is not None
        and bias.interval is not None
        and (bias.interval[0] > 0 or bias.interval[1] < 0)
    ):
        side = "left" if bias.value > 0 else "right"
        text = (
            f"Side bias {loss_text(bias.value, 2)} ({LEVEL}: {ends_text(bias, 1, 2)}). Sides are drawn for "
            "every rater and pair, so it adds noise and favours nobody."
        )
        yield Finding("caution", f"Raters prefer the {side} answer.", text)
    if shared:
        codes = ", ".join(shared)
        text = (
            f"{codes}: judgements came from two browsers by turns, and count as one rater’s. If "
            "they were two people, the rater’s agreement with itself is theirs with each other."
        )
        yield Finding("caution", "A code was used in two places.", text)
