"""The numbers of an experiment in plain words: a headline and findings, honest before they are kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from acculturate.experiment.comparisons import LOSS, Difference
from acculturate.experiment.plan import BASELINES, Experiment
from acculturate.experiment.results import Measured, grouped
from acculturate.formatting import (
    LEVEL,
    divergence_text,
    loss_text,
    p_text,
    share_text,
    short,
)
from acculturate.metrics import ModelComparison
from acculturate.reporting.findings import (
    HARMFUL_DIVERGENCE,
    Finding,
    answers_finding,
    writer_words,
)
from acculturate.reporting.separation import separation

_SIGNIFICANT = 0.05
_FEWEST_APART = 3
"""Countries from which their distances are told."""


def headline(
    experiment: Experiment, measured: Sequence[Measured], complete: int, cells: int
) -> str:
    """Describe the experiment in two or three sentences."""
    countries = len({cell.cell.country for cell in measured})
    state = f"{complete} of {cells} cells are complete on {_models_text(experiment)}"
    state += f", {countries} {'country' if countries == 1 else 'countries'}."
    by_name = grouped(measured, lambda cell: cell.cell.name)
    # Of an experiment that is not complete: the countries that all methods have.
    places = [{cell.cell.place for cell in own} for own in by_name.values()]
    measured = [m for m in measured if all(m.cell.place in own for own in places)]
    by_name = grouped(measured, lambda cell: cell.cell.name)
    losses = {
        name: mean
        for name, own in by_name.items()
        if (mean := _mean(cell.held_out for cell in own)) is not None
    }
    if not losses:
        return state
    nearest = min(losses, key=lambda name: losses[name])
    untouched, method = _mean(map(_naive_loss, by_name[nearest])), by_name[nearest][0].cell.method
    constant = _mean(cell.evaluation.constant_answer_loss for cell in measured)
    digits = measured[0].evaluation.digits
    text = (
        f" On forms that no search saw, {short(nearest)} comes nearest to the targets: mean loss "
    )
    text += loss_text(losses[nearest], digits)
    if untouched is not None and method != "naive":
        text += f", against {loss_text(untouched, digits)} untouched"
    if constant is not None and method != "constant":
        text += f" and {loss_text(constant, digits)} for the same answer to everything"
    return f"{state}{text}."


def _models_text(experiment: Experiment) -> str:
    known = {"embedded": "Gemma 3 270M", "fake": "the fake model"}
    names = [known.get(model.label, short(model.shown)) for model in experiment.every_model]
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def findings(
    measured: Sequence[Measured],
    compared: Sequence[Difference],
    failed: int,
    untouched: Sequence[ModelComparison] = (),
) -> tuple[Finding, ...]:
    """Say what the results mean, failures first.

    Args:
        measured: The cells.
        compared: Differences of methods and of models.
        failed: Number of cells that failed.
        untouched: The untouched models beside the first.
    """
    failures = f"{failed} {'cell' if failed == 1 else 'cells'} failed twice."
    others = "Everything here is about the others; failures.json says why."
    digits = measured[0].evaluation.digits if measured else 1
    searched = [d for d in compared if d.method not in BASELINES and d.against is None]
    shown = [d for d in compared if d.method not in BASELINES[1:] and d.against is not None]
    tuned = [cell for cell in measured if cell.run is not None]
    by_name = grouped(tuned, lambda cell: cell.cell.name)
    return (
        *([Finding("bad", failures, others)] if failed else []),
        *_not_asked(measured),
        *_about_answers(measured),
        *(_against_naive(each, digits) for each in searched if each.measure == LOSS),
        *(_between_untouched(each, digits) for each in untouched),
        *(_against_model(each, digits) for each in shown if each.measure == LOSS),
        *(_carried_over(name, runs) for name, runs in by_name.items()),
        *_apart(by_name),
        *(_on_benchmark(each) for each in searched if each.measure != LOSS),
        *_degradation(tuned),
    )


def _about_answers(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Say where the untouched answers are not about the questions, and whether they follow what is told.

    The first is said once a method, as methods ask other forms; the second is the same in all cells of a model.
    """
    warned = {
        cell.cell.name: cell.run.content.warning
        for cell in measured
        if cell.run and cell.run.content
    }
    for warning, methods in grouped(warned, warned.__getitem__).items():
        if warning:
            yield Finding(
                "bad", f"{', '.join(map(short, methods))}: not about the questions.", warning
            )
    for model, own in grouped(measured, lambda cell: cell.cell.model).items():
        told = (cell.checks.responsiveness for cell in own if cell.checks.responsiveness)
        if (finding := answers_finding(next(told, None))) is not None:
            with_model = f"{short(model.shown)}: {finding.head}" if model else finding.head
            yield replace(finding, head=with_model)


def _against_naive(change: Difference, digits: int) -> Finding:
    fell = change.mean < 0
    head = (
        f"{short(change.name)}: the held-out loss fell in {change.better} of {change.pairs} cells"
    )
    head += "." if fell or not change.better else ", and not on average."
    tone = "good" if fell and _is_significant(change) else "caution" if fell else "bad"
    against = " against the untouched model on the same forms"
    return Finding(tone, head, _change_text("On average it changed by", change, digits, against))


def _between_untouched(compared: ModelComparison, digits: int) -> Finding:
    """Say in which dimensions two untouched models differ."""
    rows = compared.rows(digits)
    differ = [key for key, *_, answer in rows if answer == "yes"]
    names = f"{short(compared.second.model)} and {short(compared.first.model)}"
    head = f"Untouched, {names} "
    head += f"differ in {', '.join(differ)}." if differ else "are not shown to differ."
    changes = (f"{key} {change} ({ends})" for key, _, _, change, ends, _ in rows)
    text = f"Differences of the scores on the same held-out forms ({LEVEL}): {', '.join(changes)}."
    return Finding("good" if differ else "caution", head, text)


def _against_model(change: Difference, digits: int) -> Finding:
    """Say which of two models is nearer to the targets, both untouched or both moved in one way."""
    assert change.against is not None
    side = "lower" if change.mean < 0 else "higher"
    head = f"{short(change.name)}: a {side} held-out loss than with {short(change.against.shown)}"
    shown = _is_significant(change)
    head += "." if shown or change.corrected is None else ", by no more than chance may."
    return Finding(
        "good" if shown else "caution", head, _change_text("On average by", change, digits)
    )


def _change_text(lead: str, change: Difference, digits: int, against: str = "") -> str:
    text = f"{lead} {loss_text(change.mean, digits)}"
    if change.low is not None:
        text += f" ({LEVEL}: {loss_text(change.low, digits)} to {loss_text(change.high, digits)})"
    text += against
    if change.corrected is None:
        return f"{text}; one cell is too few for a test."
    return f"{text}; p = {p_text(change.corrected)} after correction for all comparisons."


def _on_benchmark(change: Difference) -> Finding:
    key = short(change.measure.partition(":")[2])
    rose, significant = change.mean > 0, _is_significant(change)
    head = f"{short(change.name)}: {key} {'rose' if rose else 'did not rise'}"
    head += "." if significant or not rose else ", by no more than chance may."
    text = f"By {loss_text(100 * change.mean)} points on average, better in {change.better} of "
    text += f"{change.pairs} cells"
    if change.corrected is not None:
        text += f"; p = {p_text(change.corrected)} after correction"
    text += ". All cells were asked the same questions: this speaks of other seeds, not of other questions."
    return Finding("bad" if significant and not rose else "caution", head, text)


def _is_significant(change: Difference) -> bool:
    return change.corrected is not None and change.corrected < _SIGNIFICANT


def _carried_over(name: str, runs: Sequence[Measured]) -> Finding:
    """Say how much of the fall on the tuning forms is there on forms that no search saw."""
    beaten = sum(
        cell.held_out is not None
        and cell.evaluation.constant_answer_loss is not None
        and cell.held_out < cell.evaluation.constant_answer_loss
        for cell in runs
    )
    text = f"{beaten} of {len(runs)} runs beat the same answer to everything; a loss above that says nothing."
    falls = [
        (cell.naive.tuning.loss - cell.tuning, cell.change)
        for cell in runs
        if cell.naive and cell.naive.tuning and cell.naive.tuning.loss is not None
        if cell.tuning is not None and cell.change is not None
    ]
    on_tuning, change = (_mean(own) for own in zip(*falls, strict=True)) if falls else (None, None)
    if on_tuning is None or change is None or on_tuning <= 0:
        head = f"{short(name)}: the loss did not fall on the forms of the search."
        return Finding("bad", head, f"On forms that no search saw {text}")
    share = -change / on_tuning
    means_much = beaten > len(runs) / 2
    tone = "good" if share > 0.7 and means_much else "caution" if share > 0.3 else "bad"
    carried = f"{share_text(max(0.0, share))} of the fall on its own forms carries over"
    return Finding(
        tone, f"{short(name)}: {carried} to forms that no search saw.", f"On those {text}"
    )


def _apart(by_name: Mapping[str, Sequence[Measured]]) -> Iterator[Finding]:
    """Say of methods in several countries whether these end as far apart as their targets are."""
    for name, runs in by_name.items():
        if len({cell.cell.place for cell in runs}) < _FEWEST_APART:
            continue
        # Each target is there once in a seed and a table.
        alike = grouped(runs, lambda cell: (cell.cell.table, cell.cell.seed)).values()
        found = [separation([cell.evaluation for cell in own]) for own in alike]
        known = [each for each in found if each is not None]
        if known:
            spread = float(np.mean([each.spread for each in known]))
            ranks = [rank for each in known for rank in each.ranks]
            tone = "good" if spread > 0.7 else "caution" if spread > 0.3 else "bad"
            head = (
                f"{short(name)}: on forms that no search saw, countries are {spread:.2f} times as "
            )
            text = f"{ranks.count(1)} of {len(ranks)} runs are nearest to their own target."
            yield Finding(tone, f"{head}far apart as their targets.", text)


def _degradation(tuned: Sequence[Measured]) -> Iterator[Finding]:
    """Say how many prompts harm ordinary text, where that was measured."""
    known = [(cell.row.divergence, cell) for cell in tuned if cell.row.divergence is not None]
    if not known:
        return
    worst, where = max(known, key=lambda pair: pair[0])
    middle = float(np.median([divergence for divergence, _ in known]))
    harmed = sum(divergence >= HARMFUL_DIVERGENCE for divergence, _ in known)
    tone = "bad" if harmed > len(known) / 2 else "caution" if harmed else "good"
    text = f"The middle prompt moves it by {divergence_text(middle)} nats a token "
    text += f"({writer_words(middle)}), the worst, {short(where.cell.title)}, by "
    text += f"{divergence_text(worst)}."
    yield Finding(tone, f"{harmed} of {len(known)} prompts harm ordinary text.", text)


def _not_asked(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Name the checks that could not be asked, by their reason; the untouched model has none of its own."""
    own = [cell for cell in measured if cell.cell.method != "naive"]
    refusals = [(cell.cell, refusal) for cell in own for refusal in cell.checks.refused]
    for reason, those in grouped(refusals, lambda pair: pair[1].reason).items():
        labels = "; ".join(dict.fromkeys(short(refusal.label) for _, refusal in those))
        cells = len({cell for cell, _ in those})
        head = f"Not asked in {cells} {'cell' if cells == 1 else 'cells'}: {labels}."
        yield Finding("caution", head, f"{short(reason, 300)}. The same command tries again.")


def _naive_loss(cell: Measured) -> float | None:
    return cell.naive.held_out.loss if cell.naive and cell.naive.held_out else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
