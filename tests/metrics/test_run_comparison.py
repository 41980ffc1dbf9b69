"""Several runs together, against hand-made numbers."""

import numpy as np
import pytest

from acculturate.metrics import confusion, seed_spread


def test_the_confusion_matrix_is_read_off_the_losses():
    losses = [{"A": 1.0, "B": 5.0, "C": 9.0}, {"A": 4.0, "B": 6.0}, {"A": 1.0, "B": 2.0, "C": 3.0}]
    made = confusion(["x", "y", "z"], ["A", "B", "A"], losses)
    assert made.columns == ("A", "B")
    assert made.losses == ((1.0, 5.0), (4.0, 6.0), (1.0, 2.0))
    assert made.nearest == ("A", "A", "A")
    lonely = confusion(["x"], ["D"], [{"A": 1.0}])
    assert lonely.losses == ((None,),)
    assert lonely.nearest == (None,)


def test_runs_that_lie_far_apart_make_a_wide_interval():
    close = [np.random.default_rng(seed).normal(10, 0.1, 200).tolist() for seed in range(4)]
    losses = [4.0, 8.0, 12.0, 16.0]
    made = seed_spread("A", "forms", list("wxyz"), [20.0] * 4, losses, close)
    assert (made.tuned, made.naive, made.least, made.most) == (10.0, 20.0, 4.0, 16.0)
    # Means of three of four, drawn with replacement: a standard error of about 2.6.
    low, high = made.interval
    assert low == pytest.approx(5.0, abs=1.1)
    assert high == pytest.approx(15.0, abs=1.1)
    alike = seed_spread("A", "forms", list("wxyz"), [20.0] * 4, [10.0] * 4, close)
    assert np.ptp(alike.interval) < 0.5


def test_what_all_runs_share_does_not_shrink_with_their_number():
    samples = np.random.default_rng(0).normal(10, 3, 500)
    made = seed_spread("A", "forms", list("vwxyz"), [20.0] * 5, [10.0] * 5, [samples.tolist()] * 5)
    assert np.ptp(made.interval) == pytest.approx(
        np.ptp(np.quantile(samples, [0.025, 0.975])), rel=0.1
    )


def test_one_run_or_no_samples_has_no_interval():
    assert seed_spread("A", "forms", ["x"], [1.0], [2.0], [[2.0]]).interval is None
    assert (
        seed_spread("A", "forms", ["x", "y"], [1.0, 1.0], [2.0, 3.0], [[2.0], []]).interval is None
    )
