"""Writes run directories that look like real ones, whole or interrupted, without any model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.benchmarks import MethodScore, Part, Result
from acculturate.metrics.behaviour import (
    Behaviour,
    BehaviourRow,
    DimensionShift,
    JudgeCheck,
    Kind,
)
from acculturate.metrics.side_effects import Reply
from acculturate.metrics.statistics import Quantity
from acculturate.record_files import write_record
from acculturate.runs import (
    FORMAT,
    Continuation,
    Dimension,
    Done,
    Evaluation,
    FormCounts,
    Generation,
    Method,
    Outcome,
    Provenance,
    Target,
    inputs,
)

DIMENSIONS = [
    ("pdi", "Power distance", "power should be shared", "unequal power is accepted"),
    ("idv", "Individualism", "the group comes first", "the individual comes first"),
    ("mas", "Masculinity", "care and quality of life", "achievement and success"),
    ("uai", "Uncertainty avoidance", "at ease with the unknown", "rules against the unknown"),
    ("lto", "Long-term orientation", "tradition and the present", "thrift and the future"),
    ("ivr", "Indulgence", "restraint by strict norms", "free enjoyment of life"),
]
KEYS = [key for key, *_ in DIMENSIONS]
TARGET = dict(zip(KEYS, (40.0, 91.0, 62.0, 46.0, 26.0, 68.0), strict=True))
NAIVE = dict(zip(KEYS, (63.0, 55.0, 44.0, 71.0, 38.0, 52.0), strict=True))
TUNED = dict(zip(KEYS, (44.0, 82.0, 60.0, 52.0, 31.0, 65.0), strict=True))

Change = Callable[[dict[str, Any]], None]


def outcome(scores: dict[str, float], spread: float = 6.0, mass: float = 0.93) -> Outcome:
    loss = float(np.mean([abs(scores[key] - TARGET[key]) for key in KEYS]))
    return Outcome(
        loss=loss,
        interval=(loss - 0.3 * spread, loss + 0.35 * spread),
        scores=scores,
        intervals={key: (scores[key] - spread, scores[key] + 1.2 * spread) for key in KEYS},
        valid_mass=mass,
    )


def shifted(scores: dict[str, float], by: float) -> dict[str, float]:
    signs = (1, -1, 1, 1, -1, 1)
    return {key: scores[key] + by * sign for key, sign in zip(KEYS, signs, strict=True)}


def row(
    method: str,
    label: str,
    scores: dict[str, float],
    unseen: dict[str, float],
    divergence: float | None = None,
    perplexity: float | None = None,
    evaluations: int | None = 1,
) -> Method:
    return Method(
        method,
        label,
        outcome(scores),
        outcome(unseen, 8.0, 0.91),
        divergence,
        perplexity,
        None if divergence is None else divergence * 1.1,
        None if perplexity is None else perplexity + 2.4,
        evaluations,
    )


def summary(country: str = "United States") -> Evaluation:
    midway = {key: (NAIVE[key] + TUNED[key]) / 2 for key in KEYS}
    same = replace(outcome(dict.fromkeys(KEYS, 50.0)), interval=None, intervals={}, valid_mass=None)
    in_words, in_words_unseen = midway, shifted(midway, 3.0)
    untouched = " the smell of fresh bread is already in the air, and"
    wheel = " loosen the nuts on both sides of the axle.\nThen lift the frame."
    return Evaluation(
        target=Target(country, TARGET, "hofstede-insights"),
        dimensions=tuple(Dimension(*dimension) for dimension in DIMENSIONS),
        rows=(
            row("naive", "Naive: the model as it is", NAIVE, shifted(NAIVE, 1.5), 0.0, 17.1),
            row("persona", "Persona line", shifted(NAIVE, -2.0), NAIVE),
            row("in-context", "In-context: the scores in words", in_words, in_words_unseen),
            Method("constant", "Constant: the same answer to everything", same, same),
            row(
                "random start",
                "Random start: best of 20 candidates",
                midway,
                shifted(midway, 5.0),
                0.21,
                22.0,
                20,
            ),
            row("tuned", "Tuned soft prompt", TUNED, shifted(TUNED, 3.0), 0.19, 22.2, 400),
        ),
        floor=None,
        constant_answer_loss=18.2,
        baselines={
            "persona": "Answer as a person from United States would.",
            "in_context": "In United States, power distance is moderate (40): power should be shared.",
        },
        reading="expected",
        aggregate="mean",
        forms=FormCounts(48, 48),
        nearest={
            "naive": (
                ("Turkey", 9.8),
                ("Argentina", 10.4),
                ("Japan", 12.1),
                ("Greece", 12.9),
                ("Brazil", 13.3),
            ),
            "tuned": (
                ("United States", 7.1),
                ("Australia", 7.9),
                ("Canada", 8.8),
                ("New Zealand", 9.6),
                ("Ireland", 11.0),
            ),
        },
        continuations=(
            Continuation(
                "The bakery on the corner opens at six. By the time the first customers arrive,",
                f"{untouched} the ovens are hot.",
                f"{untouched} loaves fill the window.",
            ),
            Continuation("To change the wheel of a bicycle, first", wheel, wheel),
        ),
    )


def history(
    generations: int = 20, seed: int = 0, limit: float | None = None
) -> Iterator[Generation]:
    rng = np.random.default_rng(seed)
    best = np.inf
    for generation in range(generations):
        centre = 7 + 18 * np.exp(-generation / 7)
        losses = centre + rng.gamma(2.0, 3.0, size=20) - 2
        best = min(best, float(losses.min()))
        divergence = 0.55 * np.exp(-generation / 9) + 0.15
        low, lower, middle, higher, high = np.quantile(losses, (0.05, 0.25, 0.5, 0.75, 0.95))
        yield Generation(
            generation=generation,
            evaluations=20 * (generation + 1),
            best_loss=best,
            best_objective=best,
            best_violation=0.0 if limit is None else max(0.0, float(divergence - limit)),
            best_divergence=float(divergence),
            best_perplexity=17.1 * float(np.exp(divergence)),
            mean_loss=float(losses.mean()),
            quantiles=(float(low), float(lower), float(middle), float(higher), float(high)),
            invalid=int(generation == 3),
            seconds=14.0,
            search_seconds=0.1,
            scores=dict(TUNED),
        )


def provenance(country: str = "United States") -> Provenance:
    return Provenance(
        acculturate="0.1.0",
        torch="2.13.0",
        transformers="5.23.0",
        numpy="2.4.6",
        safetensors="0.8.0",
        python="3.11.9",
        platform="Linux-6.1-x86_64",
        model={
            "name": "embedded",
            "revision": "",
            "weights_hash": "5f2b" * 16,
            "dtype": "bfloat16",
            "device": "cpu",
            "licence": "Gemma Terms of Use (https://ai.google.dev/gemma/terms)",
        },
        instrument=inputs.InstrumentFacts(
            "vsm13",
            "Values Survey Module 2013, own wordings",
            "0a1b" * 16,
            (
                "Made for comparing matched samples of respondents from several countries, not for "
                "comparing individuals or organisations.",
                "VSM 2013 scores are not comparable to published scores.",
            ),
        ),
        forms=inputs.FormFingerprints("ab12" * 16, "cd34" * 16, "ef56" * 16),
        table=inputs.TableFacts("hofstede-insights", "Hofstede Insights", "cite"),
        target=inputs.TargetScores(country, TARGET),
        anchor=dict.fromkeys(KEYS, 50.0),
        command="acculturate tune --country 'United States' --budget 400 --seed 0 --out runs/us",
        git=inputs.Commit("1234567", dirty=False),
        started="2026-11-23T18:00:00+00:00",
        format=FORMAT,
    )


CONFIG = """\
[model]
name = "embedded"
revision = ""
dtype = "bfloat16"

[survey]
instrument = "vsm13"
table = "hofstede-insights"
country = {country}
anchor = "midpoint"
aggregate = "mean"
reading = "expected"
forms = 48
language = "en"

[search]
optimizer = "DE/best/1/bin"
budget = 400
seed = 0
tokens = 8
placement = "after-bos"
init = "gaussian"
init_scale = 1.0
{limit}
[search.settings]
population = 20
F = 0.5
CR = 0.9
"""

RESULT = Done(
    stop_reason="the budget is used up",
    stop_code="budget",
    evaluations=400,
    naive_loss=17.3,
    best_loss=5.2,
    held_out_naive_loss=17.1,
    held_out_loss=9.5,
    divergence=0.19,
    perplexity=22.2,
    naive_perplexity=17.1,
    held_out_divergence=0.21,
    held_out_perplexity=24.6,
    violation=0.0,
    tokens=60_000,
    seconds=288.4,
)


def write_fake_run(
    path: Path,
    *,
    country: str = "United States",
    finished: bool = True,
    evaluated: bool = True,
    generations: int = 20,
    limit: float | None = None,
    change: Change | None = None,
    seed: int = 0,
) -> Path:
    """Writes a run directory; `change` edits the summary before it is written."""
    path.mkdir(parents=True)
    limit_line = "" if limit is None else f"max_divergence = {limit}\n"
    config = CONFIG.format(country=json.dumps(country), limit=limit_line)
    (path / "config.toml").write_text(config, encoding="utf-8")
    write_record(path / "provenance.json", provenance(country))
    lines = history(generations, seed, limit)
    (path / "history.jsonl").write_text("".join(json.dumps(vars(line)) + "\n" for line in lines))
    if finished:
        write_record(path / "DONE.json", RESULT)
    if evaluated:
        values = json.loads(json.dumps(asdict(summary(country))))
        if change is not None:
            change(values)
        (path / "evaluation").mkdir()
        (path / "evaluation" / "summary.json").write_text(json.dumps(values))
    return path


def behaviour(towards: float, reliability: float = 0.9, judged: float = 0.9) -> Behaviour:
    """Behaviour of eight situations a dimension that moves by `towards` points, with a point to each side."""

    def around(value: float) -> Quantity:
        return Quantity(value, (value - 1.0, value + 1.0))

    def row(kind: Kind, method: str, by: float, situations: int = 8) -> BehaviourRow:
        shift = DimensionShift(situations, around(by / 25), around(by))
        return BehaviourRow(
            kind=kind,
            method=method,
            dimensions=dict.fromkeys(KEYS, shift),
            survey=dict.fromkeys(KEYS, 4.0),
            towards=around(by),
            agreement=around(0.8),
            correlation=around(0.7),
            reliability=None if kind == "written" else reliability,
            order_correlation=-0.9 if kind == "labels" else None,
            counts=judged > 0.7 if kind == "written" else reliability >= 0.5,
        )

    return Behaviour(
        language="en",
        source="ours",
        wanted=dict.fromkeys(KEYS, 10.0),
        rows=(
            row("words", "tuned", towards),
            row("words", "persona", 0.5),
            row("labels", "tuned", 2.0),
            row("written", "tuned", 3.0, 4),
        ),
        judge=JudgeCheck(24, judged, (judged - 0.2, min(1.0, judged + 0.2))),
        replies=(Reply("Why?", "Because.", "<b>Therefore.</b>"),),
    )


def write_benchmark(
    run: Path,
    name: str,
    scores: Mapping[str, float],
    own: float | None = None,
    questions: int = 60,
    country: str = "United States",
) -> None:
    """What a benchmark leaves in a run directory, with intervals of a tenth to each side."""
    target = None if own is None else Part(own, own - 0.2, own + 0.2, 15)
    by_country = {} if target is None else {country: target, "France": Part(0.99, 0.9, 1.0, 9)}
    result = Result(
        benchmark=name,
        title=name,
        kind="choice",
        how="probability",
        questions=questions,
        country=country,
        chance=0.25,
        orders=0,
        seed=0,
        interval="Wilson",
        test="McNemar",
        source="here",
        licence="CC0",
        note="",
        left_out={},
        rows=tuple(
            MethodScore(method, value, value - 0.1, value + 0.1, by_country, target=target)
            for method, value in scores.items()
        ),
        tests=(),
        fingerprint="0",
    )
    write_record(run / "evaluation" / "benchmarks" / f"{name}.json", result)
