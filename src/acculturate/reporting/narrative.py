"""A run's numbers in plain words: names, titles and a headline.

In: a `RunRecords`. Out: sentences.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from acculturate.formatting import (
    divergence_text,
    perplexity_text,
    short,
)
from acculturate.reporting import attained_narrative
from acculturate.runs import Evaluation, Method, RunRecords


def country(run: RunRecords) -> str:
    """Return the target's name, short enough for a sentence."""
    return short(run.evaluation.target.country if run.evaluation else run.config.survey.country)


def title(run: RunRecords) -> str:
    """Return the title of a run's report; of a model that is not fit to be measured, only its answers move."""
    told = run.checks.responsiveness
    unfit = (told is not None and not told.passed) or _content_warning(run)
    moved = ": answers moved" if unfit else ", moved"
    return f"{model_name(run)}{moved} towards {country(run)}"


def subtitle(run: RunRecords) -> str:
    """Return the directory, the questionnaire and the table of a run."""
    survey = run.config.survey
    instrument = run.provenance.instrument.title if run.provenance else survey.instrument
    parts = f"Run {short(run.name)}", instrument, f"table {survey.table}"
    return " · ".join(map(short, parts))


def model_name(run: RunRecords) -> str:
    """Return the model's name, as a reader knows it."""
    known = {"embedded": "Gemma 3 270M", "fake": "The fake model"}
    return known.get(run.config.model.name, short(run.config.model.name))


def resume_command(run: RunRecords) -> str:
    """Return the command, or the call, that goes on with an interrupted run."""
    command = run.provenance.command if run.provenance else None
    if command and run.config.search.earlier_budgets:
        command += f" --budget {run.config.search.budget}"  # of several, the last one counts
    if not command:  # made from Python
        return f"acculturate.tune(…, out={str(run.path)!r}, resume=True)"
    resumes = command.startswith("acculturate experiment ") or "--resume" in command.split()
    return command if resumes else f"{command} --resume"


def leader(run: RunRecords) -> str:
    """Return the name of the candidate that a search would have ended with at any point.

    Of losses on the same forms the least is the best so far; with forms drawn anew there is only a latest.
    """
    return "current prompt" if run.sampled else "best so far"


def search_caption(run: RunRecords, bands: Collection[object]) -> str:
    """Say what the figure of a search shows; `bands` are its series of whole generations."""
    line = f"Thick line: the {leader(run)}"
    if any(generation.best_violation for generation in run.history):
        line += ", dotted where nothing was within the limits yet"
    parts = [f"{line}."]
    if run.sampled:
        parts.append("Every step asks other forms, so the line rises and falls with these too.")
    if bands:
        parts.append(
            "Bands: the middle half and the middle 90 % of each generation by what is minimised, the loss "
            "with its penalties, cut off far above everything else."
        )
    parts.append("The search sees only tuning forms; that its loss falls is no result in itself.")
    return " ".join(parts)


def headline(run: RunRecords) -> str:
    """Summarise a run in a few sentences: content or carry-over, the change, whether it holds, its cost."""
    naive, tuned = run.method("naive"), run.method("tuned")
    if run.evaluation is None or tuned is None or naive is None:
        return " ".join(filter(None, [_content_warning(run), _unfinished_headline(run)]))
    change = _change_words(run, loss_of(naive, "tuning"), loss_of(tuned, "tuning"))
    unseen = _unseen_words(run, loss_of(naive, "held-out"), loss_of(tuned, "held-out"))
    first = _content_warning(run) or attained_narrative.carry_over(run)
    sentences = (
        *([first] if first else []),
        f"Tuning {change} on {run.evaluation.forms.tuning} tuning forms; on forms it never saw {unseen}.",
        _cost_sentence(naive, tuned),
    )
    return " ".join(sentences)


def comparison_headline(runs: Sequence[RunRecords]) -> str:
    """Summarise several runs in two sentences: how many are finished, and in how many the gain holds."""
    finished = held = beating = 0
    for run in runs:
        naive, tuned = run.method("naive"), run.method("tuned")
        if run.evaluation is None or tuned is None or naive is None:
            continue
        finished += 1
        before, after = loss_of(naive, "held-out"), loss_of(tuned, "held-out")
        constant = run.evaluation.constant_answer_loss
        held += before is not None and after is not None and after < before
        beating += constant is not None and after is not None and after < constant
    state = f"{finished} of {len(runs)} runs are finished."
    if not finished:
        return state
    return (
        f"{state} On forms that the search never saw the loss fell in {held} of them, and "
        f"{beating} of them came below the loss of a constant answer."
    )


def has_odd_interval(evaluation: Evaluation) -> bool:
    """Return whether the interval of some loss lies beside the loss itself."""
    outcomes = (outcome for row in evaluation.rows for outcome in (row.tuning, row.held_out))
    return any(
        not outcome.interval[0] <= outcome.loss <= outcome.interval[1]
        for outcome in outcomes
        if outcome and outcome.loss is not None and outcome.interval is not None
    )


def _content_warning(run: RunRecords) -> str | None:
    return run.content.warning if run.content else None


def _change_words(run: RunRecords, before: float | None, after: float | None) -> str:
    old, new = run.text(before), run.text(after)
    if before is None or old == new:
        return f"left the loss to {country(run)} at {new}"
    verb = "raised" if after is None or after > before else "brought"
    return f"{verb} the loss to {country(run)} from {old} to {new}"


def _unseen_words(run: RunRecords, before: float | None, after: float | None) -> str:
    old, new = run.text(before), run.text(after)
    if after is None:
        return "it was not measured"
    if before is None or old == new:
        return f"it {'is' if before is None else 'stayed at'} {new}"
    return f"it {'rose' if after > before else 'went'} from {old} to {new}"


def _cost_sentence(naive: Method, tuned: Method) -> str:
    if tuned.divergence is None:
        return "Degradation on ordinary text was not measured."
    text = f"Cost on ordinary text: divergence {divergence_text(tuned.divergence)} nats a token"
    if naive.perplexity is None or tuned.perplexity is None:
        return f"{text}."
    perplexities = perplexity_text(naive.perplexity), perplexity_text(tuned.perplexity)
    return f"{text}, perplexity {' to '.join(perplexities)}."


def _unfinished_headline(run: RunRecords) -> str:
    of_budget = f" of {run.config.search.budget}"
    if not run.history:
        return "This run was stopped before its first candidates were evaluated."
    first, last = run.history[0], run.history[-1]
    state = "The search ended" if run.done else "This run is unfinished"
    loss, forms = "best loss", "the tuning forms"
    if run.sampled:
        loss, forms = "loss of the current prompt", "the tuning forms of its step"
    return (
        f"{state}: after {last.evaluations}{of_budget} evaluations the {loss} to {country(run)} on {forms} "
        f"is {run.text(last.best_loss)}, after the first {first.evaluations} it was "
        f"{run.text(first.best_loss)}. Nothing has been measured on other forms yet, so these numbers "
        "alone say little."
    )


def loss_of(row: Method, forms: Literal["tuning", "held-out"]) -> float | None:
    """Return a method's loss on a set of forms; None where it was not measured, or is not finite."""
    outcome = row.tuning if forms == "tuning" else row.held_out
    return None if outcome is None else outcome.loss
