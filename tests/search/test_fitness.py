import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from acculturate.search import Fitness

# Few values, so that ties are common.
objectives = st.sampled_from([-1.0, 0.0, 0.5, 2.0, np.inf, -np.inf, np.nan])
excesses = st.sampled_from([0.0, 0.0, 0.1, 0.3, np.inf, np.nan])
candidates = st.lists(st.tuples(objectives, excesses), min_size=1, max_size=12)


def as_fitness(pairs: list[tuple[float, float]]) -> Fitness:
    return Fitness(*np.array(pairs, dtype=float).reshape(-1, 2).T)


def deb_better(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Deb's rules, spelt out case by case."""
    broken, other_broken = not np.isfinite(one).all(), not np.isfinite(other).all()
    if broken or other_broken:
        return other_broken and not broken
    (objective, violation), (other_objective, other_violation) = one, other
    if violation == 0 and other_violation == 0:
        return objective < other_objective
    if violation == 0 or other_violation == 0:
        return violation == 0
    return violation < other_violation or (
        violation == other_violation and objective < other_objective
    )


@given(candidates)
def test_every_pair_is_compared_by_debs_rules(pairs):
    n = len(pairs)
    fitness = as_fitness(pairs)
    left, right = np.divmod(np.arange(n * n), n)
    better = fitness.take(left).better(fitness.take(right))
    not_worse = fitness.take(left).not_worse(fitness.take(right))
    for k in range(n * n):
        one, other = pairs[left[k]], pairs[right[k]]
        assert better[k] == deb_better(one, other)
        assert not_worse[k] == (not deb_better(other, one))


@given(candidates)
def test_order_is_best_first_and_stable(pairs):
    fitness = as_fitness(pairs)
    order = fitness.order()
    assert sorted(order) == list(range(len(pairs)))
    before, after = fitness.take(order[:-1]), fitness.take(order[1:])
    assert before.not_worse(after).all()
    tied = ~before.better(after)
    assert (order[:-1] < order[1:])[tied].all()


@given(candidates)
def test_feasible_come_first_and_broken_last(pairs):
    fitness = as_fitness(pairs)
    rank = np.where(fitness.valid, np.where(fitness.feasible, 0, 1), 2)
    assert (np.diff(rank[fitness.order()]) >= 0).all()


def test_a_broken_candidate_is_infinite_in_both():
    fitness = Fitness(np.array([np.nan, -np.inf, 1.0]), np.array([0.0, 0.0, np.nan]))
    assert np.isinf(fitness.objective).all() and (fitness.objective > 0).all()
    assert np.isinf(fitness.violation).all()
    assert not fitness.valid.any() and not fitness.feasible.any()


def test_where_chooses_by_place():
    one = Fitness(np.array([1.0, 2.0]), np.array([0.0, 0.1]))
    other = Fitness(np.array([3.0, 4.0]), np.array([0.2, 0.3]))
    mixed = Fitness.where(np.array([True, False]), one, other)
    assert mixed.objective.tolist() == [1.0, 4.0]
    assert mixed.violation.tolist() == [0.0, 0.3]


def test_a_fitness_cannot_be_changed_from_outside():
    objective = np.array([1.0, 2.0])
    fitness = Fitness.unconstrained(objective)
    objective[0] = -1
    assert fitness.objective[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        fitness.objective[0] = -1


def test_wrong_arrays_are_refused():
    with pytest.raises(ValueError, match="at least 0"):
        Fitness(np.zeros(2), np.array([0.0, -0.1]))
    with pytest.raises((ValueError, TypeCheckError)):
        Fitness(np.zeros(2), np.zeros(3))
