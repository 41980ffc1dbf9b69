"""The report of a rating: the key is opened here and nowhere else.

In: a folder with pairs, key and ratings. Out: in it report.html, judgements.csv and preferences.jsonl, and in
the directory of every run evaluation/ratings.json, which the run's own report and `relate` show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from acculturate.arguments import Seed, checked
from acculturate.errors import FailureError, UsageError
from acculturate.io import write_text
from acculturate.metrics.ratings import Rated
from acculturate.progress import task
from acculturate.rating.folder import (
    AGAIN,
    NAIVE,
    RATINGS,
    Key,
    Pair,
    Variant,
    read_key,
    read_pairs,
)
from acculturate.rating.log import Event, last_ratings, read_events, shared_codes
from acculturate.rating.narrative import findings, headline
from acculturate.rating.statistics import DIFFERENCE, Judgement, Results, evaluate_judgements
from acculturate.rating.tables import Table, tables_of
from acculturate.record_files import MEND, write_record
from acculturate.reporting.report import environment
from acculturate.runs import RATED, load_prompt
from acculturate.tables import csv_text

_SUMS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class OpenedRating:
    """A rating whose key was opened.

    Attributes:
        folder: Where it is.
        pairs: By id.
        key: Says whose the answers are.
        judgements: The valid ones, with their events.
        shared: Codes that two browsers used by turns.
    """

    folder: Path
    pairs: Mapping[str, Pair]
    key: Key
    judgements: tuple[tuple[Judgement, Event], ...]
    shared: tuple[str, ...]

    @property
    def country(self) -> str:
        """The country that answers are to be typical of."""
        return next(iter(self.pairs.values())).country

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants that are compared."""
        return tuple(v.name for v in self.key.variants if v.name != AGAIN)


@dataclass(frozen=True)
class Reported:
    """The files and sentences of a rating's report.

    Attributes:
        country: As in `OpenedRating`.
        results: The numbers.
        tables: The same as text.
        sentences: What they say.
        files: Files that were written.
        left_out: Why a run's directory was not written to, by its path.
    """

    country: str
    results: Results
    tables: tuple[Table, ...]
    sentences: tuple[str, ...]
    files: tuple[Path, ...]
    left_out: Mapping[str, str]


@checked
def report_ratings(
    folder: str | Path, *, seed: Seed = 0, difference: float = DIFFERENCE
) -> Reported:
    """Open the key of a rating, and write its report and tables.

    Args:
        folder: Of the rating; people may go on judging meanwhile.
        seed: Of the bootstrap.
        difference: Difference of a share of wins from one half that the number of judgements is asked for.

    Raises:
        UsageError: evalica is not installed, there is no rating, nobody has judged yet, or the difference is
            not between 0 and 0.5.
        FailureError: A file of the folder is damaged, or nothing can be written there.
    """
    if find_spec("evalica") is None:
        raise UsageError("a report of ratings needs evalica", "pip install 'acculturate[rate]'")
    if not 0 < difference < 0.5:
        raise UsageError(
            f"a share of wins cannot differ from one half by {difference}",
            "Give a difference above 0 and below 0.5, such as 0.1.",
        )
    opened = open_rating(Path(folder))
    judgements = [judgement for judgement, _ in opened.judgements]
    with task("evaluating the ratings"):
        results = evaluate_judgements(judgements, opened.variants, seed=seed, difference=difference)
    shown, found = (
        tables_of(results, opened.country),
        findings(results, opened.country, opened.shared),
    )
    head = headline(results, opened.country)
    page = environment("acculturate.rating").get_template("rating.html.j2")
    html = page.render(
        title=f"Which answer is more typical of {opened.country}?",
        version=version("acculturate"),
        headline=head,
        findings=found,
        tables=shown,
        key=opened.key,
        reasons=_reasons(opened),
        instruments=(),
        hofstede=False,
    )
    files = {
        "report.html": html,
        "judgements.csv": _csv(opened),
        "preferences.jsonl": "".join(json.dumps(line) + "\n" for line in preferences(opened)),
    }
    for name, text in files.items():
        write_text(opened.folder / name, text)
    return Reported(
        country=opened.country,
        results=results,
        tables=shown,
        sentences=(head, *(f"{each.head} {each.text}" for each in found)),
        files=tuple(opened.folder / name for name in files),
        left_out=_write_to_runs(opened, results),
    )


def open_rating(folder: Path) -> OpenedRating:
    """Read a folder with its key.

    Raises:
        UsageError: There are no pairs, or the key is missing.
        FailureError: A file is damaged, or they do not belong together.
    """
    pairs = read_pairs(folder)
    key, events = read_key(folder, pairs), read_events(folder)
    judgements: list[tuple[Judgement, Event]] = []
    by_id = {pair.id: pair for pair in pairs}
    for event in last_ratings(events).values():
        rating = event.rating
        if rating is None:
            continue
        if rating.pair not in by_id:
            raise FailureError(
                f"{folder / RATINGS} has a rating of a pair {rating.pair!r}, which is not in this folder",
                MEND,
            )
        origin = key.origins[rating.pair]
        judgement = Judgement(
            rater=event.rater,
            pair=rating.pair,
            question=by_id[rating.pair].question,
            first=origin.first,
            second=origin.second,
            again=rating.again,
            first_left=rating.first_left,
            typical=rating.typical,
            better=rating.better,
            marked=rating.marked,
        )
        judgements.append((judgement, event))
    return OpenedRating(folder, by_id, key, tuple(judgements), shared_codes(events))


def preferences(opened: OpenedRating) -> list[dict[str, Any]]:
    """Return each pair of which most raters find one answer more typical, as preference tuning takes it."""
    votes: dict[str, list[float]] = {}
    for judgement, _ in opened.judgements:
        if not judgement.again:
            votes.setdefault(judgement.pair, []).append(judgement.score("typical"))
    lines: list[dict[str, Any]] = []
    for name, scores in votes.items():
        pair, for_first, for_second = opened.pairs[name], scores.count(1.0), scores.count(0.0)
        if for_first != for_second:
            answers = (pair.first, pair.second)[:: 1 if for_first > for_second else -1]
            lines.append(
                {
                    "prompt": pair.question,
                    "chosen": answers[0],
                    "rejected": answers[1],
                    "votes": max(for_first, for_second),
                    "votes_against": min(for_first, for_second),
                    "ties": scores.count(0.5),
                }
            )
    return lines


def _csv(opened: OpenedRating) -> str:
    """Return a row for each judgement; a reason that a spreadsheet would compute begins with an apostrophe."""
    header = (
        "rater", "time", "pair", "again", "question", "domain", "left", "right",
        "typical", "better", "marked", "reason",
    )  # fmt: skip
    rows: list[Sequence[object]] = []
    for judgement, event in opened.judgements:
        rating, origin = event.rating, opened.key.origins[judgement.pair]
        sides = (origin.first, origin.second)[:: 1 if judgement.first_left else -1]
        reason = rating.reason if rating else ""
        guarded = f"'{reason}" if reason.startswith(_SUMS) else reason
        seen = judgement.rater, event.time, judgement.pair, int(judgement.again)
        said = judgement.typical, judgement.better, judgement.marked, guarded
        rows.append((*seen, judgement.question, origin.domain, *sides, *said))
    return csv_text(header, rows)


def _reasons(opened: OpenedRating) -> list[tuple[str, str, str]]:
    """Return question, what was judged in names of variants, and the reason, where one was given."""
    told: list[tuple[str, str, str]] = []
    for judgement, event in opened.judgements:
        if event.rating and event.rating.reason:
            score, names = judgement.score("typical"), (judgement.first, judgement.second)
            best = {1.0: names[0], 0.0: names[1]}.get(score, "tie")
            told.append((judgement.question, f"{best} ({' or '.join(names)})", event.rating.reason))
    return told


def _write_to_runs(opened: OpenedRating, results: Results) -> dict[str, str]:
    """Write what a run's answers came to into its directory; return why not, by directory."""
    left_out: dict[str, str] = {}
    for variant in opened.key.variants:
        if not variant.run:
            continue
        try:
            if load_prompt(Path(variant.run), any_model=True).fingerprint != variant.prompt:
                raise UsageError("it holds another soft prompt now")
            rated = _rated(opened, results, variant)
            if rated is not None:
                write_record(Path(variant.run) / "evaluation" / f"{RATED}.json", rated)
        except (UsageError, FailureError) as error:
            left_out[variant.run] = str(error)
    return left_out


def _rated(opened: OpenedRating, results: Results, variant: Variant) -> Rated | None:
    """Return a run's record; None where none of its answers was judged."""
    name = variant.name
    wins = tuple(
        wins if wins.variant == name else wins.turned()
        for wins in results.wins
        if name in (wins.variant, wins.against)
    )
    marked, naive = results.marked.get(name), results.marked.get(NAIVE)
    if not wins or marked is None or naive is None:
        return None
    return Rated(
        country=opened.country,
        raters=len(results.raters),
        questions=results.questions,
        wins=wins,
        marked=marked,
        naive_marked=naive,
        alpha=results.agreement[0].alpha,
        floor=results.floor.typical if results.floor else None,
    )


def to_dict(reported: Reported) -> dict[str, Any]:
    """Return everything for JSON."""
    return {
        "country": reported.country,
        **asdict(reported.results),
        "sentences": reported.sentences,
        "files": [str(file) for file in reported.files],
        "left_out": dict(reported.left_out),
    }
