"""An experiment's directory and its cells: what is there is kept, what is missing is run.

In: prepared and a way to load the model. Out: a directory of complete cells. One process writes to it at a
time; kill -9 at any moment costs a generation.
"""

from __future__ import annotations

import threading
import tomllib
import traceback
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import tomli_w

from acculturate.errors import FailureError, UsageError
from acculturate.experiment.cells import finished, measure_cell, tune_cell
from acculturate.experiment.company import Company, Seat
from acculturate.experiment.prepared import BASELINE_CELL, Cell, PreparedExperiment
from acculturate.experiment.sharing import companies
from acculturate.io import (
    disk_is_full,
    is_leftover,
    json_text,
    lock_folder,
    remove_leftovers,
    write_bytes,
    write_text,
)
from acculturate.model.answers import AnswerModel
from acculturate.runs.directory import first_difference
from acculturate.tuning.loop import Progress
from acculturate.tuning.methods import Method

PLAN = "experiment.toml"
FAILURES = "failures.json"


@runtime_checkable
class ProgressListener(Protocol):
    """Who is told how the cells get on; calls may come from several threads."""

    def on_start(self, cell: Cell) -> None:
        """A cell starts or goes on."""
        ...

    def on_step(self, cell: Cell, at: Progress) -> None:
        """A generation of a cell is done."""
        ...

    def on_end(self, cell: Cell, trouble: str | None, before: bool) -> None:
        """A cell is done: just now or before, or with trouble."""
        ...

    def on_retry(self, cell: Cell, trouble: str) -> None:
        """A cell failed and is run once more."""
        ...


class SilentListener:
    """Tells nobody."""

    def on_start(self, cell: Cell) -> None:
        """See `ProgressListener.on_start`."""

    def on_step(self, cell: Cell, at: Progress) -> None:
        """See `ProgressListener.on_step`."""

    def on_end(self, cell: Cell, trouble: str | None, before: bool) -> None:
        """See `ProgressListener.ends`."""

    def on_retry(self, cell: Cell, trouble: str) -> None:
        """See `ProgressListener.on_retry`."""


@dataclass
class Cells:
    """Runs cells of one experiment into one directory.

    Args:
        prepared: What the experiment needs.
        load: Gives the model; called once, and only where a cell has to run.
        out: The directory, opened.
        at_once: Companies of cells that run at the same time.
        listener: Is told how they get on.
        command: The command line, for the record.

    Attributes:
        failed: Cells that failed twice, and why.
    """

    prepared: PreparedExperiment
    load: Callable[[], AnswerModel]
    out: Path
    at_once: int
    listener: ProgressListener
    command: str
    failed: dict[Cell, dict[str, str]] = field(default_factory=dict[Cell, dict[str, str]])

    def __post_init__(self) -> None:
        self._model: AnswerModel | None = None
        self._loading = threading.Lock()
        self._stop = threading.Event()

    def run(self, cells: Sequence[Cell], methods: Mapping[str, Method]) -> None:
        """Runs those of some cells that are not complete.

        Args:
            cells: The cells.
            methods: Methods of those that search, by label.

        Raises:
            FailureError: The disk is full.
            KeyboardInterrupt: Ctrl-C; what is done stays.
        """
        missing: set[Cell] = set()
        for cell in cells:
            if finished(cell, self.out):
                self.listener.on_end(cell, None, True)
            else:
                missing.add(cell)
        if not missing:
            return
        together = companies(self.prepared, self._loaded(), cells, methods)
        jobs = [partial(self._run_company, one, missing, methods) for one in together]
        self._side_by_side([job for job in jobs if missing.intersection(job.args[0])], self.at_once)

    def _run_company(
        self, cells: Sequence[Cell], missing: Collection[Cell], methods: Mapping[str, Method]
    ) -> None:
        """Runs those cells of a company that are not complete, all at the same time."""
        model = self._loaded()
        company = Company(model, len(cells), self._stop)
        jobs = [
            partial(
                self._attempt,
                cell,
                methods.get(cell.method),
                partial(company.seat, place) if len(cells) > 1 else partial(nullcontext, model),
            )
            for place, cell in enumerate(cells)
            if cell in missing
        ]
        self._side_by_side(jobs, len(jobs))

    def _side_by_side(self, jobs: Sequence[Callable[[], None]], at_once: int) -> None:
        """Does jobs, so many at a time, and stops all of them where one is stopped."""
        if at_once == 1:
            for job in jobs:
                job()
            return
        with ThreadPoolExecutor(at_once) as threads:
            begun = [threads.submit(job) for job in jobs]
            try:
                for one in as_completed(begun):
                    one.result()
            except BaseException:
                self._stop.set()
                threads.shutdown(cancel_futures=True)
                raise

    def _attempt(
        self,
        cell: Cell,
        method: Method | None,
        asked: Callable[[], AbstractContextManager[AnswerModel]],
    ) -> None:
        """Runs a cell, once more where it fails, and goes on where it fails again."""
        self.listener.on_start(cell)
        for again in (False, True):
            try:
                with asked() as model:
                    self._run(cell, method, model)
            except Exception as error:
                if disk_is_full(error):
                    raise FailureError(
                        str(error), "Make space; the same command goes on where it stopped."
                    ) from error
                trouble = f"{error}" if str(error) else type(error).__name__
                if not again:
                    self.listener.on_retry(cell, trouble)
                    continue
                self.failed[cell] = {"error": trouble, "trace": traceback.format_exc()}
                self.listener.on_end(cell, trouble, False)
            else:
                self.listener.on_end(cell, None, False)
            return

    def _run(self, cell: Cell, method: Method | None, model: AnswerModel) -> None:
        if cell.method == BASELINE_CELL:
            measure_cell(self.prepared, model, cell, self.out)
            return
        assert method is not None

        def on_generation(at: Progress) -> None:
            if self._stop.is_set():
                raise KeyboardInterrupt
            if isinstance(model, Seat):
                model.reached(at.evaluations)
            self.listener.on_step(cell, at)

        tune_cell(
            self.prepared,
            model,
            cell,
            method,
            self.out,
            on_generation=on_generation,
            command=self.command,
        )

    def _loaded(self) -> AnswerModel:
        with self._loading:
            if self._model is None:
                self._model = self.load()
            return self._model

    @property
    def errors(self) -> dict[Cell, str]:
        """Cells that failed twice, and why in a sentence."""
        return {cell: why["error"] for cell, why in self.failed.items()}

    def write_failures(self) -> None:
        """Writes what failed, or takes away what an earlier session wrote."""
        file = self.out / FAILURES
        if not self.failed:
            file.unlink(missing_ok=True)
            return
        found = [{"cell": str(cell.folder), **why} for cell, why in self.failed.items()]
        write_text(file, json_text({"failed": found}))


@contextmanager
def opened(out: Path, plan: Mapping[str, Any]) -> Generator[None]:
    """Holds an experiment's directory, new or with this very experiment in it.

    Args:
        out: The directory; made where it is missing.
        plan: What decides the results.

    Raises:
        UsageError: It holds something else, or another process is writing to it.
        FailureError: It cannot be written.
    """
    try:
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is not a directory", "Choose another --out.")
        file = out / PLAN
        if not file.is_file() and out.is_dir() and not all(map(_is_trace, out.iterdir())):
            raise UsageError(
                f"{out} holds files and no experiment", "Choose an empty or new directory."
            )
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FailureError(
            f"cannot make {out}: {error.strerror}", "Choose another --out."
        ) from error
    lock = lock_folder(out)
    try:
        remove_leftovers(file)
        if file.is_file():
            _compare(file, plan)
        else:
            write_bytes(file, tomli_w.dumps(dict(plan)).encode())
        yield
    finally:
        lock.release()


def _compare(file: Path, plan: Mapping[str, Any]) -> None:
    try:
        saved = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FailureError(f"{file} is damaged: {error}", "Use another --out.") from error
    # Written and read once, so that what TOML makes of a value is on both sides.
    difference = first_difference(saved, tomllib.loads(tomli_w.dumps(dict(plan))))
    if difference:
        raise UsageError(
            f"{file.parent} holds another experiment: {difference}",
            "Use another --out, or the file of that experiment to go on with it.",
        )


def _is_trace(path: Path) -> bool:
    """Whether a file is what an experiment leaves that was killed before it had written its plan."""
    return path.name == ".lock" or is_leftover(path, PLAN)
