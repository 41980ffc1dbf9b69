"""The guard of a run: its texts, and the answers that the untouched model writes once, at the beginning.

In: a model and settings. Out: a `Guard`. The answers stay in the run directory: a resumed run reads the same.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from acculturate.errors import AcculturateError, UnreachableError, WriteError
from acculturate.metrics.guard import Guard, make_guard, write_own_answers
from acculturate.metrics.texts import GUARD_QUESTIONS
from acculturate.model.answers import AnswerModel, ProseModel
from acculturate.record_files import read_record, write_record
from acculturate.runs import GUARD, OwnAnswers
from acculturate.survey.instrument import Instrument
from acculturate.tuning.settings import Settings


def open_guard(
    directory: Path, model: AnswerModel, instrument: Instrument, settings: Settings
) -> Guard:
    """Return the guard of a run, and write down what the untouched model answers where it is new.

    Raises:
        FailureError: What is there is damaged or cannot be written, or the model does not answer now.
    """
    if settings.guard == "sentences":
        return make_guard("sentences")
    file = directory / GUARD
    if not file.exists():
        write_record(file, _write_answers(model, instrument, settings))
    return make_guard("texts", read_record(OwnAnswers, file).answers)


def _write_answers(model: AnswerModel, instrument: Instrument, settings: Settings) -> OwnAnswers:
    """Let the model answer everyday questions, and as many of the survey's, in turn."""
    wordings = instrument.language(settings.language).wordings
    items, count = instrument.items, len(GUARD_QUESTIONS)
    asked = [wordings[items[len(items) * k // count].id][0] for k in range(count)]
    questions = [text for pair in zip(GUARD_QUESTIONS, asked, strict=True) for text in pair]
    try:
        if isinstance(model, ProseModel):
            return OwnAnswers(write_own_answers(model, questions, settings.seed))
    except (UnreachableError, WriteError):
        raise
    except AcculturateError as error:
        warnings.warn(f"the guard reads no answers of the model's own: {error}", stacklevel=2)
    return OwnAnswers(())
