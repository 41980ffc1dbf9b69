import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_problems import first_population, rastrigin, sphere

from acculturate.errors import FailureError, UsageError
from acculturate.search import GDE3, DifferentialEvolution, Fitness, Frontier
from acculturate.search.dominance import survivors, weakly_dominates

LARGEST_FRONTIER = 100  # as the documentation says

few = st.sampled_from([0.0, 1.0, 2.0, 3.0])
candidates = st.lists(
    st.tuples(few, few, st.sampled_from([0.0, 0.0, 0.5, 1.0])), min_size=1, max_size=12
)


def as_fitness(triples):
    objective, secondary, violation = np.array(triples).T
    return Fitness(objective, violation, secondary=secondary)


def scalar_weakly(one, other):
    """The paper's definition, for a pair of (objective, secondary, violation)."""
    if one[2] > 0 and other[2] > 0:
        return one[2] <= other[2]
    if one[2] == 0 and other[2] == 0:
        return one[0] <= other[0] and one[1] <= other[1]
    return one[2] == 0


def scalar_front(triples):
    return [
        a
        for a in triples
        if not any(scalar_weakly(b, a) and not scalar_weakly(a, b) for b in triples)
    ]


@given(candidates)
def test_weak_dominance_is_the_papers(triples):
    n = len(triples)
    left, right = np.repeat(np.arange(n), n), np.tile(np.arange(n), n)
    fitness = as_fitness(triples)
    found = weakly_dominates(fitness.take(left), fitness.take(right))
    expected = [scalar_weakly(triples[i], triples[j]) for i, j in zip(left, right, strict=True)]
    assert found.tolist() == expected


@given(candidates, st.integers(1, 12))
def test_survivors_are_whole_fronts_before_parts_of_the_next(triples, count):
    kept = survivors(as_fitness(triples), count)
    assert len(kept) == min(count, len(triples))
    assert np.all(np.diff(kept) > 0)
    left = list(range(len(triples)))
    room = len(kept)
    while room > 0:
        best = scalar_front([triples[i] for i in left])
        front = [i for i in left if triples[i] in best]
        chosen = set(front) & set(kept.tolist())
        assert len(chosen) == min(room, len(front))
        room -= len(front)
        left = [i for i in left if i not in front]


@given(candidates)
def test_a_frontier_is_what_nothing_dominates_however_it_came_together(triples):
    within = [t for t in triples if t[2] == 0]
    expected = sorted({t[:2] for t in scalar_front(within)})
    for parts in (1, 3):
        frontier = Frontier(np.empty((0, 1)), np.empty(0), np.empty(0))
        for part in range(parts):
            told = triples[part::parts]
            if told:
                vectors = np.array([[10 * t[0] + t[1]] for t in told])
                frontier = frontier.extended(vectors, as_fitness(told))
        found = list(zip(frontier.objective.tolist(), frontier.secondary.tolist(), strict=True))
        assert found == expected
        assert frontier.vectors[:, 0].tolist() == [
            10 * objective + secondary for objective, secondary in found
        ]


def test_thinning_leaves_the_ends_and_no_holes():
    crowded = np.concatenate([np.linspace(0, 0.05, 160), np.linspace(0.1, 1, 91)])
    fitness = Fitness(crowded, np.zeros(251), secondary=1 - crowded)
    empty = Frontier(np.empty((0, 1)), np.empty(0), np.empty(0))
    kept = empty.extended(crowded[:, None], fitness)
    assert len(kept) == LARGEST_FRONTIER
    assert kept.objective[0] == 0 and kept.objective[-1] == 1
    assert np.diff(kept.objective).max() < 0.06
    assert np.array_equal(crowded[survivors(fitness, LARGEST_FRONTIER)], kept.objective)


def run(optimizer, objectives, start, budget, seed=0):
    """Spends the budget and gives all that was told: vectors, objective, secondary."""
    optimizer.start(start, np.random.default_rng(seed))
    seen = []
    for _ in range(budget // optimizer.population_size):
        x = optimizer.ask()
        objective, secondary = objectives(x)
        optimizer.tell(Fitness(objective, np.zeros(len(x)), secondary=secondary))
        seen.append((x, objective, secondary))
    return tuple(np.concatenate(part) for part in zip(*seen, strict=True))


def two_bowls(x):
    """Squared distances to two points 2 apart: sqrt(objective) + sqrt(secondary) = 2 on the front."""
    return sphere(x - np.eye(x.shape[1])[0]), sphere(x + np.eye(x.shape[1])[0])


def zdt1(x):
    """Zitzler, Deb & Thiele (2000); secondary = 1 - sqrt(objective) on the front."""
    g = 1 + 9 * x[:, 1:].mean(axis=1)
    return x[:, 0].copy(), g * (1 - np.sqrt(x[:, 0] / g))


def hypervolume(frontier, corner):
    """Area that the frontier dominates below and left of (corner, corner)."""
    edges = np.minimum(np.append(frontier.objective, corner), corner)
    heights = corner - np.minimum(frontier.secondary, corner)
    return float(np.diff(edges) @ heights)


def test_the_frontier_is_that_of_all_candidates_told():
    optimizer = GDE3(12)
    x, objective, secondary = run(optimizer, two_bowls, first_population(optimizer, 6), 360)
    frontier = optimizer.frontier()
    best = sorted(scalar_front([(a, b, 0.0) for a, b in zip(objective, secondary, strict=True)]))
    assert 5 < len(frontier) < LARGEST_FRONTIER
    assert [tuple(t[:2]) for t in best] == list(
        zip(frontier.objective, frontier.secondary, strict=True)
    )
    for vector, a in zip(frontier.vectors, frontier.objective, strict=True):
        assert np.array_equal(vector, x[np.flatnonzero(objective == a)[0]])
    frontier.vectors[:] = np.nan  # a copy
    assert np.isfinite(optimizer.frontier().vectors).all()


def test_reaches_the_front_of_two_bowls():
    """Median over 5 seeds of the mean of sqrt(objective) + sqrt(secondary), which is 2 on the front."""
    means = []
    for seed in range(5):
        optimizer = GDE3(20)
        run(optimizer, two_bowls, first_population(optimizer, 5, seed), 1000, seed)
        frontier = optimizer.frontier()
        assert frontier.objective.min() < 0.5 and frontier.secondary.min() < 0.5
        means.append((np.sqrt(frontier.objective) + np.sqrt(frontier.secondary)).mean())
    assert 2 <= np.median(means) < 2.06


def test_reaches_the_front_of_zdt1():
    """The whole front has a hypervolume of 0.8767 below (1.1, 1.1); the start has none."""
    volumes = []
    for seed in range(3):
        optimizer = GDE3(20, F=0.5, CR=0.3, bounds=(0.0, 1.0))
        start = np.random.default_rng(seed).uniform(size=(20, 10))
        run(optimizer, zdt1, start, 3000, seed)
        frontier = optimizer.frontier()
        volumes.append(hypervolume(frontier, 1.1))
        assert np.diff(frontier.objective).max() < 0.1
    assert 0.86 < np.median(volumes) < 0.8767


def test_what_neither_dominates_both_stay():
    optimizer = GDE3(4, CR=1.0)
    optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    parents = optimizer.ask()
    optimizer.tell(Fitness(np.full(4, 5.0), np.zeros(4), secondary=np.full(4, 5.0)))
    trials = optimizer.ask()
    # one wins, one loses, one is beside its parent, one ties
    objective, secondary = np.array([4.0, 6.0, 4.0, 5.0]), np.array([4.5, 5.0, 6.0, 5.0])
    optimizer.tell(Fitness(objective, np.zeros(4), secondary=secondary))
    kept = optimizer.state()["parents_population"]
    pool = {"won": trials[0], "lost": trials[1], "beside": trials[2], "tied": trials[3]}
    there = {name for name, x in pool.items() if any(np.array_equal(x, k) for k in kept)}
    assert {"won", "beside"} <= there and "lost" not in there
    assert not any(np.array_equal(parents[k], x) for k in (0, 3) for x in kept)
    assert len(kept) == 4


def test_with_one_price_for_all_it_is_plain_differential_evolution():
    one, other = GDE3(12, F=0.6, CR=0.8), DifferentialEvolution(12, "rand/1", F=0.6, CR=0.8)
    for optimizer in (one, other):
        optimizer.start(first_population(optimizer, 5), np.random.default_rng(1))
    for generation in range(15):
        x = one.ask()
        assert np.array_equal(x, other.ask())
        violation = np.maximum(2 - x[:, 0], 0) if generation > 3 else np.zeros(12)
        one.tell(Fitness(rastrigin(x), violation, secondary=np.ones(12)))
        other.tell(Fitness(rastrigin(x) * (violation == 0), violation))


def test_no_candidate_past_the_limit_is_on_the_frontier():
    optimizer = GDE3(12)
    optimizer.start(first_population(optimizer, 4), np.random.default_rng(0))
    for _ in range(25):
        x = optimizer.ask()
        objective, secondary = two_bowls(x)
        optimizer.tell(Fitness(objective, np.maximum(secondary - 8, 0), secondary=secondary))
        frontier = optimizer.frontier()
        assert np.all(frontier.secondary <= 8)
    assert len(frontier) > 3
    assert np.all(two_bowls(optimizer.state()["parents_population"])[1] <= 8)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_price_is_a_broken_candidate(broken):
    optimizer = GDE3(12)
    optimizer.start(first_population(optimizer, 4), np.random.default_rng(0))
    for generation in range(10):
        x = optimizer.ask()
        secondary = sphere(x - 1)
        secondary[generation % 3 :: 3] = broken
        optimizer.tell(Fitness(sphere(x), np.zeros(12), secondary=secondary))
        assert np.isfinite(optimizer.frontier().secondary).all()
    assert np.isfinite(optimizer.state()["parents_fitness_secondary"]).all()


def test_the_frontier_is_resumed_bit_for_bit():
    whole = GDE3(12)
    run(whole, two_bowls, first_population(whole, 4), 12 * 14)
    for stop in range(1, 14):
        interrupted, resumed = GDE3(12), GDE3(12)
        run(interrupted, two_bowls, first_population(interrupted, 4), 12 * stop)
        if stop % 2:
            interrupted.ask()
        resumed.restore(interrupted.state())
        for _ in range(14 - stop):
            x = resumed.ask()
            objective, secondary = two_bowls(x)
            resumed.tell(Fitness(objective, np.zeros(12), secondary=secondary))
        for part in ("vectors", "objective", "secondary"):
            here, there = getattr(whole.frontier(), part), getattr(resumed.frontier(), part)
            assert here.tobytes() == there.tobytes()


def test_a_frontier_longer_than_it_can_be_is_a_damaged_state():
    optimizer = GDE3(12)
    run(optimizer, two_bowls, first_population(optimizer, 4), 24)
    long = {
        "frontier_vectors": np.zeros((LARGEST_FRONTIER + 1, 4)),
        "frontier_objective": np.zeros(LARGEST_FRONTIER + 1),
        "frontier_secondary": np.zeros(LARGEST_FRONTIER + 1),
    }
    with pytest.raises(FailureError, match="more than 100"):
        GDE3(12).restore(optimizer.state() | long)


def test_a_fitness_without_a_price_is_refused_and_the_candidates_wait():
    optimizer = GDE3(4)
    optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    with pytest.raises(ValueError, match="secondary"):
        optimizer.tell(Fitness.unconstrained(np.zeros(4)))
    assert len(optimizer.ask()) == 4


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"population": 3}, "population 3"),
        ({"F": 0.0}, "F 0"),
        ({"CR": 1.1}, "CR 1.1"),
        ({"bounds": (1.0, -1.0)}, "bounds"),
    ],
)
def test_settings_out_of_range_are_named_with_a_next_step(settings, named):
    with pytest.raises(UsageError, match=named) as error:
        GDE3(**settings)
    assert error.value.hint
