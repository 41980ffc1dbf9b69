"""An experiment from its file to its report: what is missing is run, then everything is made from the cells.

In: an experiment and a directory. Out: the same directory, complete but for cells that failed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from acculturate.experiment.cell_runner import Cells, ProgressListener, SilentListener, opened
from acculturate.experiment.plan import Experiment
from acculturate.experiment.prepared import PreparedExperiment, prepare
from acculturate.experiment.publish import Published, publish
from acculturate.experiment.search import Tried, search_settings
from acculturate.model.answers import AnswerModel
from acculturate.model.load import load_model


def run_experiment(
    experiment: Experiment | PreparedExperiment,
    out: str | Path,
    *,
    load: Callable[[], AnswerModel] | None = None,
    at_once: int = 1,
    listener: ProgressListener | None = None,
    command: str = "",
) -> Published:
    """Runs what is missing of an experiment and makes its tables, figures and report.

    Args:
        experiment: What `load_experiment` read, or prepared already.
        out: Its directory: new, or with this very experiment in it.
        load: Gives the model, where a cell has to run; by the name in the file if None.
        at_once: Cells, or companies of cells that share forwards, that run at the same time.
        listener: Is told how the cells get on.
        command: The command line, for the record.

    Returns:
        Where everything is and what it says. Cells that failed twice are named in it and stop nothing.

    Raises:
        UsageError: Something cannot be run, or the directory holds another experiment.
        FailureError: The disk is full, or a file is damaged.
        KeyboardInterrupt: Ctrl-C; the same call goes on.
    """
    prepared = prepare(experiment) if isinstance(experiment, Experiment) else experiment
    plan, folder = prepared.experiment, Path(out)
    choice = plan.model

    def by_name() -> AnswerModel:
        return load_model(choice.name, revision=choice.revision, dtype=cast("Any", choice.dtype))

    with opened(folder, plan.to_dict()):
        cells = Cells(
            prepared, load or by_name, folder, at_once, listener or SilentListener(), command
        )
        tried = Tried()
        try:
            cells.run(prepared.cells, {method.label: method for method in plan.methods})
            tried = search_settings(prepared, cells)
        except KeyboardInterrupt:
            publish(prepared, folder, cells.errors, tried.cells, tried.trials)
            raise
        finally:
            cells.write_failures()
        return publish(prepared, folder, cells.errors, tried.cells, tried.trials)
