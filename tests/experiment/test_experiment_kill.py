"""kill -9 and Ctrl-C of a real process at random moments; the same command then ends with the same tables."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from experiment_runs import PLAN, tables

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("slow_experiment.py")


def session(
    folder: Path, text: Path, seconds: float | None, stopped_by: signal.Signals
) -> int | None:
    """The exit code of one session, or None where a signal stopped it after so many seconds."""
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
        process.send_signal(stopped_by)
        process.communicate(timeout=300)
        assert process.returncode
        return None
    assert process.returncode == 0, errors
    return process.returncode


@pytest.mark.parametrize("stopped_by", [signal.SIGKILL, signal.SIGINT])
def test_stopped_at_random_moments(
    stopped_by: signal.Signals, tmp_path: Path, whole: dict[str, bytes]
):
    text = tmp_path / "text.toml"
    text.write_text(PLAN)
    rng = np.random.default_rng(0)
    for _ in range(3):
        if session(tmp_path, text, rng.uniform(0.2, 1.5), stopped_by) is not None:
            break
    session(tmp_path, text, 600, stopped_by)
    assert tables(tmp_path / "out") == whole
