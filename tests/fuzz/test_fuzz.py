"""The fuzzing itself: the same inputs every time, and every kind of fault is seen."""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz import find_fault, run_all


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Take back what fuzzing sets for its own process: other tests run in this one."""
    limit, environment = resource.getrlimit(resource.RLIMIT_AS), dict(os.environ)
    hook, home = sys.unraisablehook, Path.cwd()
    yield
    resource.setrlimit(resource.RLIMIT_AS, limit)
    os.environ.clear()
    os.environ.update(environment)
    sys.unraisablehook = hook
    os.chdir(home)


REPORT, RESUME = ("report", "run"), ("tune", "--out", "run", "--resume")


@pytest.mark.slow
def test_an_input_is_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    first, again = run_all([3, 5, 8], 1), run_all([8], 1)
    assert (first[-1].arguments, first[-1].code) == (again[0].arguments, again[0].code)
    assert [outcome.fault for outcome in first] == [""] * 3


@pytest.mark.parametrize(
    ("arguments", "code", "output", "after", "fault"),
    [
        (REPORT, 0, "run/report.html", {"run/report.html": b"new"}, ""),
        (REPORT, 2, "Error: no", {}, ""),
        (REPORT, 1, "Traceback (most recent call last):", {}, "an unexpected error"),
        (REPORT, 1, "Error: acculturate is at fault here, not you: x", {}, "an unexpected error"),
        (REPORT, 3, "", {}, "exit code 3"),
        (REPORT, 2, "", {}, "no message"),
        (REPORT, 0, "\x1b[31m", {}, "a control character"),
        (REPORT, 0, "", {"run/state.npz": b"new"}, "run/state.npz is changed"),
        (REPORT, 0, "", {"t.csv": b"new"}, "t.csv is changed"),
        ((*REPORT, "--out", "t.csv"), 0, "", {"t.csv": b"new"}, ""),
        ((*REPORT, "--out=t.csv"), 2, "Error: no", {"t.csv": b"new"}, "t.csv is changed"),
        (RESUME, 0, "", {"run/state.npz": b"new"}, ""),
        (RESUME, 1, "Error: no", {"run/state.npz": b"new"}, "run/state.npz is changed"),
    ],
)
def test_faults(arguments, code, output, after, fault):
    before = {"run/report.html": b"old", "run/state.npz": b"old", "t.csv": b"old"}
    assert find_fault(arguments, code, output, before, before | after) == fault


def test_a_lost_file():
    assert find_fault(REPORT, 0, "", {"t.csv": b"old"}, {}) == "t.csv is gone"
    assert find_fault(RESUME, 0, "", {"run/state.npz": b""}, {}) == "run/state.npz is gone"
    kept = "half/evaluation/answers.npz"
    assert find_fault(RESUME, 0, "", {kept: b""}, {}) == ""
    assert find_fault(RESUME, 1, "Error: no", {kept: b""}, {}) == f"{kept} is gone"
