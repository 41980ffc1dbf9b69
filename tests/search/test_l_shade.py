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

TERMINAL = -1.0  # in the memory of CR: it is 0 from then on


def begun(size=8, **settings):
    """A search of large budget whose first population was told that it is worth 5, all of it."""
    optimizer = LSHADE(10**6, size, smallest=size, **settings)
    optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    optimizer.tell(Fitness.unconstrained(np.full(size, 5.0)))
    return optimizer


def tell_better(optimizer):
    """All trials beat their parents by 1."""
    parents = optimizer.parents()
    optimizer.ask()
    optimizer.tell(Fitness.unconstrained(parents.objective - 1))


def test_memory_moves_with_success():
    optimizer = started("l-shade")
    for _ in generations(optimizer, sphere, 1):
        pass
    assert np.all(optimizer.state()["memory"] == 0.5)
    for generation, _ in enumerate(generations(optimizer, sphere, 5), start=1):
        state = optimizer.state()
        assert int(state["successes"]) == generation
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


def test_the_memory_is_the_papers_weighted_means():
    optimizer = LSHADE(600, 20, smallest=8)
    optimizer.start(first_population(optimizer, 4), np.random.default_rng(0))
    for _ in generations(optimizer, sphere, 1):
        pass
    changed = 0
    for _ in range(20):
        parents, asked = optimizer.parents(), optimizer.ask()
        before = optimizer.state()
        gains = parents.objective - sphere(asked)
        optimizer.tell(Fitness.unconstrained(sphere(asked)))
        after, expected = optimizer.state(), before["memory"].copy()
        if (won := gains > 0).any():
            weights, k = gains[won] / gains[won].sum(), int(before["successes"]) % 6
            for row, settings in zip(expected, before["trial_settings"][:, won], strict=True):
                row[k] = (weights * settings**2).sum() / (weights * settings).sum()
            changed += 1
        assert after["memory"] == pytest.approx(expected)
        assert int(after["successes"]) == changed
    assert changed > 6


def test_the_terminal_value_stays_and_means_no_crossover():
    optimizer = begun(memory=1)
    optimizer.ask()
    state = optimizer.state()
    state["trial_settings"][1] = 0.0
    optimizer = LSHADE(10**6, 8, smallest=8, memory=1)
    optimizer.restore(state)
    tell_better(optimizer)
    M_F, M_CR = optimizer.state()["memory"][:, 0]
    assert M_CR == TERMINAL
    optimizer.ask()
    state = optimizer.state()
    assert np.all(state["trial_settings"][1] == 0)
    state["trial_settings"][1] = 0.8
    optimizer = LSHADE(10**6, 8, smallest=8, memory=1)
    optimizer.restore(state)
    tell_better(optimizer)
    assert optimizer.state()["memory"][1, 0] == TERMINAL
    assert optimizer.state()["memory"][0, 0] != M_F


def test_drawn_settings_are_in_range():
    optimizer = begun(4000)
    optimizer.ask()
    F, CR = optimizer.state()["trial_settings"]
    assert F.min() > 0 and F.max() == 1
    assert CR.min() >= 0 and CR.max() <= 1
    assert np.median(F) == pytest.approx(0.5, abs=0.02)
    assert CR.mean() == pytest.approx(0.5, abs=0.02)


pairs = st.tuples(
    st.sampled_from([0.0, 1.0, 1e-300, 1e300, np.inf]), st.sampled_from([0.0, 0.1, 4.0])
)


@given(st.lists(st.tuples(pairs, pairs), min_size=4, max_size=8))
def test_means_lie_between_the_settings_that_succeeded_whatever_the_limit(candidates):
    trials, parents = (Fitness(*np.array([pair[side] for pair in candidates]).T) for side in (0, 1))
    success = trials.better(parents)
    size = len(candidates)
    optimizer = LSHADE(10**6, size, smallest=size)
    optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    optimizer.tell(parents)
    optimizer.ask()
    settings = optimizer.state()["trial_settings"][:, success]
    optimizer.tell(trials)
    means = optimizer.state()["memory"][:, 0]
    if success.any():
        assert np.all(means >= settings.min(axis=1) - 1e-12)
        assert np.all(means <= settings.max(axis=1) + 1e-12)
    else:
        assert np.all(means == 0.5)


@pytest.mark.parametrize(("share", "capacity"), [(0.0, 0), (0.5, 4), (1.5, 12)])
def test_the_archive_keeps_the_beaten_and_no_more_than_it_holds(share, capacity):
    optimizer = begun(archive=share)
    beaten = []
    for generation in range(1, 5):
        beaten += [row.tobytes() for row in optimizer.state()["parents_population"]]
        tell_better(optimizer)
        archive = optimizer.state()["archive"]
        assert len(archive) == min(capacity, 8 * generation)
        assert all(row.tobytes() in beaten for row in archive)
    newest = beaten[-8:]
    assert not capacity or any(row.tobytes() in newest for row in archive)


def test_archive_fills_with_parents_that_lost():
    optimizer = LSHADE(600, 12, smallest=12, archive=1.0)
    optimizer.start(first_population(optimizer, 5), np.random.default_rng(0))
    seen: list[bytes] = []
    for asked in generations(optimizer, sphere, 8):
        seen += [vector.tobytes() for vector in asked]
        state = optimizer.state()
        living = {vector.tobytes() for vector in state["parents_population"]}
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
    assert len(kept) == 12
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
