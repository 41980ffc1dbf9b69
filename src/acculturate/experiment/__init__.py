"""Experiments: methods x countries x seeds on one model, from a file to a table, figures and a report."""

from acculturate.experiment.comparisons import Difference, differences
from acculturate.experiment.estimate import Estimate, estimate
from acculturate.experiment.figures import figures_of
from acculturate.experiment.narrative import findings
from acculturate.experiment.plan import (
    PRESETS,
    Experiment,
    load_experiment,
    preset_names,
)
from acculturate.experiment.prepared import Cell, PreparedExperiment, prepare
from acculturate.experiment.ray_workers import RayOptions
from acculturate.experiment.report import Published, publish
from acculturate.experiment.results import Measured, collect
from acculturate.experiment.run import run_experiment
from acculturate.experiment.settings_search import needs_optuna
from acculturate.experiment.tables import paper_table
from acculturate.experiment.worker import ProgressListener

__all__ = [
    "PRESETS",
    "Cell",
    "Difference",
    "Estimate",
    "Experiment",
    "Measured",
    "PreparedExperiment",
    "ProgressListener",
    "Published",
    "RayOptions",
    "collect",
    "differences",
    "estimate",
    "figures_of",
    "findings",
    "load_experiment",
    "needs_optuna",
    "paper_table",
    "prepare",
    "preset_names",
    "publish",
    "run_experiment",
]
