"""`acculturate bench search`: methods x countries x limits x seeds at one budget, on one model.

In: methods, each an optimiser with settings. Out: a `Comparison`. Every cell is a run that is kept in a
directory of its own and goes on where it stopped, so that the whole can be interrupted; a finished cell is
not run again. Random search is always among the methods: what does not beat it is no search.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from acculturate.errors import FailureError, UsageError
from acculturate.io import json_text, write_text
from acculturate.metrics.guard import HELD_OUT_TEXTS
from acculturate.metrics.measure import losses
from acculturate.model.answers import AnswerModel, Answers
from acculturate.runs.directory import RunDirectory
from acculturate.survey.countries import Country
from acculturate.survey.forms import Form, all_forms, forms_asked_once
from acculturate.survey.instrument import Instrument
from acculturate.survey.scoring import Scoring
from acculturate.tuning.config import Settings, to_toml
from acculturate.tuning.methods import Method, make_method
from acculturate.tuning.tune import make_tuning_loop, measured_forms, tuning_forms

RANDOM = "random"
_RESULT = "cell.json"


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
        method: Label of the method.
        country: Target.
        limit: On the divergence, nats a token, or None.
        seed: Of everything random.
        evaluations: After each generation.
        best: Loss of the best candidate so far, None while none was within the limit.
        loss: Of the best candidate on the forms that a result is measured on.
        held_out: Its loss on the held-out forms.
        divergence: Its divergence on the held-out guard texts.
        valid_mass: Mean share of the options on the held-out forms.
        seconds: Of the whole search.
        search_seconds: Median seconds of a generation spent in ask and tell.
    """

    method: str
    country: str
    limit: float | None
    seed: int
    evaluations: tuple[int, ...]
    best: tuple[float | None, ...]
    loss: float
    held_out: float
    divergence: float
    valid_mass: float
    seconds: float
    search_seconds: float

    def reached(self, loss: float) -> int | None:
        """Evaluations until a candidate within the limit had at most this loss; None if never."""
        for evaluations, best in zip(self.evaluations, self.best, strict=True):
            if best is not None and best <= loss:
                return evaluations
        return None

    @property
    def within(self) -> bool:
        """Whether the best candidate is within the limit."""
        return self.best[-1] is not None

    def best_at(self, evaluations: int) -> float | None:
        """Best loss after so many evaluations."""
        known = [b for e, b in zip(self.evaluations, self.best, strict=True) if e <= evaluations]
        return known[-1] if known else None


@dataclass(frozen=True)
class Comparison:
    """All cells of one comparison.

    Attributes:
        model: The model's name.
        budget: Evaluations of every run.
        cells: In the order of methods, countries, limits and seeds.
    """

    model: str
    budget: int
    cells: tuple[Cell, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def parse_method(text: str) -> Method:
    """Reads a method: the name of an optimiser, then settings of it or of the run behind commas.

    Raises:
        UsageError: The optimiser or a setting does not exist, or a value cannot be read.
    """
    name, *parts = (part.strip() for part in text.split(","))
    given: dict[str, Any] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(
                f"{part!r} in the method {text!r} is no setting",
                "Write name=value, as in tokens=16.",
            )
        if key in ("budget", "seed", "max_divergence"):
            raise UsageError(
                f"{key} in the method {text!r} is the same for all methods",
                "Give it as an option of the command.",
            )
        given[key] = _value(value)
    return make_method(text, name, given)


def compare(
    model: AnswerModel,
    instrument: Instrument,
    targets: Sequence[Country],
    methods: Sequence[Method],
    *,
    seeds: int,
    budget: int,
    limits: Sequence[float | None],
    out: Path,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Runs every cell that is not finished yet.

    Args:
        model: Who answers.
        instrument: What is asked.
        targets: Countries.
        methods: Random search is added where it is missing.
        seeds: Seeds 0, 1, ...
        budget: Evaluations of every run.
        limits: On the divergence, nats a token; None for no limit.
        out: Folder of the cells.
        settings: Fields of `Settings` that all methods share. Where they say nothing else, every method
            is asked the same forms, each item once in each option order.
        progress: Called with a sentence before every cell.

    Raises:
        UsageError: A setting cannot be run.
        FailureError: A file cannot be written or is damaged.
    """
    if all(method.optimizer != RANDOM for method in methods):
        methods = [*methods, parse_method(RANDOM)]
    shared = {"forms": forms_asked_once(instrument), **(settings or {})}
    jobs = [
        (
            method,
            target,
            limit,
            method.chosen(shared, budget, seed=seed, max_divergence=limit),
        )
        for seed in range(seeds)
        for target in targets
        for limit in limits
        for method in methods
    ]
    for _, target, _, chosen in jobs:  # nothing runs where something cannot
        tuning_forms(instrument, chosen)
        target.vector(instrument)
    about = model.provenance()
    cells: list[Cell] = []
    for number, (method, target, limit, chosen) in enumerate(jobs, 1):
        progress(f"{number} of {len(jobs)}: {method.label}, {target.name}, seed {chosen.seed}")
        folder = out / _slug(f"{target.name} {limit} {chosen.seed}") / _slug(method.label)
        cells.append(_cell(model, about, instrument, target, method, chosen, folder))
    order = {method.label: place for place, method in enumerate(methods)}
    return Comparison(model.name, budget, tuple(sorted(cells, key=lambda c: order[c.method])))


def _cell(
    model: AnswerModel,
    about: Mapping[str, str],
    instrument: Instrument,
    target: Country,
    method: Method,
    chosen: Settings,
    folder: Path,
) -> Cell:
    optimizer = method.make(chosen.budget)
    forms = tuning_forms(instrument, chosen)
    scoring = Scoring(instrument, chosen.anchor, chosen.aggregate, chosen.variant)
    config = to_toml(chosen, len(forms), about, instrument, target, optimizer)
    # A folder that holds this very cell goes on, another one is refused.
    directory = RunDirectory(folder, config, resume=True)
    try:
        saved = directory.read_json(_RESULT)
        if saved is None:
            vector = target.vector(instrument)
            search = make_tuning_loop(model, scoring, vector, forms, optimizer, chosen, directory)
            search.run(lambda _: None)
            if not np.isfinite(search.best_loss):
                raise FailureError(
                    f"none of {search.loop.evaluations} candidates of {method.label} gave finite answers",
                    f"Leave the method out, or look at {folder}.",
                )
            prompt = search.best().embeddings
            asked = measured_forms(instrument, chosen)
            saved = _measured(model, scoring, vector, prompt, chosen, asked) | {
                "seconds": search.loop.seconds
            }
            write_text(folder / _RESULT, json_text(saved))
        lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    finally:
        directory.close()
    return Cell(
        method=method.label,
        country=target.name,
        limit=chosen.max_divergence,
        seed=chosen.seed,
        evaluations=tuple(line["evaluations"] for line in lines),
        best=tuple(None if line["best_excess"] else line["best_loss"] for line in lines),
        search_seconds=float(np.median([line["search_seconds"] for line in lines])),
        **saved,
    )


def _measured(
    model: AnswerModel,
    scoring: Scoring,
    target: np.ndarray,
    prompt: np.ndarray,
    chosen: Settings,
    tuning: Sequence[Form],
) -> dict[str, float]:
    """What the search never saw, and the loss on what it could see."""

    def loss(answers: Answers) -> float:
        asked = answers, scoring, target, chosen.reading, chosen.respondents, chosen.seed
        return float(losses(*asked)[0])

    held_out = all_forms(scoring.instrument, (chosen.language,), split="held-out")
    answers = model.ask(
        prompt[None], held_out, texts=HELD_OUT_TEXTS, placement=chosen.placement, valid_mass=True
    )
    assert answers.divergence is not None and answers.valid_mass is not None
    return {
        "loss": loss(model.ask(prompt[None], tuning, placement=chosen.placement)),
        "held_out": loss(answers),
        "divergence": float(answers.divergence[0]),
        "valid_mass": float(answers.valid_mass.mean()),
    }


def _value(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), cast("Any", text))


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "cell"
