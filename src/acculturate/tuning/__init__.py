"""Tuning: settings, objective, the loop of a run, and its result table."""

from acculturate.tuning.baselines import in_context_line, persona_line
from acculturate.tuning.constraints import Constraints
from acculturate.tuning.loop import Progress, StopReason, TuningLoop
from acculturate.tuning.methods import Method, make_method
from acculturate.tuning.objective import Evaluation, Goal, Objective
from acculturate.tuning.penalty import PenalisedLoss, questionnaires
from acculturate.tuning.run import make_goal, make_objective, measured_forms, tune, tuning_forms
from acculturate.tuning.settings import (
    Settings,
    allowed_values,
    setting_fields,
    to_toml,
)
from acculturate.tuning.start import start_search
from acculturate.tuning.summary import SummaryInputs, measure_baselines, summarise

__all__ = [
    "Constraints",
    "Evaluation",
    "Goal",
    "Method",
    "Objective",
    "PenalisedLoss",
    "Progress",
    "Settings",
    "StopReason",
    "SummaryInputs",
    "TuningLoop",
    "allowed_values",
    "in_context_line",
    "make_goal",
    "make_method",
    "make_objective",
    "measure_baselines",
    "measured_forms",
    "persona_line",
    "questionnaires",
    "setting_fields",
    "start_search",
    "summarise",
    "to_toml",
    "tune",
    "tuning_forms",
]
