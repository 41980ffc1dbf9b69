"""The record that a number can be traced with: versions, hashes, tables, commit."""

from __future__ import annotations

import datetime
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from acculturate.runs.inputs import (
    FORMAT,
    Commit,
    FormFingerprints,
    InstrumentFacts,
    Provenance,
    TableFacts,
    TargetScores,
)
from acculturate.survey.countries import Country, CountryTable
from acculturate.survey.forms import Form, fingerprint
from acculturate.survey.scoring import Scoring

_PACKAGES = ("acculturate", "torch", "transformers", "numpy", "safetensors")


def record_provenance(
    model: Mapping[str, str],
    target: Country,
    table: CountryTable | None,
    scoring: Scoring,
    tuning: Sequence[Form],
    held_out: Sequence[Form],
    guard: str,
    command: str,
) -> Provenance:
    """Return the record of what runs."""
    instrument = scoring.instrument
    return Provenance(
        **{name: _version(name) for name in _PACKAGES},
        python=platform.python_version(),
        platform=platform.platform(),
        model=dict(model),
        instrument=InstrumentFacts(
            instrument.key, instrument.title, instrument.fingerprint, tuple(instrument.warnings)
        ),
        forms=FormFingerprints(fingerprint(tuning), fingerprint(held_out), guard),
        table=TableFacts(
            target.table, table.source if table else None, table.terms if table else None
        ),
        target=TargetScores(target.name, scoring.by_key(target.vector(instrument))),
        anchor=scoring.by_key(scoring.constants),
        command=command,
        git=_commit(),
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        format=FORMAT,
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> Commit | None:
    """Return the commit that acculturate itself runs from, where it runs from a checkout."""
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "status", "--porcelain=v2", "--branch"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.splitlines()
    commit = lines[0].removeprefix("# branch.oid ")
    return Commit(commit, any(not line.startswith("#") for line in lines))
