"""The benchmarks of a run as checked, frozen data.

In: the files under evaluation/benchmarks/. Out: the benchmarks room's own results; what is there and wrong
is an error that names file and key.
"""

from __future__ import annotations

import math
from pathlib import Path

from acculturate.benchmarks.result import Change, MethodScore, Part, Result, Test
from acculturate.runs.fields import Record, clean, read_json


def read_benchmarks(folder: Path) -> tuple[Result, ...]:
    """Reads every result of a folder, in the order of their names.

    Raises:
        FailureError: One of them cannot be read or is damaged.
    """
    return tuple(_result(read_json(path)) for path in sorted(folder.glob("*.json")))


def _result(file: Record) -> Result:
    return Result(
        benchmark=file.text("benchmark"),
        title=file.text("title"),
        kind=file.text("kind"),
        how=file.text("how"),
        questions=file.integer("questions"),
        country=file.text("country"),
        chance=file.optional_number("chance"),
        orders=file.integer("orders"),
        seed=file.integer("seed"),
        interval=file.text("interval"),
        test=file.text("test"),
        source=file.text("source"),
        licence=file.text("licence"),
        note=file.optional_text("note") or "",
        left_out={key: int(value) for key, value in file.by_key("left_out").items()},
        rows=tuple(_row(entry) for entry in file.records("rows")),
        tests=tuple(_test(entry) for entry in file.records("tests")),
        fingerprint=file.text("fingerprint"),
    )


def _row(entry: Record) -> MethodScore:
    parts = entry.record("by_country")
    return MethodScore(
        method=entry.text("method"),
        score=_number(entry, "score"),
        low=_number(entry, "low"),
        high=_number(entry, "high"),
        by_country={clean(name): _part(parts.record(name)) for name in parts.names()},
        target=_optional_part(entry.optional_record("target")),
        others=_optional_part(entry.optional_record("others")),
        judgements=entry.optional_number("judgements"),
        unanswered=entry.integer("unanswered"),
        rank=entry.optional_integer("rank"),
        ranked=entry.optional_integer("ranked"),
    )


def _test(entry: Record) -> Test:
    target, others = entry.optional_record("target"), entry.optional_record("others")
    return Test(
        against=entry.text("against"),
        **vars(_change(entry)),
        target=None if target is None else _change(target),
        others=None if others is None else _change(others),
    )


def _change(entry: Record) -> Change:
    return Change(
        gain=_number(entry, "gain"),
        low=_number(entry, "low"),
        high=_number(entry, "high"),
        p=entry.optional_number("p"),
        gained=entry.optional_integer("gained"),
        lost=entry.optional_integer("lost"),
    )


def _part(entry: Record) -> Part:
    return Part(
        score=_number(entry, "score"),
        low=_number(entry, "low"),
        high=_number(entry, "high"),
        questions=entry.integer("questions"),
    )


def _optional_part(entry: Record | None) -> Part | None:
    return None if entry is None else _part(entry)


def _number(entry: Record, key: str) -> float:
    """A number; NaN where it was not finite when it was written."""
    value = entry.optional_number(key)
    return math.nan if value is None else value
