"""Writes run directories that look like real ones, whole or interrupted, without any model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.benchmarks.result import MethodScore, Part, Result

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


def outcome(scores: dict[str, float], spread: float = 6.0, mass: float = 0.93) -> dict[str, Any]:
    loss = float(np.mean([abs(scores[key] - TARGET[key]) for key in KEYS]))
    return {
        "loss": loss,
        "scores": scores,
        "intervals": {key: [scores[key] - spread, scores[key] + 1.2 * spread] for key in KEYS},
        "loss_interval": [loss - 0.3 * spread, loss + 0.35 * spread],
        "valid_mass": mass,
    }


def shifted(scores: dict[str, float], by: float) -> dict[str, float]:
    signs = (1, -1, 1, 1, -1, 1)
    return {key: scores[key] + by * sign for key, sign in zip(KEYS, signs, strict=True)}


def summary() -> dict[str, Any]:
    midway = {key: (NAIVE[key] + TUNED[key]) / 2 for key in KEYS}
    constant = dict.fromkeys(KEYS, 50.0)
    rows: list[dict[str, Any]] = []
    for method, label, scores, unseen, divergence, perplexity, evaluations in (
        ("naive", "Naive: the model as it is", NAIVE, shifted(NAIVE, 1.5), 0.0, 17.1, 1),
        ("persona", "Persona line", shifted(NAIVE, -2.0), NAIVE, None, None, 1),
        (
            "in-context",
            "In-context: the scores in words",
            midway,
            shifted(midway, 3.0),
            None,
            None,
            1,
        ),
        (
            "constant",
            "Constant: the same answer to everything",
            constant,
            constant,
            None,
            None,
            None,
        ),
        (
            "random start",
            "Random start: best of 20 random prompts",
            midway,
            shifted(midway, 5.0),
            0.21,
            22.0,
            20,
        ),
        ("tuned", "Tuned soft prompt", TUNED, shifted(TUNED, 3.0), 0.19, 22.2, 400),
    ):
        rows.append(
            {
                "method": method,
                "label": label,
                "tuning": outcome(scores),
                "held_out": outcome(unseen, 8.0, 0.91),
                "divergence": divergence,
                "perplexity": perplexity,
                "held_out_divergence": None if divergence is None else divergence * 1.1,
                "held_out_perplexity": None if perplexity is None else perplexity + 2.4,
                "evaluations": evaluations,
            }
        )
    for which in ("tuning", "held_out"):
        rows[3][which] |= {"intervals": {}, "loss_interval": None, "valid_mass": None}
    return {
        "target": {"country": "United States", "table": "hofstede-insights", "scores": TARGET},
        "dimensions": [
            {"key": key, "name": name, "low": low, "high": high}
            for key, name, low, high in DIMENSIONS
        ],
        "rows": rows,
        "floor": None,
        "constant_answer_loss": 18.2,
        "nearest": {
            "naive": [
                ["Turkey", 9.8],
                ["Argentina", 10.4],
                ["Japan", 12.1],
                ["Greece", 12.9],
                ["Brazil", 13.3],
            ],
            "tuned": [
                ["United States", 7.1],
                ["Australia", 7.9],
                ["Canada", 8.8],
                ["New Zealand", 9.6],
                ["Ireland", 11.0],
            ],
        },
        "continuations": [
            {
                "text": "The bakery on the corner opens at six. By the time the first customers arrive,",
                "naive": " the smell of fresh bread is already in the air, and the ovens are hot.",
                "tuned": " the smell of fresh bread is already in the air, and loaves fill the window.",
            },
            {
                "text": "To change the wheel of a bicycle, first",
                "naive": " loosen the nuts on both sides of the axle.\nThen lift the frame.",
                "tuned": " loosen the nuts on both sides of the axle.\nThen lift the frame.",
            },
        ],
        "baselines": {
            "persona": "Answer as a person from United States would.",
            "in_context": "In United States, power distance is moderate (40): power should be shared.",
        },
        "reading": "expected",
        "aggregate": "mean",
        "forms": {"tuning": 48, "held_out": 48},
    }


def history(
    generations: int = 20, seed: int = 0, limit: float | None = None
) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    best, lines = np.inf, []
    for generation in range(generations):
        centre = 7 + 18 * np.exp(-generation / 7)
        losses = centre + rng.gamma(2.0, 3.0, size=20) - 2
        best = min(best, float(losses.min()))
        divergence = 0.55 * np.exp(-generation / 9) + 0.15
        excess = 0.0 if limit is None else max(0.0, divergence - limit)
        lines.append(
            {
                "generation": generation,
                "evaluations": 20 * (generation + 1),
                "best_loss": best,
                "best_excess": excess,
                "best_divergence": divergence,
                "best_perplexity": 17.1 * float(np.exp(divergence)),
                "mean_loss": float(losses.mean()),
                "quantiles": [float(q) for q in np.quantile(losses, (0.05, 0.25, 0.5, 0.75, 0.95))],
                "invalid": int(generation == 3),
                "seconds": 14.0,
                "scores": TUNED,
            }
        )
    return lines


def provenance() -> dict[str, Any]:
    return {
        "acculturate": "0.1.0",
        "python": "3.11.9",
        "torch": "2.13.0",
        "transformers": "5.23.0",
        "numpy": "2.4.6",
        "platform": "Linux-6.1-x86_64",
        "model": {
            "name": "embedded",
            "revision": "",
            "weights_hash": "5f2b" * 16,
            "dtype": "bfloat16",
            "device": "cpu",
            "licence": "Gemma Terms of Use (https://ai.google.dev/gemma/terms)",
        },
        "forms": {"tuning": "ab12" * 16, "held_out": "cd34" * 16, "guard": "ef56" * 16},
        "table": {"key": "hofstede-insights", "source": "Hofstede Insights", "terms": "cite"},
        "instrument": {
            "key": "vsm13",
            "title": "Values Survey Module 2013, own wordings",
            "fingerprint": "0a1b" * 16,
            "warnings": [
                "Made for comparing matched samples of respondents from several countries, not for "
                "comparing individuals or organisations.",
                "VSM 2013 scores are not comparable to published scores.",
            ],
        },
        "target": {"country": "United States", "scores": TARGET},
        "anchor": dict.fromkeys(KEYS, 50.0),
        "command": "acculturate tune --country 'United States' --budget 400 --seed 0 --out runs/us",
        "git": {"commit": "1234567", "dirty": False},
        "started": "2026-11-23T18:00:00+00:00",
    }


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

DONE = {
    "stop_reason": "the budget is used up",
    "stop_code": "budget",
    "evaluations": 400,
    "naive_loss": 17.3,
    "best_loss": 5.2,
    "held_out_naive_loss": 17.1,
    "held_out_loss": 9.5,
    "divergence": 0.19,
    "perplexity": 22.2,
    "naive_perplexity": 17.1,
    "seconds": 288.4,
}


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
    facts = provenance()
    facts["target"]["country"] = country
    (path / "provenance.json").write_text(json.dumps(facts))
    lines = history(generations, seed, limit)
    (path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if finished:
        (path / "DONE.json").write_text(json.dumps(DONE))
    if evaluated:
        values = json.loads(json.dumps(summary()))
        values["target"]["country"] = country
        if change is not None:
            change(values)
        (path / "evaluation").mkdir()
        (path / "evaluation" / "summary.json").write_text(json.dumps(values))
    return path


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
    file = run / "evaluation" / "benchmarks" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result.to_dict()))
