"""What a record needs so that a number can be traced: versions, hashes, tables, commit."""

from __future__ import annotations

import datetime
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from acculturate.metrics.guard import guard_fingerprint
from acculturate.survey.countries import Country, CountryTable
from acculturate.survey.forms import Form, fingerprint
from acculturate.survey.instrument import Instrument
from acculturate.survey.scoring import Scoring

_PACKAGES = ("acculturate", "torch", "transformers", "numpy", "safetensors")


def provenance(
    model: Mapping[str, str],
    instrument: Instrument,
    target: Country,
    table: CountryTable | None,
    scoring: Scoring,
    tuning: Sequence[Form],
    held_out: Sequence[Form],
    command: str,
) -> dict[str, Any]:
    """The record of what ran, for provenance.json."""
    keys = [dimension.key for dimension in scoring.dimensions]
    return {
        **{name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "model": dict(model),
        "instrument": {
            "key": instrument.key,
            "title": instrument.title,
            "fingerprint": instrument.fingerprint,
            "warnings": list(instrument.warnings),
        },
        "forms": {
            "tuning": fingerprint(tuning),
            "held_out": fingerprint(held_out),
            "guard": guard_fingerprint(),
        },
        "table": {
            "key": target.table,
            "source": None if table is None else table.source,
            "terms": None if table is None else table.terms,
        },
        "target": {"country": target.name, "scores": {key: target.scores[key] for key in keys}},
        "anchor": dict(zip(keys, scoring.constants.tolist(), strict=True)),
        "command": command,
        "git": _commit(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> dict[str, Any] | None:
    """The commit that acculturate itself runs from, where it runs from a checkout."""
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
    return {"commit": commit.strip(), "dirty": bool(status.strip())}
