"""Correlations over runs, against scipy and by hand."""

import numpy as np
import pytest
from scipy import stats

from acculturate.metrics import correlate


def rng(seed=0):
    return np.random.default_rng(seed)


def test_one_group_is_the_ordinary_coefficient():
    x = rng(1).normal(size=12)
    y = np.round(-x + rng(2).normal(size=12), 1)
    found = correlate([np.stack([x, y], axis=1)], rng())
    assert found.pearson.value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
    low, high = found.pearson.interval
    assert -1 <= low < found.pearson.value < high <= 1
    assert (found.runs, found.groups, found.why) == (12, 1, None)


def test_a_difference_between_groups_is_no_correlation_within():
    """Simpson: within each group y falls with x, while the groups rise together."""
    groups = [np.array([[k + step, k - step] for step in (0.0, 0.1, 0.2)]) for k in range(4)]
    pooled = np.concatenate(groups)
    assert np.corrcoef(pooled.T)[0, 1] > 0.9
    found = correlate(groups, rng())
    assert found.pearson.value == pytest.approx(-1)
    assert found.spearman.value == pytest.approx(-1)
    assert (found.runs, found.groups) == (12, 4)


def test_too_few_runs_have_no_number():
    line = np.array([[k, k] for k in range(4)], float)
    few = correlate([line], rng())
    assert (few.pearson, few.spearman) == (None, None)
    assert few.why == "4 runs are too few, it takes 5"
    assert correlate([line[:1]] * 9, rng()).why == "no country has two runs"
    assert correlate([line[:2]] * 3, rng()).why == "6 runs are too few, it takes 7"
    assert correlate([line, line[:2]], rng()).why is None
    flat = np.array([[k, 1.0] for k in range(8)])
    assert "same in all runs" in correlate([flat], rng()).why


def test_a_seed_repeats():
    pairs = rng(3).normal(size=(9, 2))
    assert correlate([pairs], rng(4)) == correlate([pairs], rng(4))
    assert correlate([pairs], rng(4)).pearson != correlate([pairs], rng(5)).pearson


def test_intervals_widen_where_nothing_goes_together():
    x = rng(6).normal(size=30)
    close = correlate([np.stack([x, x + 0.1 * rng(7).normal(size=30)], axis=1)], rng())
    loose = correlate([np.stack([x, rng(8).normal(size=30)], axis=1)], rng())
    assert close.pearson.interval[0] > 0.9
    assert loose.pearson.interval[0] < 0 < loose.pearson.interval[1]
