"""Measures of a model's answers: profiles, intervals, comparisons, and the guard on ordinary text."""

from acculturate.metrics.comparison import (
    Comparison,
    ComparisonSettings,
    State,
    compare,
    compare_answers,
)
from acculturate.metrics.correlation import Correlation, correlate
from acculturate.metrics.extremes import extremes, mean_distance
from acculturate.metrics.guard import guard_fingerprint, read_guard
from acculturate.metrics.held_out import by_order, form_sets, row
from acculturate.metrics.measure import Profile, measure, profile
from acculturate.metrics.other_surveys import check_with, other_surveys
from acculturate.metrics.prose import measure_prose
from acculturate.metrics.respondents import respondents
from acculturate.metrics.run_comparison import confusion, seed_spread
from acculturate.metrics.side_effects import Reach, reach, side_effects
from acculturate.metrics.specificity import specificity
from acculturate.metrics.statistics import (
    Interval,
    Quantity,
    bootstrap_means,
    bootstrap_weights,
    holm,
    interval_of,
    percentile_interval,
    sign_flip_test,
)
from acculturate.metrics.texts import HELD_OUT_TEXTS, TUNING_TEXTS
from acculturate.metrics.written_answers import generated, parse_answer

__all__ = [
    "HELD_OUT_TEXTS",
    "TUNING_TEXTS",
    "Comparison",
    "ComparisonSettings",
    "Correlation",
    "Interval",
    "Profile",
    "Quantity",
    "Reach",
    "State",
    "bootstrap_means",
    "bootstrap_weights",
    "by_order",
    "check_with",
    "compare",
    "compare_answers",
    "confusion",
    "correlate",
    "extremes",
    "form_sets",
    "generated",
    "guard_fingerprint",
    "holm",
    "interval_of",
    "mean_distance",
    "measure",
    "measure_prose",
    "other_surveys",
    "parse_answer",
    "percentile_interval",
    "profile",
    "reach",
    "read_guard",
    "respondents",
    "row",
    "seed_spread",
    "side_effects",
    "sign_flip_test",
    "specificity",
]
