"""kill -9 of a real process at random moments, resumed each time; and two processes in one directory."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tuning_runs import (
    HIDDEN,
    Mortal,
    contents,
    files,
    kills_until_done,
    optimizer,
    same,
    tune_toy,
)

from acculturate.benchmarks import Exam, load_benchmark
from acculturate.errors import UsageError
from acculturate.evaluation.evaluate import evaluate
from acculturate.evaluation.examine import examine
from acculturate.evaluation.fluency import evaluate_fluency
from acculturate.model import FakeModel
from acculturate.reporting.report import write_report
from acculturate.survey import load_countries

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("slow_tuning.py")
BUDGET = 150


def start(folder: Path, name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), name, str(BUDGET)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.stderr and process.stderr.read()
    return process


def wait(process: subprocess.Popen[str], seconds: float | None) -> int | None:
    """The exit code, or None where it was killed after so many seconds."""
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    assert process.returncode == 0, errors
    return process.returncode


@pytest.mark.parametrize(("seed", "name"), [(0, "de"), (1, "l-shade"), (2, "adam")])
def test_killed_at_random_moments(seed: int, name: str, tmp_path):
    settings = {"budget": BUDGET, "max_divergence": 0.2}
    whole = tune_toy(tmp_path / "whole", optimizer=optimizer(name, budget=BUDGET), **settings)
    rng = np.random.default_rng(seed)
    kills = 0
    # The whole run takes about half a second; the last session is left alone.
    while kills < 4 and wait(start(tmp_path / "run", name), rng.uniform(0.0, 0.25)) is None:
        kills += 1
    assert kills > 0
    wait(start(tmp_path / "run", name), 300)
    same(tmp_path / "run", contents(whole.directory))


def test_a_second_process_in_the_same_directory_is_refused(tmp_path):
    process = start(tmp_path, "de")
    try:
        while not (tmp_path / "state.npz").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        before = (tmp_path / "state.npz").read_bytes()
        with pytest.raises(UsageError, match="another process is writing to") as caught:
            tune_toy(tmp_path, budget=BUDGET, max_divergence=0.2, resume=True)
        assert "another folder" in (caught.value.hint or "")
        assert (tmp_path / "state.npz").read_bytes() == before
        assert not (tmp_path / "DONE.json").exists()
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()
    tune_toy(tmp_path, budget=BUDGET, max_divergence=0.2, resume=True)


def test_an_evaluation_killed_again_and_again_loses_nothing(tmp_path):
    table = tmp_path / "toy-table.csv"
    table.write_text("country,planning,company\nToyland,80,20\nElsewhere,10,90\n")
    countries = load_countries(table)
    exam = Exam((load_benchmark("acculturate-culture-easy"),), written=True)
    whole = tune_toy(tmp_path / "whole", table=countries).directory
    run = Path(shutil.copytree(whole, tmp_path / "run"))

    def ask_all(folder: Path, model: FakeModel) -> None:
        evaluate(folder, model, table=countries, respondents=2)
        examine(folder, model, exam)
        evaluate_fluency(folder, model)

    ask_all(whole, FakeModel(HIDDEN))
    kills = kills_until_done(
        lambda: ask_all(run, Mortal(17)),  # ordinary text alone asks 16 times
        fewer_than=20,
        after=lambda: write_report([run]),  # whatever there is can be read
    )
    assert kills > 2
    (run / "report.html").unlink()
    assert files(run) == files(whole)
