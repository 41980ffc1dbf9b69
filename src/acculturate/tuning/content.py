"""Content of the untouched model's answers, told before a search spends its budget on them."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import get_args

from acculturate import progress
from acculturate.errors import AcculturateError
from acculturate.metrics.content import Content
from acculturate.metrics.held_out import limit_forms
from acculturate.model.answers import Answering
from acculturate.record_files import read_record
from acculturate.runs import CONTENT, RunDirectory, UntouchedContent
from acculturate.survey.forms import LabelKind, all_forms
from acculturate.tuning.summary import measure_forms
from acculturate.tuning.task import Task


def check_content(model: Answering, task: Task, directory: RunDirectory) -> None:
    """Warn where the untouched model's answers to the tuning forms are not about the questions.

    Written into the run; one that is resumed is not asked again.

    Args:
        model: Answers the forms; one that remembers has them for the result table.
        task: Its forms are asked as the result table asks them.
        directory: Keeps the record.
    """
    # Of a run that goes on, too: what is on file calibrates the answers of its prompts.
    with progress.task("asking the untouched model", len(task.measured)):
        asked = measure_forms(model, task, task.measured).content
    if (directory.path / CONTENT).is_file():
        found = read_record(UntouchedContent, directory.path / CONTENT)
    else:
        enough = asked is None or asked.enough
        found = UntouchedContent(asked, {} if enough else _measure_others(model, task))
        directory.write_record(CONTENT, found)
    if found.warning:
        warnings.warn(found.warning, stacklevel=2)


def _measure_others(model: Answering, task: Task) -> dict[str, Content]:
    """Return the content of a few tuning forms with each kind of labels that the run does not ask."""
    others: dict[str, Content] = {}
    asked = {form.label_kind for form in task.measured}
    kinds: list[LabelKind] = [kind for kind in get_args(LabelKind) if kind not in asked]
    for kind in kinds:
        language = task.settings.language
        forms = limit_forms(all_forms(task.scoring.instrument, (language,), "tuning", kind))
        # Not every model can be asked in every way; the reading is then no advice.
        with suppress(AcculturateError), progress.task(f"asking by {kind}", len(forms)):
            found = measure_forms(model, task, forms).content
            if found is not None:
                others[kind] = found
    return others
