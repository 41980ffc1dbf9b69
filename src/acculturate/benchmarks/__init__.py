"""Questions outside the survey: knowledge of a country, and whose opinions a model shares."""

from acculturate.benchmarks.asking import Method, Shares, ask
from acculturate.benchmarks.catalogue import benchmark_names, load_benchmark, load_benchmarks
from acculturate.benchmarks.exam import Exam, Known, Progress, Sheet
from acculturate.benchmarks.questions import OpinionSet, QuestionSet
from acculturate.benchmarks.result import Change, MethodScore, Part, Result, Test

__all__ = [
    "Change",
    "Exam",
    "Known",
    "Method",
    "MethodScore",
    "OpinionSet",
    "Part",
    "Progress",
    "QuestionSet",
    "Result",
    "Shares",
    "Sheet",
    "Test",
    "ask",
    "benchmark_names",
    "load_benchmark",
    "load_benchmarks",
]
