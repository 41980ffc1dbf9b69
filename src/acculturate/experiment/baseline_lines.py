"""A line of words is asked what `evaluate` asks of a soft prompt, so that a table can hold both.

In: prepared, a cell of baselines and a line. Out: the files of an evaluation, by name.
"""

from __future__ import annotations

from typing import Any

from acculturate.experiment.prepared import Cell, PreparedExperiment
from acculturate.metrics.comparison import ComparisonSettings, compare
from acculturate.metrics.held_out import HEADLINE, by_order, form_sets, row
from acculturate.metrics.other_surveys import check_with, other_surveys
from acculturate.metrics.specificity import specificity
from acculturate.model.answers import AnswerModel
from acculturate.tuning.tune import tuning_forms

LINES = {"persona": "persona", "in-context": "in_context"}
"""Methods that put a line of words in front of every form, and where a summary keeps it."""


def evaluate_line(
    prepared: PreparedExperiment, model: AnswerModel, cell: Cell, line: str
) -> dict[str, dict[str, Any]]:
    """Asks a line of words in every other way, and other surveys.

    Args:
        prepared: What the experiment needs.
        model: Who answers.
        cell: A cell of baselines.
        line: Stands in front of every form.
    """
    settings, instrument = prepared.shared, prepared.instrument
    target, table = prepared.target(cell), prepared.tables[cell.table]
    scoring = prepared.scoring(settings)
    question = ComparisonSettings(
        scoring, target.vector(instrument), settings.reading, settings.respondents, settings.seed
    )
    tuning = tuning_forms(instrument, settings)
    sets = form_sets(instrument, tuning, settings.language, prepared.other_languages(settings))
    compared = {one.key: compare(model, line, one.forms, question) for one in sets}
    rows = [row(one.key, one.label, compared[one.key]) for one in sets]
    surveys = [
        check_with(model, line, survey, settings.seed)
        for survey in other_surveys(instrument, target.name, settings.language)
        if survey.country is not None
    ]
    ranked = specificity(compared[HEADLINE], target.name, table)
    return {
        "held_out": {"rows": [r.to_dict() for r in (*rows, *by_order(compared[HEADLINE]))]},
        "specificity": ranked.to_dict(),
        "other_surveys": {"checks": [one.to_dict() for one in surveys]},
    }
