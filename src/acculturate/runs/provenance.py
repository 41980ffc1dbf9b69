"""The record that a number can be traced with: versions, hashes, tables, commit."""

from __future__ import annotations

import datetime
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from acculturate.metrics.guard import guard_fingerprint
from acculturate.runs.records import (
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
from acculturate.survey.instrument import Instrument
from acculturate.survey.scoring import Scoring

_PACKAGES = ("acculturate", "torch", "transformers", "numpy", "safetensors")


def record_provenance(
    model: Mapping[str, str],
    instrument: Instrument,
    target: Country,
    table: CountryTable | None,
    scoring: Scoring,
    tuning: Sequence[Form],
    held_out: Sequence[Form],
    command: str,
) -> Provenance:
    """Return the record of what runs."""
    keys = [dimension.key for dimension in scoring.dimensions]
    return Provenance(
        **{name: _version(name) for name in _PACKAGES},
        python=platform.python_version(),
        platform=platform.platform(),
        model=dict(model),
        instrument=InstrumentFacts(
            instrument.key, instrument.title, instrument.fingerprint, tuple(instrument.warnings)
        ),
        forms=FormFingerprints(fingerprint(tuning), fingerprint(held_out), guard_fingerprint()),
        table=TableFacts(
            target.table,
            None if table is None else table.source,
            None if table is None else table.terms,
        ),
        target=TargetScores(target.name, {key: target.scores[key] for key in keys}),
        anchor=dict(zip(keys, scoring.constants.tolist(), strict=True)),
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
    try:
        commit, status = (
            subprocess.run(
                ["git", "-C", str(root), *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Commit(commit.strip(), bool(status.strip()))
