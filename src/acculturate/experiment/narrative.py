"""What an experiment's numbers say, in plain words: a headline and findings.

In: measured cells and comparisons. Out: sentences, honest before they are kind.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acculturate.experiment.comparisons import LOSS, Difference
from acculturate.experiment.plan import BASELINES, Experiment
from acculturate.experiment.results import Measured
from acculturate.formatting import LEVEL, divergence_text, loss_text, share_text, short
from acculturate.reporting.narrative import Finding, writer_words

_SURE = 0.05
_HARMFUL = 0.5
"""Nats a token from which ordinary text is usually broken; as in `reporting.story`."""


def headline(
    experiment: Experiment, measured: Sequence[Measured], complete: int, cells: int
) -> str:
    """The experiment in two or three sentences."""
    model = {"embedded": "Gemma 3 270M", "fake": "the fake model"}.get(experiment.model.name)
    countries = len({one.cell.country for one in measured})
    state = f"{complete} of {cells} cells are complete on {model or short(experiment.model.name)}"
    state += f", {countries} {'country' if countries == 1 else 'countries'}."
    nearest = _nearest(measured)
    if nearest is None:
        return state
    method, loss = nearest
    untouched = _mean([_naive_loss(one) for one in measured if one.cell.method == method])
    constant = _mean([one.evaluation.constant_answer_loss for one in measured])
    digits = measured[0].evaluation.digits
    words = (
        f" On forms that no search saw, {short(method)} comes nearest to the targets: mean loss "
    )
    words += loss_text(loss, digits)
    if untouched is not None and method != "naive":
        words += f", against {loss_text(untouched, digits)} untouched"
    if constant is not None and method != "constant":
        words += f" and {loss_text(constant, digits)} for the same answer to everything"
    return f"{state}{words}."


def findings(
    measured: Sequence[Measured], compared: Sequence[Difference], failed: int
) -> tuple[Finding, ...]:
    """What the results mean, failures first."""
    found: list[Finding] = []
    if failed:
        found.append(
            Finding(
                "bad",
                f"{failed} {'cell' if failed == 1 else 'cells'} failed twice.",
                "Everything here is about the others; failures.json says why.",
            )
        )
    digits = measured[0].evaluation.digits if measured else 1
    searched = [one for one in compared if one.method not in BASELINES]
    found += [_against_naive(one, digits) for one in searched if one.measure == LOSS]
    own = [one for one in measured if one.run is not None]
    by_method: dict[str, list[Measured]] = {}
    for one in own:
        by_method.setdefault(one.cell.method, []).append(one)
    found += [_carried_over(method, runs) for method, runs in by_method.items()]
    found += [_on_benchmark(one) for one in searched if one.measure != LOSS]
    return (*found, *_price(own))


def _against_naive(one: Difference, digits: int) -> Finding:
    fell = one.mean < 0
    sure = one.corrected is not None and one.corrected < _SURE
    head = f"{short(one.method)}: the held-out loss fell in {one.better} of {one.pairs} cells"
    head += "." if fell or not one.better else ", and not on average."
    text = f"On average it changed by {loss_text(one.mean, digits)}"
    if one.interval is not None:
        low, high = (loss_text(end, digits) for end in one.interval)
        text += f" ({LEVEL}: {low} to {high})"
    text += " against the untouched model on the same forms"
    if one.corrected is None:
        text += "; one cell is too few for a test."
    else:
        text += f"; p = {p_text(one.corrected)} after correction for all comparisons."
    return Finding("good" if fell and sure else "caution" if fell else "bad", head, text)


def _on_benchmark(one: Difference) -> Finding:
    key = short(one.measure.partition(":")[2])
    points = loss_text(100 * one.mean)
    up = one.mean > 0
    sure = one.corrected is not None and one.corrected < _SURE
    head = f"{short(one.method)}: {key} {'rose' if up else 'did not rise'}"
    head += "." if sure or not up else ", by no more than chance may."
    text = f"By {points} points on average, better in {one.better} of {one.pairs} cells"
    text += "." if one.corrected is None else f"; p = {p_text(one.corrected)} after correction."
    text += " All cells were asked the same questions: this speaks of other seeds, not of other questions."
    return Finding("bad" if sure and not up else "caution", head, text)


def _carried_over(method: str, runs: Sequence[Measured]) -> Finding:
    """How much of the fall on the tuning forms is there on forms that no search saw."""
    beaten = sum(
        one.held_out is not None
        and one.evaluation.constant_answer_loss is not None
        and one.held_out < one.evaluation.constant_answer_loss
        for one in runs
    )
    text = f"{beaten} of {len(runs)} runs beat the same answer to everything; a loss above that says nothing."
    on_tuning = _mean(
        [
            None
            if one.tuning is None or one.naive is None or one.naive.tuning is None
            else (one.naive.tuning.loss or 0.0) - one.tuning
            for one in runs
        ]
    )
    unseen = _mean([None if one.change is None else -one.change for one in runs])
    if on_tuning is None or unseen is None or on_tuning <= 0:
        head = f"{short(method)}: the loss did not fall on the forms of the search."
        return Finding("bad", head, f"On forms that no search saw {text}")
    share = unseen / on_tuning
    means_much = beaten > len(runs) / 2
    tone = "good" if share > 0.7 and means_much else "caution" if share > 0.3 else "bad"
    carried = f"{share_text(max(0.0, share))} of the fall on its own forms carries over"
    return Finding(
        tone, f"{short(method)}: {carried} to forms that no search saw.", f"On those {text}"
    )


def _price(own: Sequence[Measured]) -> list[Finding]:
    known = [(one.row.divergence, one) for one in own if one.row.divergence is not None]
    if not known:
        return []
    worst, where = max(known, key=lambda pair: pair[0])
    middle = float(np.median([divergence for divergence, _ in known]))
    harmed = sum(divergence >= _HARMFUL for divergence, _ in known)
    tone = "bad" if harmed > len(known) / 2 else "caution" if harmed else "good"
    head = f"{harmed} of {len(known)} prompts harm ordinary text."
    text = f"The middle prompt moves it by {divergence_text(middle)} nats a token "
    text += f"({writer_words(middle)}), the worst, {short(where.cell.title)}, by "
    return [Finding(tone, head, f"{text}{divergence_text(worst)}.")]


def p_text(p: float) -> str:
    """A p-value with as many decimals as it is worth."""
    return "under 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _nearest(measured: Sequence[Measured]) -> tuple[str, float] | None:
    by_method: dict[str, list[float]] = {}
    for one in measured:
        if one.held_out is not None:
            by_method.setdefault(one.cell.method, []).append(one.held_out)
    if not by_method:
        return None
    means = {method: float(np.mean(losses)) for method, losses in by_method.items()}
    method = min(means, key=lambda name: means[name])
    return method, means[method]


def _naive_loss(one: Measured) -> float | None:
    return one.naive.held_out.loss if one.naive and one.naive.held_out else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
