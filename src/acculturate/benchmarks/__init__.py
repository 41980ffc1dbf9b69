"""Questions outside the survey: knowledge of a country, and whose opinions a model shares."""

from acculturate.benchmarks.asking import Method, Shares, ask
from acculturate.benchmarks.catalogue import benchmark_names, load_benchmark, load_benchmarks
from acculturate.benchmarks.exam import Exam, Known, Sheet
from acculturate.benchmarks.questions import Benchmark, OpinionSet, QuestionSet
from acculturate.benchmarks.result import Change, MethodScore, Part, Result, Test

__all__ = [
    "Benchmark",
    "Change",
    "Exam",
    "Known",
    "Method",
    "MethodScore",
    "OpinionSet",
    "Part",
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
