"""What L-SHADE learns while it searches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_problems import (
    first_population,
    generations,
    minimum,
    rastrigin,
    rosenbrock,
    sphere,
    started,
)

from acculturate.errors import UsageError
from acculturate.search import LSHADE, DifferentialEvolution, Fitness
from acculturate.search.success_history import (
    TERMINAL,
    Archive,
    Memory,
    lehmer_mean,
    success_weights,
    terminal_lehmer_mean,
)


def test_memory_moves_with_success():
    optimizer = started("l-shade")
    for _ in generations(optimizer, sphere, 1):
        pass
    assert np.all(optimizer.state()["memory"] == 0.5)
    for generation, _ in enumerate(generations(optimizer, sphere, 5), start=1):
        state = optimizer.state()
        assert int(state["memory_next"]) == generation % state["memory"].shape[1]
    assert np.all(state["memory"][0, :5] != 0.5)


def test_a_tie_is_no_success():
    optimizer = started("l-shade")
    for _ in generations(optimizer, lambda x: np.ones(len(x)), 5):
        state = optimizer.state()
        assert np.all(state["memory"] == 0.5)
        assert len(state["archive"]) == 0


def test_memory_learns_the_crossover_rate_that_works():
    """One entry alone matters at a time on a separable function; all of them on a rotated one."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    scales = 10.0 ** np.linspace(0, 4, 10)
    learned = []
    for turn in (np.eye(10), rotation):
        rates = []
        for seed in range(3):
            optimizer = LSHADE(30 * 81, 30, smallest=30, memory=10)
            start = np.random.default_rng(seed).uniform(-5, 5, (30, 10))
            optimizer.start(start, np.random.default_rng(seed))
            for _ in generations(optimizer, lambda x, t=turn: ((x @ t) ** 2) @ scales, 80):
                pass
            rates.append(optimizer.state()["memory"][1].mean())
        learned.append(np.median(rates))
    assert learned[0] + 0.1 < learned[1]


def test_weighted_means_are_the_papers():
    weights, values = np.array([0.25, 0.75]), np.array([0.2, 0.6])
    assert lehmer_mean(weights, values) == pytest.approx((0.01 + 0.27) / (0.05 + 0.45))
    assert terminal_lehmer_mean(weights, values) == lehmer_mean(weights, values)
    assert terminal_lehmer_mean(weights, np.zeros(2)) == TERMINAL


def test_the_terminal_value_stays_and_means_no_crossover():
    memory = Memory(1)
    one = np.array([1.0])
    memory.record(np.array([[0.7], [0.0]]), one)
    assert memory.means[:, 0] == pytest.approx([0.7, TERMINAL])
    memory.record(np.array([[0.9], [0.8]]), one)
    assert memory.means[:, 0] == pytest.approx([0.9, TERMINAL])
    assert np.all(memory.draw(50, np.random.default_rng(0))[1] == 0)


def test_drawn_settings_are_in_range():
    F, CR = Memory(5).draw(4000, np.random.default_rng(0))
    assert F.min() > 0 and F.max() == 1
    assert CR.min() >= 0 and CR.max() <= 1
    assert np.median(F) == pytest.approx(0.5, abs=0.02)
    assert CR.mean() == pytest.approx(0.5, abs=0.02)


def test_unlimited_weights_are_shares_of_the_gain_in_objective():
    parents = Fitness.unconstrained(np.array([5.0, 5.0, 5.0, 5.0]))
    trials = Fitness.unconstrained(np.array([4.0, 2.0, 5.0, 6.0]))
    weights = success_weights(trials, parents, trials.better(parents))
    assert weights == pytest.approx([0.25, 0.75])


pairs = st.tuples(
    st.sampled_from([0.0, 1.0, 1e-300, 1e300, np.inf]), st.sampled_from([0.0, 0.1, 4.0])
)


@given(st.lists(st.tuples(pairs, pairs), min_size=1, max_size=8))
def test_weights_are_positive_shares_whatever_the_limit(candidates):
    trials, parents = (Fitness(*np.array([pair[side] for pair in candidates]).T) for side in (0, 1))
    success = trials.better(parents)
    weights = success_weights(trials, parents, success)
    assert len(weights) == success.sum()
    if success.any():
        assert np.all(weights >= 0)
        assert weights.sum() == pytest.approx(1)


def test_archive_keeps_the_beaten_and_no_more_than_it_holds():
    rng = np.random.default_rng(0)
    archive = Archive(4)
    archive.add(np.arange(6.0).reshape(3, 2), rng)
    assert len(archive) == 3
    newest = np.full((2, 2), 9.0)
    archive.add(newest, rng)
    assert len(archive) == 4
    assert any(np.array_equal(archive[place], newest[0]) for place in range(4))
    archive.shrink(2, rng)
    assert len(archive) == 2
    archive.shrink(0, rng)
    archive.add(newest, rng)
    assert len(archive) == 0


def test_archive_fills_with_parents_that_lost():
    optimizer = LSHADE(600, 12, smallest=12, archive=1.0)
    optimizer.start(first_population(optimizer, 5), np.random.default_rng(0))
    seen: list[bytes] = []
    for asked in generations(optimizer, sphere, 8):
        seen += [vector.tobytes() for vector in asked]
        state = optimizer.state()
        living = {vector.tobytes() for vector in state["population"]}
        for vector in state["archive"]:
            assert vector.tobytes() in seen
            assert vector.tobytes() not in living
    assert len(state["archive"]) == 12


def test_l_shade_shrinks_linearly_to_its_smallest():
    budget, first, smallest = 600, 30, 5
    optimizer = LSHADE(budget, first, smallest)
    rng = np.random.default_rng(0)
    optimizer.start(rng.normal(size=(first, 4)), rng)
    spent = 0
    sizes = []
    while spent < budget:
        asked = optimizer.ask()
        assert len(asked) == optimizer.population_size
        spent += len(asked)
        optimizer.tell(Fitness.unconstrained(rastrigin(asked)))
        sizes.append(optimizer.population_size)
        wanted = first + (smallest - first) * min(spent / budget, 1)
        assert abs(optimizer.population_size - wanted) <= 0.5
        assert len(optimizer.state()["archive"]) <= round(2.6 * optimizer.population_size)
    assert sizes[-1] == smallest
    assert sorted(sizes, reverse=True) == sizes


def test_l_shade_drops_the_worst():
    optimizer = LSHADE(40, population=20)
    rng = np.random.default_rng(0)
    optimizer.start(rng.normal(size=(20, 4)), rng)
    (asked,) = generations(optimizer, sphere, 1)
    kept = optimizer.parents()
    assert kept is not None and len(kept) == 12
    assert np.array_equal(np.sort(kept.objective), np.sort(sphere(asked))[:12])


@pytest.mark.parametrize(
    ("make", "function", "least_orders"),
    [
        (lambda budget: LSHADE(budget, 60), rosenbrock, 1.5),
        (lambda budget: LSHADE(budget, 60), rastrigin, 2),
    ],
)
def test_gets_further_than_plain_de_at_the_same_budget(make, function, least_orders):
    """Median over 5 seeds, in orders of magnitude of the objective."""
    budget, seeds = 4000, range(5)
    adaptive = [minimum(make(budget), function, 5, budget, seed) for seed in seeds]
    plain = [
        minimum(DifferentialEvolution(30, "rand/1"), function, 5, budget, seed) for seed in seeds
    ]
    assert np.log10(np.median(plain) / np.median(adaptive)) > least_orders


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: LSHADE(10, 20), "budget of 10"),
        (lambda: LSHADE(100, 20, smallest=3), "smallest 3"),
        (lambda: LSHADE(100, 4, smallest=5), "population 4"),
        (lambda: LSHADE(100, p=1.5), "p 1.5"),
        (lambda: LSHADE(100, archive=-1.0), "archive -1.0"),
        (lambda: LSHADE(100, memory=0), "memory 0"),
    ],
)
def test_settings_out_of_range_are_named_with_a_next_step(make, named):
    with pytest.raises(UsageError, match=named) as error:
        make()
    assert error.value.hint
