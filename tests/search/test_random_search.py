import numpy as np
import pytest
from search_problems import generations, sphere

from acculturate.errors import UsageError
from acculturate.search import RandomSearch


def test_samples_follow_the_first_population():
    rng = np.random.default_rng(0)
    mean, deviation = np.array([0.0, 10.0, -3.0]), np.array([1.0, 0.1, 5.0])
    optimizer = RandomSearch(2000)
    optimizer.start(rng.normal(mean, deviation, (2000, 3)), rng)
    first, drawn = generations(optimizer, sphere, 2)
    assert not np.array_equal(first, drawn)
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.5)
    assert drawn.std(axis=0) == pytest.approx(deviation, rel=0.1)


def test_what_it_is_told_changes_nothing_but_the_best():
    streams = []
    for sign in (1, -1):
        optimizer = RandomSearch(6)
        rng = np.random.default_rng(1)
        optimizer.start(rng.normal(size=(6, 3)), rng)
        streams.append(np.array(list(generations(optimizer, lambda x, s=sign: s * sphere(x), 5))))
    assert np.array_equal(*streams)


def test_one_candidate_has_no_spread():
    with pytest.raises(UsageError, match="population 1") as error:
        RandomSearch(1)
    assert error.value.hint
