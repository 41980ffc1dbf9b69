from .baselines import in_context_line, persona_line
from .constraints import Constraints
from .loop import Progress, StopReason, TuningLoop
from .methods import Method, make_method
from .objective import Evaluation, Goal, Objective
from .penalty import PenalisedLoss, questionnaires
from .run import (
    make_goal,
    make_objective,
    measured_forms,
    summary_inputs,
    tune,
    tuning_forms,
)
from .settings import (
    Settings,
    allowed_values,
    setting_fields,
    to_toml,
)
from .start import start_search
from .summary import SummaryInputs, measure_baselines, summarise

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
    "summary_inputs",
    "to_toml",
    "tune",
    "tuning_forms",
]
