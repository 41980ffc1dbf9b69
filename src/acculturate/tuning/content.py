"""Content of the untouched model's answers, told before a search spends its budget on them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import get_args

from acculturate.errors import AcculturateError
from acculturate.metrics.content import Content, content
from acculturate.model.answers import Answering
from acculturate.model.asking import ask_untouched
from acculturate.record_files import read_record
from acculturate.runs import CONTENT, RunDirectory, UntouchedContent
from acculturate.survey.forms import Form, LabelKind, all_forms
from acculturate.survey.scoring import item_values
from acculturate.survey.selection import limit_forms
from acculturate.tuning.task import Task


def check_content(model: Answering, task: Task, directory: RunDirectory) -> None:
    """Warn where the untouched model's answers to the tuning forms are not about the questions.

    Written into the run; one that is resumed is not asked again.

    Args:
        model: Answers the forms, and remembers what it answered.
        task: A balanced part of its tuning forms is asked.
        directory: Keeps the record.
    """
    if (directory.path / CONTENT).is_file():
        found = read_record(UntouchedContent, directory.path / CONTENT)
    else:
        forms = limit_forms(task.survey_forms)
        in_words = any(form.word_set is not None for form in forms)
        asked = _content(model, task, forms, task.pool if in_words else forms)
        enough = asked is None or asked.enough
        found = UntouchedContent(asked, {} if enough else _measure_others(model, task))
        directory.write_record(CONTENT, found)
    if found.warning:
        warnings.warn(found.warning, stacklevel=2)


def _measure_others(model: Answering, task: Task) -> dict[str, Content]:
    """Return the content of a few tuning forms with each kind of labels that the run does not ask."""
    others: dict[str, Content] = {}
    asked = {form.label_kind for form in task.survey_forms}
    kinds: list[LabelKind] = [kind for kind in get_args(LabelKind) if kind not in asked]
    for kind in kinds:
        language = task.settings.language
        forms = limit_forms(all_forms(task.scoring.instrument, (language,), "tuning", kind))
        # Not every model can be asked in every way; the reading is then no advice.
        with suppress(AcculturateError):
            found = _content(model, task, forms, forms)
            if found is not None:
                others[kind] = found
    return others


def _content(
    model: Answering, task: Task, forms: Sequence[Form], pool: Sequence[Form]
) -> Content | None:
    values = item_values(ask_untouched(model, forms, pool)[None], "expected")[0]
    return content(values, forms, task.scoring.instrument)
