"""Time one measurement with several numbers of threads, beside other work and without.

    python benchmarks/threads.py --busy 2

A process for each number asks the embedded model the same forms, in turn with the others, so that what else the
machine does disturbs all alike; the median round counts. The last column is how many times longer the default
takes than the best number: docs/performance.md has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from statistics import median

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

_DEFAULT, _SPINNING = "default", "default, spinning"
_FORGOTTEN = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
)


def main(
    *,
    busy: int = 2,
    rounds: int = 5,
    forms: int = 24,
    spinning: bool = typer.Option(False, "--spinning"),
    as_json: bool = typer.Option(False, "--json"),
) -> None:
    """Time one measurement with several numbers of threads.

    Args:
        busy: Processes of other work, each of which takes all of a core that it can get.
        rounds: Turns of every number of threads.
        forms: Forms that are asked.
        spinning: Also time threads that spin while they wait, as they do where acculturate sets nothing.
        as_json: Print JSON.
    """
    cores = len(os.sched_getaffinity(0))
    numbers = sorted({1, *(2**power for power in range(1, 8) if 2**power < cores), cores})
    settings = {str(number): {"OMP_NUM_THREADS": str(number)} for number in numbers}
    settings[_DEFAULT] = {}
    if spinning:  # as libgomp and Intel's OpenMP do of themselves
        settings[_SPINNING] = {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"}
    workers = {name: _start(setting, forms) for name, setting in settings.items()}
    seconds: dict[int, dict[str, float]] = {}
    for beside in sorted({0, busy}):
        with _busy(beside):
            turns = [_turn(workers, number) for number in range(rounds)]
        seconds[beside] = {name: median(turn[name] for turn in turns) for name in workers}
    for worker in workers.values():
        worker.communicate()
    ratios = {
        beside: times[_DEFAULT] / min(times[str(number)] for number in numbers)
        for beside, times in seconds.items()
    }
    if as_json:
        print(
            json.dumps({"cores": cores, "seconds": seconds, "default over best": ratios}, indent=1)
        )
        return
    table = Table("busy processes", *workers, "default over best", title=f"seconds, {cores} cores")
    for beside, times in seconds.items():
        cells = [f"{times[name]:.2f}" for name in workers]
        table.add_row(str(beside), *cells, f"{ratios[beside]:.2f}")
    Console().print(table)


def _start(setting: dict[str, str], forms: int) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if name not in _FORGOTTEN}
    worker = subprocess.Popen(
        [sys.executable, __file__, "worker", str(forms)],
        env=kept | setting,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    _ask(worker)  # it has loaded the model and asked once
    return worker


def _ask(worker: subprocess.Popen[str]) -> float:
    """Return the seconds of one measurement of a worker."""
    assert worker.stdin and worker.stdout
    worker.stdin.write("\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def _turn(workers: dict[str, subprocess.Popen[str]], number: int) -> dict[str, float]:
    """Ask every worker once, in every turn another one first."""
    names = list(workers)
    first = number % len(names)
    return {name: _ask(workers[name]) for name in names[first:] + names[:first]}


@contextmanager
def _busy(count: int) -> Generator[None]:
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _work(forms: int) -> None:
    """Measure once for every line of standard input, and print the seconds."""
    import acculturate as ac
    from measuring.setting import bench_forms

    model, survey = ac.load_model("embedded"), ac.load_instrument("vsm13")
    asked, rng = bench_forms(survey, 24)[:forms], np.random.default_rng(0)
    for _ in sys.stdin:
        # Another soft prompt every time: answers to the same one are remembered.
        prompt = ac.SoftPrompt(rng.normal(0, 0.02, (8, model.hidden_size)), "front", model.name)
        began = time.perf_counter()
        ac.measure(model, survey, soft_prompt=prompt, forms=asked)
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        _work(int(sys.argv[2]))
    else:
        typer.run(main)
