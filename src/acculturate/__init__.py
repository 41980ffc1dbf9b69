"""Measure the cultural values a language model shows, and move them without touching a weight.

The public names. Importing the package imports no torch: a name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acculturate.benchmarks.catalogue import load_benchmark
    from acculturate.benchmarks.exam import Exam
    from acculturate.errors import AcculturateError, FailureError, UsageError
    from acculturate.evaluation.evaluate import RunEvaluation, evaluate
    from acculturate.evaluation.examine import examine
    from acculturate.experiment.plan import Experiment, load_experiment
    from acculturate.experiment.run import run_experiment
    from acculturate.export.peft import export_peft
    from acculturate.metrics.measure import Profile, measure
    from acculturate.model.answers import AnswerModel, Answers
    from acculturate.model.fake import FakeModel
    from acculturate.model.load import load_model
    from acculturate.model.soft_prompt import SoftPrompt
    from acculturate.reporting.report import write_report
    from acculturate.runs.directory import Run
    from acculturate.search import (
        CMAES,
        GDE3,
        LSHADE,
        Adam,
        DifferentialEvolution,
        Optimizer,
        ParticleSwarm,
        RandomSearch,
        SepCMAES,
    )
    from acculturate.survey.countries import Country, CountryTable, load_countries
    from acculturate.survey.forms import Form, all_forms, balanced_forms, draw_forms
    from acculturate.survey.instrument import Instrument, load_instrument
    from acculturate.survey.scoring import Scoring
    from acculturate.tuning import Settings, tune

__version__ = "0.1.0"

_HOMES = {
    "Adam": "search",
    "LSHADE": "search",
    "AcculturateError": "errors",
    "AnswerModel": "model.answers",
    "Answers": "model.answers",
    "CMAES": "search",
    "Country": "survey.countries",
    "CountryTable": "survey.countries",
    "DifferentialEvolution": "search",
    "Exam": "benchmarks.exam",
    "Experiment": "experiment.plan",
    "FailureError": "errors",
    "FakeModel": "model.fake",
    "Form": "survey.forms",
    "GDE3": "search",
    "Instrument": "survey.instrument",
    "Optimizer": "search",
    "ParticleSwarm": "search",
    "Profile": "metrics.measure",
    "RandomSearch": "search",
    "Run": "runs.directory",
    "RunEvaluation": "evaluation.evaluate",
    "Scoring": "survey.scoring",
    "SepCMAES": "search",
    "Settings": "tuning",
    "SoftPrompt": "model.soft_prompt",
    "UsageError": "errors",
    "all_forms": "survey.forms",
    "balanced_forms": "survey.forms",
    "draw_forms": "survey.forms",
    "evaluate": "evaluation.evaluate",
    "examine": "evaluation.examine",
    "export_peft": "export.peft",
    "load_benchmark": "benchmarks.catalogue",
    "load_countries": "survey.countries",
    "load_experiment": "experiment.plan",
    "load_instrument": "survey.instrument",
    "load_model": "model.load",
    "measure": "metrics.measure",
    "run_experiment": "experiment.run",
    "tune": "tuning",
    "write_report": "reporting.report",
}

__all__ = [
    "CMAES",
    "GDE3",
    "LSHADE",
    "AcculturateError",
    "Adam",
    "AnswerModel",
    "Answers",
    "Country",
    "CountryTable",
    "DifferentialEvolution",
    "Exam",
    "Experiment",
    "FailureError",
    "FakeModel",
    "Form",
    "Instrument",
    "Optimizer",
    "ParticleSwarm",
    "Profile",
    "RandomSearch",
    "Run",
    "RunEvaluation",
    "Scoring",
    "SepCMAES",
    "Settings",
    "SoftPrompt",
    "UsageError",
    "all_forms",
    "balanced_forms",
    "draw_forms",
    "evaluate",
    "examine",
    "export_peft",
    "load_benchmark",
    "load_countries",
    "load_experiment",
    "load_instrument",
    "load_model",
    "measure",
    "run_experiment",
    "tune",
    "write_report",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
