"""Cells in Ray workers: the same bits as without them, also where a worker dies in the middle of a cell."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiment_runs import PLAN, plan, run, tables

from acculturate.errors import FailureError, UsageError
from acculturate.experiment import ModelChoice, Published, RayOptions, run_experiment
from acculturate.experiment.ray_workers import _start
from acculturate.model import Answers, Backward, FakeModel

ray = pytest.importorskip("ray")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class Mortal(FakeModel):
    """Kills its own process at the first population after a file was put there."""

    def __init__(self, flag: Path) -> None:
        super().__init__()
        _FLAGS[self._seed] = flag

    def ask(self, prompts: Any, *arguments: Any, **options: Any) -> Answers:
        flag = _FLAGS[self._seed]
        if prompts is not None and flag.exists():
            flag.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().ask(prompts, *arguments, **options)


class Picky(FakeModel):
    """Refuses gradients."""

    def ask_with_gradient(self, *arguments: Any, **options: Any) -> tuple[Answers, Backward]:
        raise UsageError("no gradients today")


_FLAGS: dict[int, Path] = {}  # outside the model, whose weights it is no part of
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test


class Log:
    """Notes what a listener receives, and calls back at the third generation."""

    def __init__(self, at_third: Callable[[], Any] = lambda: None) -> None:
        self.started: list[Any] = []
        self.ended: list[Any] = []
        self.retried: list[str] = []
        self.steps, self._at_third = 0, at_third

    def on_start(self, cell: Any) -> None:
        self.started.append(cell)

    def on_step(self, cell: Any, at: Any) -> None:
        self.steps += 1
        if self.steps == 3:
            self._at_third()

    def on_end(self, cell: Any, error: str | None, before: bool) -> None:
        self.ended.append(cell)

    def on_retry(self, cell: Any, error: str) -> None:
        self.retried.append(error)


def run_in_ray(folder: Path, options: RayOptions | None = None, **given: Any) -> Published:
    """Run the small experiment; Ray gives its own processes half a minute, which a busy machine exceeds."""
    for _ in range(2):
        try:
            return run(folder, ray=options or RayOptions(workers=2), **given)
        except FailureError as error:
            if "Ray did not start" not in str(error):
                raise
    return run(folder, ray=options or RayOptions(workers=2), **given)


def test_a_worker_that_dies_costs_no_result(tmp_path: Path, whole: dict[str, bytes]):
    flag = tmp_path / "die"
    log = Log(flag.touch)
    found = run_in_ray(tmp_path, model=lambda: Mortal(flag), listener=log)
    assert not flag.exists()
    assert not found.failed and not log.retried
    assert tables(tmp_path / "out") == whole
    # Two cells of baselines and twelve that search, one of which was started in two workers.
    assert len(log.ended) == len(set(log.started)) == 14
    assert len(log.started) == 15


def test_workers_load_the_model_of_their_cells(tmp_path: Path):
    def load(choice: ModelChoice) -> FakeModel:
        return FakeModel() if choice.revision is None else FakeModel(24)

    text = PLAN.split("random =")[0].replace("[0, 1]", "[0]") + "random = { population = 6 }\n"
    text = text.replace('"fake"', '["fake", { name = "fake", revision = "b" }]', 1)
    experiment = plan(tmp_path, text.replace("model =", "models ="))
    run_experiment(experiment, tmp_path / "here", load=load)
    run_experiment(experiment, tmp_path / "ray", load=load, ray=RayOptions(workers=1))
    assert tables(tmp_path / "ray") == tables(tmp_path / "here")


def test_a_cell_that_fails_in_a_worker_says_why(tmp_path: Path):
    log = Log()
    found = run_in_ray(tmp_path, model=Picky, listener=log)
    ended = [str(cell.folder) for cell in log.ended if cell.method == "adam"]
    assert sorted(found.failed) == sorted(ended)
    assert set(found.failed.values()) == {"no gradients today"}
    assert len(log.retried) == len(found.failed) == 4


def test_a_model_that_cannot_be_loaded_stops_everything(tmp_path: Path):
    def load() -> FakeModel:
        raise UsageError("there is no such model", "Give another one.")

    with pytest.raises(UsageError, match="there is no such model") as caught:
        run_in_ray(tmp_path, model=load)
    assert caught.value.hint == "Give another one."


def test_too_few_gpus_are_said_before_anything_runs(tmp_path: Path):
    options = RayOptions(workers=3, gpus_per_worker=500)
    with pytest.raises(UsageError, match="3 workers with 500 GPUs each need more than the"):
        run_in_ray(tmp_path, options)


def test_an_address_without_a_cluster_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match="there is no Ray at 'auto'"):
        run(tmp_path, ray=RayOptions("auto"))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_a_dead_address_is_refused_at_once(address: str):
    began = time.monotonic()
    with pytest.raises(UsageError, match=f"there is no Ray at '{address}'") as caught:
        _start(address)
    assert caught.value.hint and time.monotonic() - began < 30
