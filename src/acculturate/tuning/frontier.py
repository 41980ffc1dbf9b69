"""The frontier of a run that searches loss and divergence together, measured as its result is.

In: the prompts that no other candidate beat in both. Out: evaluation/frontier.json and
evaluation/frontier.safetensors, whose rows belong together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from safetensors.numpy import save

from acculturate import progress
from acculturate.io import write_bytes
from acculturate.model.answers import Answering, Query
from acculturate.model.asking import ask
from acculturate.record_files import finite
from acculturate.runs import FRONTIER, FrontierPoint, FrontierPoints, RunDirectory
from acculturate.search import Frontier
from acculturate.tuning.summary import measure_answers
from acculturate.tuning.task import Task

MOST_POINTS = 20
"""Points that are measured at most; of more, those at evenly spaced ranks."""


def write_frontier(
    directory: RunDirectory,
    model: Answering,
    task: Task,
    frontier: Frontier,
    prompts_of: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Measure the points on tuning and held-out forms and on held-out texts, and write all of it.

    Args:
        directory: Of the run.
        model: Answers the forms.
        task: Forms and scores to reach.
        frontier: By rising objective and falling divergence; not empty.
        prompts_of: Search vectors to soft prompts.

    Raises:
        FailureError: A file cannot be written.
    """
    ranks = np.linspace(0, len(frontier) - 1, min(len(frontier), MOST_POINTS)).round().astype(int)
    prompts = prompts_of(frontier.vectors[ranks])
    query = Query(placement=task.settings.placement, read_every=task.guard.read_every)
    asked = [replace(query, forms=task.before(forms)) for forms in (task.measured, task.held_out)]
    read = [replace(query, texts=texts) for texts in task.guard.held_out]
    size = sum(each.size for each in (*asked, *read))
    with progress.task(f"measuring {len(prompts)} points of the frontier", len(prompts) * size):
        tuning, held_out = (ask(model, prompts, each) for each in asked)
        readings = [ask(model, prompts, each).divergence for each in read]
    divergence = np.mean([reading for reading in readings if reading is not None], axis=0)
    points = tuple(
        FrontierPoint(
            finite(measure_answers(task, tuning, model.name, row).loss),
            float(frontier.secondary[rank]),
            finite(measure_answers(task, held_out, model.name, row).loss),
            finite(float(divergence[row])),
        )
        for row, rank in enumerate(ranks)
    )
    tensor = np.ascontiguousarray(prompts, np.float32)
    write_bytes(directory.path / "evaluation/frontier.safetensors", save({"prompts": tensor}))
    directory.write_record(FRONTIER, FrontierPoints(points))
