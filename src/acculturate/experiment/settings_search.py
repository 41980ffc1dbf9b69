"""A search over settings with Optuna: its trials are ordinary cells, its objective their held-out loss.

In: a prepared experiment, and how cells are run. Out: the trials. The settings of a trial follow from the seed
and from the trials before it, whose results are in their cells: a search that was killed at any moment is
repeated up to there without running anything, and goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.errors import FailureError, UsageError
from acculturate.experiment.plan import Range, SettingsSearch, changed
from acculturate.experiment.prepared import PreparedExperiment, trial_label
from acculturate.experiment.results import collect
from acculturate.experiment.worker import Job


@dataclass(frozen=True)
class Trial:
    """A trial of a search over settings.

    Attributes:
        number: Its number, from 0.
        method: Label of its method.
        settings: The settings tried, in words.
        loss: Mean held-out loss of its cells.
    """

    number: int
    method: str
    settings: str
    loss: float


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
    run: Callable[[Sequence[Job]], None],
    trials: list[Trial],
) -> None:
    """Run the trials that are missing; nothing without a search.

    Args:
        prepared: Everything the experiment needs.
        out: Its directory.
        run: Runs those of some cells that are not complete.
        trials: Takes each trial at its end.

    Raises:
        UsageError: Optuna is not installed.
        FailureError: A cell of a trial failed, or the disk is full.
    """
    search = prepared.experiment.search
    if search is None:
        return
    needs_optuna()
    import optuna  # pyright: ignore[reportMissingImports]

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    base = next(m for m in prepared.experiment.methods if m.label == search.method)
    study = optuna.create_study()
    for number in range(search.trials):
        study.sampler = optuna.samplers.TPESampler(seed=_seed(search, number))
        trial = study.ask()
        values = {key: _suggest(trial, key, r) for key, r in search.ranges.items()}
        method = changed(base, trial_label(base.label, number), values)
        cells = prepared.cells_of(method.label)
        run([(cell, method) for cell in cells])
        losses = [
            result.held_out for result in collect(out, cells, ()) if result.held_out is not None
        ]
        # Later trials follow from its loss, which would be another one once the cells are mended.
        if lacking := len(cells) - len(losses):
            raise FailureError(
                f"{lacking} of {len(cells)} cells of trial {number} of the search could not be run",
                f"See failures.json in {out}: the same command runs them again, or narrow search.ranges.",
            )
        loss = float(np.mean(losses))
        study.tell(trial, loss)
        tried = ", ".join(f"{key} {_text(value)}" for key, value in values.items())
        trials.append(Trial(number, method.label, tried, loss))


def _suggest(trial: Any, key: str, tried: Range) -> Any:
    if tried.choices:
        return trial.suggest_categorical(key, list(tried.choices))
    whole = isinstance(tried.low, int) and isinstance(tried.high, int)
    suggest = trial.suggest_int if whole else trial.suggest_float
    return suggest(key, tried.low, tried.high, log=tried.log)


def _seed(search: SettingsSearch, number: int) -> int:
    sequence = np.random.SeedSequence(search.seed, spawn_key=(number,))
    return int(sequence.generate_state(1)[0])


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
