"""A run directory as checked, frozen data.

In: the directory that `tuning/run.py` writes. Out: a `Run`. What is not there yet, because the run was
interrupted, is None or empty; what is there and wrong is an error that names file and key. Reads no
weights and knows nothing of how a report looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from acculturate.errors import UsageError
from acculturate.runs.checks import read_checks
from acculturate.runs.fields import Record, clean, read_json, read_json_lines, read_toml
from acculturate.runs.records import (
    Config,
    Continuation,
    Dimension,
    Done,
    Evaluation,
    FrontierPoint,
    Generation,
    Method,
    Outcome,
    Provenance,
    Run,
    Setting,
)


def read_run(path: Path) -> Run:
    """Reads and checks a run directory.

    Args:
        path: The directory.

    Raises:
        UsageError: It is no run directory.
        FailureError: One of its files cannot be read or is damaged.
    """
    if not path.is_dir():
        raise UsageError(
            f"there is no run directory {path}", "Give the directory that `acculturate tune` wrote."
        )
    config = path / "config.toml"
    if not config.is_file():
        raise UsageError(
            f"{path} is no run directory: it holds no config.toml",
            "Give the directory that `acculturate tune` wrote, not one above or below it.",
        )
    provenance, summary, done = (
        path / name for name in ("provenance.json", "evaluation/summary.json", "DONE.json")
    )
    frontier = path / "evaluation/frontier.json"
    return Run(
        path=path,
        config=_config(read_toml(config)),
        provenance=_provenance(read_json(provenance)) if provenance.exists() else None,
        history=tuple(_generation(line) for line in read_json_lines(path / "history.jsonl")),
        evaluation=_evaluation(read_json(summary)) if summary.exists() else None,
        done=_done(read_json(done)) if done.exists() else None,
        checks=read_checks(path / "evaluation"),
        frontier=_frontier(read_json(frontier)) if frontier.exists() else (),
    )


def read_summary(path: Path) -> Evaluation:
    """Reads a result table by itself, such as one of what searches nothing.

    Raises:
        FailureError: It cannot be read or is damaged.
    """
    return _evaluation(read_json(path))


def _config(file: Record) -> Config:
    model, survey, search = (file.record(name) for name in ("model", "survey", "search"))
    return Config(
        settings=tuple(_flat(file, "")),
        model=model.text("name"),
        revision=model.optional_text("revision") or None,
        country=survey.text("country"),
        table=survey.optional_text("table"),
        instrument=survey.optional_text("instrument"),
        budget=search.optional_integer("budget"),
        tokens=search.optional_integer("tokens"),
        placement=search.optional_text("placement"),
        max_divergence=search.optional_number("max_divergence"),
    )


def _provenance(file: Record) -> Provenance:
    instrument, table = file.optional_record("instrument"), file.optional_record("table")
    model = file.record("model")
    return Provenance(
        facts=tuple(fact for fact in _flat(file, "") if fact.key not in ("warnings", "command")),
        command=file.optional_text("command"),
        warnings=instrument.texts("warnings") if instrument else (),
        instrument_title=instrument.optional_text("title") if instrument else None,
        table_source=table.optional_text("source") if table else None,
        model={clean(key): _shown(model.raw(key)) for key in model.names()},
    )


def _generation(line: Record) -> Generation:
    quantiles = line.numbers("quantiles")
    band = tuple(value for value in quantiles or () if value is not None)
    return Generation(
        generation=line.integer("generation"),
        evaluations=line.integer("evaluations"),
        best_loss=line.optional_number("best_loss"),
        best_violation=line.optional_number("best_excess") or 0.0,
        best_divergence=line.optional_number("best_divergence"),
        best_perplexity=line.optional_number("best_perplexity"),
        quantiles=band if len(band) == 5 else None,
        invalid=line.optional_integer("invalid") or 0,
        seconds=line.optional_number("seconds"),
        search_seconds=line.optional_number("search_seconds"),
    )


def _evaluation(file: Record) -> Evaluation:
    target, forms = file.record("target"), file.optional_record("forms")
    nearest = file.optional_record("nearest")
    return Evaluation(
        country=target.text("country"),
        table=target.optional_text("table") or "",
        target=target.by_key("scores"),
        dimensions=tuple(_dimension(entry) for entry in file.records("dimensions")),
        methods=tuple(_method(entry) for entry in file.records("rows")),
        floor=file.optional_number("floor"),
        constant_answer_loss=file.optional_number("constant_answer_loss"),
        nearest={key: nearest.pairs(key) for key in ("naive", "tuned")} if nearest else {},
        continuations=tuple(
            Continuation(entry.text("text"), entry.text("naive"), entry.text("tuned"))
            for entry in file.records("continuations")
        ),
        lines=_texts(file.optional_record("baselines")),
        reading=file.optional_text("reading") or "expected",
        aggregate=file.optional_text("aggregate") or "mean",
        tuning_forms=forms.optional_integer("tuning") if forms else None,
        held_out_forms=forms.optional_integer("held_out") if forms else None,
    )


def _dimension(entry: Record) -> Dimension:
    key = entry.text("key")
    return Dimension(
        key=key,
        name=entry.optional_text("name") or key,
        low=entry.optional_text("low") or "",
        high=entry.optional_text("high") or "",
    )


def _method(entry: Record) -> Method:
    key = entry.text("method")
    return Method(
        key=key,
        label=entry.optional_text("label") or key,
        tuning=_outcome(entry.optional_record("tuning")),
        held_out=_outcome(entry.optional_record("held_out")),
        divergence=entry.optional_number("divergence"),
        perplexity=entry.optional_number("perplexity"),
        held_out_divergence=entry.optional_number("held_out_divergence"),
        held_out_perplexity=entry.optional_number("held_out_perplexity"),
        evaluations=entry.optional_integer("evaluations"),
    )


def _outcome(entry: Record | None) -> Outcome | None:
    if entry is None:
        return None
    intervals = entry.optional_record("intervals")
    found = {clean(key): intervals.interval(key) for key in intervals.names()} if intervals else {}
    return Outcome(
        loss=entry.optional_number("loss"),
        interval=entry.interval("loss_interval"),
        scores=entry.by_key("scores"),
        intervals={key: pair for key, pair in found.items() if pair is not None},
        valid_mass=entry.optional_number("valid_mass"),
    )


def _frontier(file: Record) -> tuple[FrontierPoint, ...]:
    return tuple(
        FrontierPoint(
            entry.number("loss"),
            entry.number("divergence"),
            entry.optional_number("held_out_loss"),
            entry.optional_number("held_out_divergence"),
        )
        for entry in file.records("points")
    )


def _texts(record: Record | None) -> Mapping[str, str]:
    return {clean(key): record.text(key) for key in record.names()} if record else {}


def _done(file: Record) -> Done:
    return Done(
        stop_reason=file.text("stop_reason").rstrip("."),
        stop_code=file.optional_text("stop_code") or "",
        evaluations=file.integer("evaluations"),
        naive_loss=file.optional_number("naive_loss"),
        best_loss=file.optional_number("best_loss"),
        seconds=file.optional_number("seconds"),
    )


def _flat(record: Record, section: str) -> list[Setting]:
    found: list[Setting] = []
    for key in record.names():
        value = record.raw(key)
        if isinstance(value, dict):
            inner = record.record(key)
            values = [inner.raw(name) for name in inner.names()]
            if len(values) > 1 and all(type(value) in (int, float) for value in values):
                numbers = ", ".join(f"{name} {inner.raw(name)}" for name in inner.names())
                found.append(Setting(clean(section), clean(key), clean(numbers)))
            else:
                found.extend(_flat(inner, f"{section} {key}".strip()))
        else:
            found.append(Setting(clean(section), clean(key), _shown(value)))
    return found


def _shown(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(str(value))
