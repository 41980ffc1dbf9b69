"""Bootstrap samples against what is known about them."""

import numpy as np
import pytest

from acculturate.metrics import bootstrap_means, bootstrap_weights, percentile_interval
from acculturate.metrics.statistics import loss_interval, weighted_means

SAMPLES = 4000


def draw(values: np.ndarray, groups: list[np.ndarray], seed: int = 0) -> np.ndarray:
    columns = [[group.tolist()] if len(group) else [] for group in groups]
    return bootstrap_means(values, columns, SAMPLES, np.random.default_rng(seed))


def test_means_and_spread_are_the_analytic_ones() -> None:
    """A bootstrap mean of n values has their mean, and their variance (n - 1 below the line) over n."""
    values = np.random.default_rng(1).normal(3, 2, size=40)
    groups = [np.arange(0, 30), np.arange(30, 40)]
    samples = draw(values, groups)
    assert samples.shape == (SAMPLES, 2)
    for column, group in zip(samples.T, groups, strict=True):
        error = values[group].std(ddof=1) / np.sqrt(len(group))
        assert column.mean() == pytest.approx(values[group].mean(), abs=4 * error / SAMPLES**0.5)
        assert column.std() == pytest.approx(error, rel=0.05)


def test_groups_are_drawn_apart() -> None:
    values = np.array([0.0, 0.0, 10.0, 20.0])
    samples = draw(values, [np.array([0, 1]), np.array([2, 3])])
    assert (samples[:, 0] == 0).all()
    assert set(samples[:, 1]) == {10.0, 20.0}
    assert np.corrcoef(draw(np.arange(4.0), [np.array([0, 1]), np.array([2, 3])]).T)[
        0, 1
    ] == pytest.approx(0, abs=0.05)


def test_a_group_of_one_does_not_vary_and_an_empty_one_is_unknown() -> None:
    samples = draw(np.array([7.0]), [np.array([0]), np.array([], np.int64)])
    assert (samples[:, 0] == 7).all()
    assert np.isnan(samples[:, 1]).all()


def test_a_seed_repeats_the_samples() -> None:
    values = np.random.default_rng(2).normal(size=10)
    groups = [np.arange(10)]
    assert draw(values, groups).tolist() == draw(values, groups).tolist()
    assert draw(values, groups).tolist() != draw(values, groups, seed=1).tolist()


def test_the_interval_of_a_known_sample() -> None:
    samples = np.stack([np.arange(1001.0), 5 + 0 * np.arange(1001.0)], axis=1)
    assert percentile_interval(samples) == pytest.approx(np.array([[25, 975], [5, 5]]))
    assert percentile_interval(samples, 0.5) == pytest.approx(np.array([[250, 750], [5, 5]]))


def test_a_95_percent_interval_holds_the_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        values = rng.normal(size=30)
        samples = bootstrap_means(values, [[range(30)]], 400, rng)
        low, high = percentile_interval(samples)[0]
        held += low < 0 < high
    assert 0.88 < held / 300 < 0.99


def test_the_interval_of_a_loss_holds_the_loss_even_where_noise_raises_every_sample():
    rng = np.random.default_rng(0)
    samples = np.abs(rng.normal(0, 20, (4000, 6))).mean(axis=1)  # six scores, all met exactly
    low, high = loss_interval(samples, 2.0)
    assert low == 0.0 < 2.0 < high < 15
    far = np.abs(rng.normal(100, 20, (4000, 6))).mean(axis=1)  # where noise adds nothing
    assert loss_interval(far, 100.0) == pytest.approx(percentile_interval(far[:, None])[0], abs=1)


def test_weights_are_those_of_the_drawn_members() -> None:
    weights = bootstrap_weights([[0, 3, 1], [2]], SAMPLES, np.random.default_rng(0))
    assert weights.shape == (SAMPLES, 4)
    assert set(weights[:, :2].ravel()) == {0.0, 0.5, 1.0}
    np.testing.assert_allclose(weights[:, [0, 1, 3]].sum(axis=1), 1)
    assert (weights[:, 2] == 1).all()


def test_strata_count_by_their_size() -> None:
    values = np.array([0.0, 0.0, 0.0, 0.0, 10.0, 10.0])
    samples = bootstrap_means(values, [[[0, 1, 2, 3], [4, 5]]], 5, np.random.default_rng(0))
    np.testing.assert_allclose(samples, values.mean())


def test_a_column_of_several_strata_is_the_mean_of_their_means() -> None:
    values = np.array([0.0, 0.0, 10.0, 20.0])
    samples = bootstrap_means(values, [[[0, 1], [2, 3]]], SAMPLES, np.random.default_rng(0))
    assert set(samples[:, 0]) == {5.0, 10.0}


def test_weighted_means_leave_out_what_is_missing() -> None:
    weights = np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 1.0]])
    values = np.array([[1.0, np.nan], [3.0, 6.0], [np.nan, 3.0]])
    np.testing.assert_allclose(weighted_means(weights, values), [[2.0, 4.0], [np.nan, 3.0]])
