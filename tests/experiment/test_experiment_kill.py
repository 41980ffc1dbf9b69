"""kill -9 of a real process at random moments; the same command then ends with the same tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from experiment_runs import PLAN, tables

SCRIPT = Path(__file__).with_name("slow_experiment.py")


def session(folder: Path, text: Path, seconds: float | None) -> int | None:
    """The exit code of one session, or None where it was killed after so many seconds."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), str(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.stderr and process.stderr.read()
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    assert process.returncode == 0, errors
    return process.returncode


def test_killed_at_random_moments(tmp_path: Path, whole: dict[str, bytes]):
    text = tmp_path / "text.toml"
    text.write_text(PLAN)
    rng = np.random.default_rng(0)
    for _ in range(3):
        if session(tmp_path, text, rng.uniform(0.2, 1.5)) is not None:
            break
    session(tmp_path, text, 600)
    assert tables(tmp_path / "out") == whole
