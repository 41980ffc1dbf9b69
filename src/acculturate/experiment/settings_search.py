"""A search over settings with Optuna: its trials are ordinary cells, its objective their held-out loss.

In: a prepared experiment, and how cells are run. Out: the trials. The study is a journal of JSON lines beside
the cells. The settings of a trial follow from the seed and from the trials complete before it, so that a study
killed at any moment goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.errors import FailureError, UsageError
from acculturate.experiment.plan import Range, SettingsSearch, changed
from acculturate.experiment.prepared import Cell, PreparedExperiment
from acculturate.experiment.results import collect
from acculturate.tuning import Method

_JOURNAL = "search.jsonl"


@dataclass(frozen=True)
class Trial:
    """A trial of a search over settings.

    Attributes:
        number: Its number, from 0.
        settings: The settings tried, in words.
        loss: Mean held-out loss of its cells.
        best: Whether it is the best.
        cells: Its cells.
    """

    number: int
    settings: str
    loss: float
    best: bool
    cells: tuple[Cell, ...]


def needs_optuna() -> None:
    """Refuse a search where Optuna is not installed.

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
) -> tuple[Trial, ...]:
    """Run the trials that are missing.

    Args:
        prepared: Everything the experiment needs.
        out: Its directory.
        run: Runs those of some cells that are not complete.

    Returns:
        All trials; none without a search.

    Raises:
        UsageError: Optuna is not installed.
        FailureError: A trial's cells all failed, or the disk is full.
    """
    search = prepared.experiment.search
    if search is None:
        return ()
    needs_optuna()
    import optuna  # pyright: ignore[reportMissingImports]

    base = next(m for m in prepared.experiment.methods if m.label == search.method)
    file = out / _JOURNAL
    _mend(file)
    try:
        study = _open_study(file)
        while (number := len(_complete(study))) < search.trials:
            # A sampler anew for each trial, as a resumed search has it.
            study.sampler = optuna.samplers.TPESampler(seed=_seed(search, number))
            trial = study.ask()
            values = {key: _suggest(trial, key, tried) for key, tried in search.ranges.items()}
            method = _method(base, number, values)
            cells = prepared.cells_of(method)
            run([(cell, method) for cell in cells])
            losses = [one.held_out for one in collect(out, cells, ()) if one.held_out is not None]
            if not losses:
                raise FailureError(
                    f"no cell of trial {number} of the search could be run",
                    f"See failures.json in {out}; narrow search.ranges.",
                )
            study.tell(trial, float(np.mean(losses)))
    except OSError as error:
        raise FailureError(
            f"cannot write {file}: {error.strerror}",
            "Make space; the same command goes on where it stopped.",
        ) from error
    done = _complete(study)
    least = min(trial.value for trial in done)
    return tuple(
        Trial(
            number,
            ", ".join(f"{key} {_text(value)}" for key, value in trial.params.items()),
            trial.value,
            trial.value == least,
            prepared.cells_of(_method(base, number, trial.params)),
        )
        for number, trial in enumerate(done)
    )


def _open_study(file: Path) -> Any:
    """Open the study in a journal; a trial that a killed process left is tried anew, the same."""
    import optuna  # pyright: ignore[reportMissingImports]
    from optuna.storages import JournalStorage  # pyright: ignore[reportMissingImports]
    from optuna.storages.journal import (  # pyright: ignore[reportMissingImports]
        JournalFileBackend,
        JournalFileOpenLock,
    )

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file)))
    study = optuna.create_study(
        storage=JournalStorage(backend), study_name="search", load_if_exists=True
    )
    states = optuna.trial.TrialState
    for left in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        study.tell(left.number, state=states.FAIL)  # samplers look at complete ones alone
    return study


def _complete(study: Any) -> list[Any]:
    from optuna.trial import TrialState  # pyright: ignore[reportMissingImports]

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _method(base: Method, number: int, values: Mapping[str, Any]) -> Method:
    return changed(base, f"{base.label} trial {number}", values)


def _suggest(trial: Any, key: str, tried: Range) -> Any:
    if tried.choices is not None:
        return trial.suggest_categorical(key, list(tried.choices))
    whole = isinstance(tried.low, int) and isinstance(tried.high, int)
    suggest = trial.suggest_int if whole else trial.suggest_float
    return suggest(key, tried.low, tried.high, log=tried.log)


def _seed(search: SettingsSearch, number: int) -> int:
    sequence = np.random.SeedSequence(search.seed, spawn_key=(number,))
    return int(sequence.generate_state(1)[0])


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _mend(file: Path) -> None:
    """Remove a half-written line and a lock that a killed process left; no other process writes here."""
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
