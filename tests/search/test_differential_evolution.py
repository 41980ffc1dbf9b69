import numpy as np
import pytest
from jaxtyping import TypeCheckError
from scipy.optimize import differential_evolution
from search_problems import generations, minimum, rastrigin, rosenbrock, sphere

from acculturate.errors import UsageError
from acculturate.search import DifferentialEvolution, Fitness

STRATEGIES = ["best/1", "rand/1", "current-to-best/1"]
SCIPY_NAMES = {
    "best/1": "best1bin",
    "rand/1": "rand1bin",
    "current-to-best/1": "currenttobest1bin",
}


def scipy_minimum(strategy, function, entries, population, generations, seed):
    rng = np.random.default_rng([seed, 3])
    return differential_evolution(
        lambda x: function(x.T),
        [(-5.0, 5.0)] * entries,
        strategy=SCIPY_NAMES[strategy],
        init=np.random.default_rng([seed, 1]).uniform(-5, 5, (population, entries)),
        mutation=0.5,
        recombination=0.9,
        maxiter=generations,
        tol=0,
        atol=0,
        polish=False,
        updating="deferred",
        vectorized=True,
        rng=rng,
    ).fun


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("function", "entries", "population", "count"),
    [(sphere, 10, 30, 100), (rosenbrock, 5, 40, 120), (rastrigin, 5, 50, 80)],
)
def test_reaches_what_scipy_reaches(strategy, function, entries, population, count):
    """Medians over 15 seeds from the same first populations, within a factor of 4 either way.

    The spread between seeds is about a factor of 10 on the sphere and of 100 on Rosenbrock.
    """
    seeds = range(15)
    ours = [
        minimum(
            DifferentialEvolution(population, strategy, F=0.5, CR=0.9, bounds=(-5.0, 5.0)),
            function,
            entries,
            population * (count + 1),
            seed,
        )
        for seed in seeds
    ]
    theirs = [scipy_minimum(strategy, function, entries, population, count, seed) for seed in seeds]
    assert 1 / 4 < np.median(ours) / np.median(theirs) < 4


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_mutants_are_the_papers_equation(strategy):
    """With CR = 1 a trial is a mutant, so its donors can be found by trying them all."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(6, 4))
    objective = sphere(x)
    best = int(objective.argmin())
    optimizer = DifferentialEvolution(6, strategy, F=0.7, CR=1.0)
    optimizer.start(x, np.random.default_rng(0))
    optimizer.tell(Fitness.unconstrained(objective))
    places = range(6)
    for i, u in enumerate(optimizer.ask()):
        donors = [
            (a, b, c)
            for a in places
            for b in places
            for c in places
            if len({i, a, b, c}) == 4
            and np.allclose(
                u,
                {
                    "rand/1": x[a] + 0.7 * (x[b] - x[c]),
                    "best/1": x[best] + 0.7 * (x[a] - x[b]),
                    "current-to-best/1": x[i] + 0.7 * (x[best] - x[i]) + 0.7 * (x[a] - x[b]),
                }[strategy],
            )
        ]
        assert donors


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_with_cr_1_the_search_stays_in_the_affine_hull_of_its_start(strategy):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(6, 20))
    optimizer = DifferentialEvolution(6, strategy, CR=1.0)
    optimizer.start(x, rng)
    basis = np.linalg.qr((x[1:] - x[0]).T)[0]
    for asked in generations(optimizer, sphere, 15):
        offset = asked - x[0]
        assert np.abs(offset - offset @ basis @ basis.T).max() < 1e-9
    # and with CR < 1 it leaves it
    optimizer = DifferentialEvolution(6, strategy, CR=0.5)
    optimizer.start(x, rng)
    *_, asked = generations(optimizer, sphere, 2)
    offset = asked - x[0]
    assert np.abs(offset - offset @ basis @ basis.T).max() > 0.1


def test_crossover_takes_the_share_cr_and_at_least_one_entry():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 500))
    for CR, low, high in ((0.0, 1, 1), (0.3, 100, 200), (0.9, 420, 480), (1.0, 500, 500)):
        optimizer = DifferentialEvolution(40, "rand/1", CR=CR)
        optimizer.start(x, rng)
        optimizer.tell(Fitness.unconstrained(sphere(x)))
        changed = (optimizer.ask() != x).sum(axis=1)
        assert low <= changed.min() and changed.max() <= high


def test_dither_draws_a_scale_for_every_trial():
    rng = np.random.default_rng(4)
    x = np.zeros((8, 3))
    x[0] = 1.0
    optimizer = DifferentialEvolution(8, "best/1", F=(0.3, 0.8), CR=1.0)
    optimizer.start(x, rng)
    optimizer.tell(Fitness.unconstrained(np.r_[0.0, np.ones(7)]))
    scales = np.abs(optimizer.ask()[:, 0] - 1)
    used = scales[scales > 0]
    assert len(np.unique(used)) == len(used) >= 1
    assert used.min() >= 0.3 and used.max() <= 0.8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_hold_for_every_candidate(dtype):
    bounds = (-0.7, 0.3)
    rng = np.random.default_rng(1)
    optimizer = DifferentialEvolution(20, "rand/1", F=1.5, bounds=bounds)
    optimizer.start(rng.uniform(*bounds, (20, 6)).astype(dtype), rng)
    for asked in generations(optimizer, lambda x: -x.sum(axis=1), 40):
        assert asked.min() >= dtype(bounds[0]) and asked.max() <= dtype(bounds[1])
    assert optimizer.best.vector == pytest.approx(np.full(6, 0.3), abs=0.1)


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"population": 3}, "population 3"),
        ({"F": 0.0}, "F 0"),
        ({"F": (0.9, 0.4)}, "F 0.4"),
        ({"F": float("nan")}, "F nan"),
        ({"F": 10**400}, "F 1000"),
        ({"F": (1,)}, "F"),
        ({"CR": 1.1}, "CR 1.1"),
        ({"bounds": (1.0, -1.0)}, "bounds"),
        ({"bounds": (0.0, float("inf"))}, "bounds"),
    ],
)
def test_settings_out_of_range_are_named_with_a_next_step(settings, named):
    with pytest.raises(UsageError, match=named) as error:
        DifferentialEvolution(**settings)
    assert error.value.hint


def test_an_unknown_strategy_is_refused():
    with pytest.raises((UsageError, TypeCheckError), match="best/2"):
        DifferentialEvolution(strategy="best/2")


def test_a_start_past_the_bounds_is_refused():
    optimizer = DifferentialEvolution(4, bounds=(-1.0, 1.0))
    with pytest.raises(UsageError, match="from -3 to 3") as error:
        optimizer.start(np.array([[3.0], [-3.0], [0.0], [1.0]]), np.random.default_rng(0))
    assert error.value.hint
