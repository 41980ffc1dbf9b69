"""A search over settings with Optuna: its trials are ordinary cells, its objective their held-out loss.

In: prepared and the runner of cells. Out: the trials. The study is a journal of JSON lines beside the
cells. What a trial tries follows from the seed and from the trials complete before it, so that a study
killed at any moment goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.errors import FailureError, UsageError
from acculturate.experiment.plan import Range, SettingsSearch, changed
from acculturate.experiment.prepared import Cell, PreparedExperiment
from acculturate.experiment.report import Trial
from acculturate.experiment.results import collect
from acculturate.tuning import Method

JOURNAL = "search.jsonl"


@dataclass(frozen=True)
class Tried:
    """The trials of a search, and their cells."""

    cells: tuple[Cell, ...] = ()
    trials: tuple[Trial, ...] = ()


def needs_optuna() -> None:
    """Refuses a search where Optuna is not installed.

    Raises:
        UsageError: It is not.
    """
    try:
        import optuna  # noqa: F401  # pyright: ignore[reportUnusedImport, reportMissingImports]
    except ImportError as error:
        raise UsageError(
            "a search over settings needs Optuna", "pip install 'acculturate[optuna]'"
        ) from error


def search_settings(
    prepared: PreparedExperiment,
    out: Path,
    run: Callable[[Sequence[tuple[Cell, Method | None]]], None],
) -> Tried:
    """Run the trials that are missing.

    Args:
        prepared: What the experiment needs.
        out: Its directory.
        run: Runs those of some cells that are not complete.

    Raises:
        UsageError: Optuna is not installed.
        FailureError: A trial's cells all failed, or the disk is full.
    """
    search = prepared.experiment.search
    if search is None:
        return Tried()
    needs_optuna()
    import optuna  # pyright: ignore[reportMissingImports]
    from optuna.storages import JournalStorage  # pyright: ignore[reportMissingImports]
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock  # pyright: ignore[reportMissingImports]

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    file = out / JOURNAL
    _mend(file)
    backend = JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file)))
    try:
        study = optuna.create_study(
            storage=JournalStorage(backend), study_name="search", load_if_exists=True
        )
        base = next(m for m in prepared.experiment.methods if m.label == search.method)
        _drop_unfinished(study)
        while (number := len(_complete(study))) < search.trials:
            study.sampler = optuna.samplers.TPESampler(seed=_seed(search, number))
            trial = study.ask()
            method = _trial_method(base, number, _suggest(trial, search))
            own = prepared.cells_of(method)
            run([(cell, method) for cell in own])
            loss = _loss(own, out)
            if loss is None:
                raise FailureError(
                    f"no cell of trial {number} of the search could be run",
                    f"See failures.json in {out}; narrow search.ranges.",
                )
            study.tell(trial, loss)
    except OSError as error:
        raise FailureError(
            f"cannot write {file}: {error.strerror}",
            "Make space; the same command goes on where it stopped.",
        ) from error
    done = _complete(study)
    methods = [_trial_method(base, number, one.params) for number, one in enumerate(done)]
    losses = [one.value for one in done]
    least = min((loss for loss in losses if loss is not None), default=None)
    return Tried(
        tuple(cell for method in methods for cell in prepared.cells_of(method)),
        tuple(
            Trial(number, _words(one.params), one.value, one.value == least)
            for number, one in enumerate(done)
        ),
    )


def _trial_method(base: Method, number: int, values: dict[str, Any]) -> Method:
    return changed(base, f"{base.label} trial {number}", values)


def _complete(study: Any) -> list[Any]:
    from optuna.trial import TrialState  # pyright: ignore[reportMissingImports]

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _drop_unfinished(study: Any) -> None:
    """A trial that a killed process left is tried anew, the same: samplers look at complete ones alone."""
    from optuna.trial import TrialState  # pyright: ignore[reportMissingImports]

    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)


def _suggest(trial: Any, search: SettingsSearch) -> dict[str, Any]:
    return {key: _one(trial, key, one) for key, one in search.ranges.items()}


def _one(trial: Any, key: str, one: Range) -> Any:
    if one.choices:
        return trial.suggest_categorical(key, list(one.choices))
    if isinstance(one.low, int) and isinstance(one.high, int):
        return trial.suggest_int(key, one.low, one.high, log=one.log)
    return trial.suggest_float(key, one.low, one.high, log=one.log)


def _loss(own: Sequence[Cell], out: Path) -> float | None:
    found = [one.held_out for one in collect(out, own, ()) if one.held_out is not None]
    return float(np.mean(found)) if found else None


def _seed(search: SettingsSearch, number: int) -> int:
    sequence = np.random.SeedSequence(search.seed, spawn_key=(number,))
    return int(sequence.generate_state(1)[0])


def _words(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
    )


def _mend(file: Path) -> None:
    """Takes off what a killed process left: a line half written, and a lock; nobody else writes here."""
    try:
        for lock in file.parent.glob(f"{file.name}.lock*"):
            lock.unlink(missing_ok=True)
        if file.is_file():
            content = file.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                with file.open("r+b") as opened:
                    opened.truncate(len(whole))
    except OSError as error:
        raise FailureError(
            f"{file} cannot be mended: {error.strerror}", "Check its permissions."
        ) from error
