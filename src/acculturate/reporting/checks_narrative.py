"""Sentences on the checks of a finished run, one or two each, computed from its numbers.

In: a `RunRecords` with its `Checks`. Out: sentences, or None where a check was not made.
"""

from __future__ import annotations

import math

from acculturate.formatting import (
    LEVEL,
    digits_for,
    interval_text,
    loss_text,
    share_text,
    short,
)
from acculturate.metrics.extremes import mean_distance
from acculturate.metrics.held_out import HEADLINE, FormSetResult
from acculturate.metrics.other_surveys import SurveyCheck
from acculturate.metrics.written_answers import Generated
from acculturate.reporting import attained_narrative
from acculturate.reporting.behaviour_narrative import behaviour
from acculturate.reporting.narrative import country
from acculturate.reporting.ratings_narrative import ratings
from acculturate.runs import RunRecords


def held_out(run: RunRecords) -> str | None:
    """Say whether the result holds on forms that the search never saw, and how large the gap is."""
    seen, unseen = run.checks.row("tuning"), run.checks.row(HEADLINE)
    if seen is None or unseen is None:
        return None
    gap = unseen.tuned.loss - seen.tuned.loss
    if not math.isfinite(gap):
        return (
            "On forms that its search never saw the tuned model gave answers that are not finite."
        )
    label = unseen.label
    text = (
        f"On forms that its search never saw ({label[:1].lower()}{short(label[1:])}) the loss is "
        f"{run.text(unseen.tuned.loss)} instead of {run.text(unseen.naive.loss)} untouched. On the forms it "
        f"was tuned on it is {run.text(seen.tuned.loss)}: {_gap_words(gap, run.text(abs(gap)))}."
    )
    return f"{text} {_chance_words(unseen, run)}".strip()


def other_ways(run: RunRecords) -> str | None:
    """Say in how many of the other ways of asking the loss fell, and where least."""
    rows = [row for row in run.checks.rows if row.key not in ("tuning", HEADLINE)]
    others = [
        row for row in rows if math.isfinite(row.gain) and (not row.shift or row.shift.counts)
    ]
    if not others:
        return None
    least = min(others, key=lambda row: row.gain)
    label = short(least.label).removeprefix("…")
    name = label[:1].lower() + label[1:]  # a language keeps its capital
    change = "fell" if least.gain > 0 else "rose"
    amount = run.text(abs(least.gain))
    change = f"{change} by {amount}" if float(amount) else "stayed what it was"
    return (
        f"Asked in {len(others)} other ways, the loss is lower than untouched in "
        f"{sum(row.gain > 0 for row in others)}. The least gain is "
        f"with “{name}”, where the loss {change}."
    )


def specificity(run: RunRecords) -> str | None:
    """Say whether the model came nearer to its target than to other countries."""
    check = run.checks.specificity
    if check is None or check.countries < 2:  # the only country is always the nearest
        return None
    country, before, after = short(check.country), check.naive.rank, check.tuned.rank
    if not check.tuned.losses:
        return f"How near the tuned model is to {country} cannot be said: answers are not finite."
    sure = ""
    if check.tuned.nearest_share is not None:
        sure = f"; it is the nearest in {share_text(check.tuned.nearest_share)} of the resampled surveys"
    if after == 1:
        was = "as it was before tuning" if before == 1 else f"untouched it was number {before}"
        return f"Of {check.countries} countries {country} is the nearest, {was}{sure}."
    return (
        f"{after - 1} of {check.countries} countries {'is' if after == 2 else 'are'} nearer to the tuned "
        f"model than {country}; untouched it was {before - 1}{sure}."
    )


def extremes(run: RunRecords) -> str | None:
    """Say whether scores far from the middle moved inward."""
    rows = run.checks.extremes.held_out if run.checks.extremes else ()
    if not rows or not all(math.isfinite(row.naive) and math.isfinite(row.tuned) for row in rows):
        return None
    naive, tuned, target = (mean_distance(rows, which) for which in ("naive", "tuned", "target"))
    inward = [row for row in rows if row.inward > 0]
    asked = [row for row in inward if abs(row.target - row.middle) < abs(row.naive - row.middle)]
    text = (
        f"On forms it never saw the scores lie {run.text(tuned)} from the middle of the scale on average, "
        f"instead of {run.text(naive)} untouched; the target’s lie {run.text(target)} from it. "
        f"{len(inward)} of {len(rows)} went inward"
    )
    if not inward:
        return f"{text}."
    return f"{text}, {len(asked) or 'none'} of these where the target is nearer the middle too."


def generated(run: RunRecords) -> str | None:
    """Say whether the model writes what its probabilities say."""
    check = run.checks.generated
    if check is None:
        return None
    tuned, naive = check.tuned, check.naive
    read = (
        f"{tuned.counts.get('valid', 0)} of {check.forms} answers of the tuned model name an option"
    )
    text = f"Written out, {read} ({naive.counts.get('valid', 0)} untouched)"
    if tuned.agreement is None:
        return f"{text}: what it writes is no answer, whatever its probabilities say.{_readable(check)}"
    beyond = "" if tuned.kappa is None else f", a kappa of {tuned.kappa:.2f}".replace("-", "−")
    return (
        f"{text}; of these {share_text(tuned.agreement)} are the option that its probabilities like "
        f"best{beyond}.{_readable(check)}"
    )


def _readable(check: Generated) -> str:
    """Say whether fewer answers are readable, as an option or as text; nothing where that was not measured."""
    if check.readable is None or check.readable.interval is None:
        return ""
    low, high = (100 * end for end in check.readable.interval)
    how_many, beyond = ("fewer", "") if high < 0 else ("no fewer", ", beyond chance")
    difference = f"difference in points, {LEVEL}: {interval_text((low, high), 0)}"
    return f" As text {how_many} are readable than untouched{beyond} ({difference})."


def other_surveys(run: RunRecords) -> str | None:
    """Say whether surveys that the search knew nothing of agree."""
    searched = run.config.survey.searched
    parts = [_in_survey(check, check.instrument in searched) for check in run.checks.surveys]
    parts += [
        f"{short(check.title)} was in the objective, so that it checks new forms and not another survey."
        for check in run.checks.surveys
        if check.instrument in searched
    ]
    parts += [
        f"{short(country(run))} is not in the table {short(table)}, so that survey says nothing here."
        for table in run.checks.missing
    ]
    return " ".join(parts) or None


def respondents(run: RunRecords) -> str | None:
    """Say what a survey of respondents would have found."""
    check = run.checks.respondents
    if check is None:
        return None
    if not math.isfinite(check.gain):
        return "Among the respondents some answers were not finite."
    sure = check.gain_interval[0] > 0 or check.gain_interval[1] < 0
    return (
        f"A survey of {check.respondents} respondents would put the tuned model "
        f"{run.text(check.tuned.loss)} from {short(country(run))} ({LEVEL}: "
        f"{interval_text(check.tuned.interval, run.digits)}), and the same respondents the untouched one "
        f"{run.text(check.naive.loss)}. So many respondents are {'' if sure else 'not '}enough to tell the "
        "two apart."
    )


def refused(run: RunRecords) -> tuple[str, ...]:
    """Name what could not be asked: a sentence for each reason."""
    labels: dict[str, list[str]] = {}
    for refusal in run.checks.refused:
        labels.setdefault(refusal.reason, []).append(short(refusal.label))
    return tuple(
        f"Not asked: {'; '.join(those)}: {short(reason, 300)}." for reason, those in labels.items()
    )


def sentences(run: RunRecords) -> tuple[str, ...]:
    """Return the sentences on all checks of a run."""
    shifts = attained_narrative.carry_over, attained_narrative.other_ways
    checks = (
        *shifts,
        held_out,
        other_ways,
        specificity,
        other_surveys,
        behaviour,
        ratings,
        extremes,
        respondents,
        generated,
    )
    parts = (check(run) for check in checks)
    return tuple(sentence for sentence in parts if sentence is not None)


def _in_survey(check: SurveyCheck, searched: bool) -> str:
    digits, title = digits_for(check.target.values()), short(check.title)
    if not math.isfinite(check.gain):
        return f"Asked {title}, the model gave answers that are not finite."
    chance = ""
    if check.gain_interval is not None:
        chance = ", and other forms could undo that"
        if check.gain_interval[0] > 0 or check.gain_interval[1] < 0:
            chance = ", more than other forms would explain"
    after, before = (loss_text(state.loss, digits) for state in (check.tuned, check.naive))
    moved = f": it moved {'towards' if check.gain > 0 else 'away from'} it{chance}"
    moved = "" if after == before else moved
    where = f"In {title}" if searched else f"In a survey that the search knew nothing of ({title})"
    return (
        f"{where}, the tuned model is "
        f"{after} from {short(check.country)} instead of {before} untouched{moved}."
    )


def _gap_words(gap: float, text: str) -> str:
    if not float(text.replace("−", "-")):
        return "no gap between the two"
    return f"a gap of {text}" if gap > 0 else f"{text} more than on new ones"


def _chance_words(row: FormSetResult, run: RunRecords) -> str:
    """Say whether the gain can be chance, as far as the forms go."""
    if row.gain_interval is None:
        return ""
    low, high = row.gain_interval
    span = f"({LEVEL}: {interval_text(row.gain_interval, run.digits)})"
    if low > 0:
        return f"The gain of {run.text(row.gain)} is larger than other forms would explain {span}."
    if high < 0:
        return f"The loss of ground is larger than other forms would explain {span}."
    return f"Other forms could undo the difference of {run.text(row.gain)} {span}."
