"""The distance between countries: all alike is 0, as far apart as wanted is 1."""

import numpy as np
import pytest

from acculturate.metrics.separation import separate

WANTED = np.random.default_rng(0).normal(size=(4, 6)) * 20


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 2.0])
def test_the_spread_is_the_share_that_is_attained_of_the_differences(share: float):
    shifts = WANTED.mean(axis=0) + share * (WANTED - WANTED.mean(axis=0))
    assert separate(shifts, WANTED).spread == pytest.approx(share)


def test_ranks_are_among_all_wanted_shifts():
    assert separate(WANTED, WANTED).ranks == (1, 1, 1, 1)
    swapped = WANTED[[1, 0, 2, 3]]
    found = separate(swapped, WANTED)
    assert found.ranks[2:] == (1, 1)
    assert min(found.ranks[:2]) > 1
    assert "2 of 4 are nearest to their own" in found.text


def test_targets_that_are_all_the_same_have_no_spread():
    assert np.isnan(separate(WANTED, np.ones_like(WANTED)).spread)
