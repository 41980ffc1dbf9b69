import numpy as np
import pytest
from search_problems import first_population, generations, rastrigin, sphere, started

from acculturate.errors import UsageError
from acculturate.search import CMAES, Fitness, SepCMAES

both = pytest.mark.parametrize("name", ["cma-es", "sep-cma-es"])


def covariance(state):
    if "variances" in state:
        return np.diag(state["variances"])
    return state["axes"] * state["lengths"] ** 2 @ state["axes"].T


@both
def test_the_first_population_gives_the_first_mean_and_step_and_is_the_first_update(name):
    optimizer = started(name)
    (x,) = generations(optimizer, sphere, 1)
    state = optimizer.state()
    mu = len(x) // 2
    top = mu + 1 if name == "sep-cma-es" else (len(x) + 1) / 2
    weights = np.log(top) - np.log(np.arange(1, mu + 1))
    chosen = x[sphere(x).argsort()[:mu]]
    assert state["mean"] == pytest.approx(weights @ chosen / weights.sum())
    assert float(state["sigma"]) == pytest.approx(x.std(axis=0, ddof=1).mean(), rel=0.5)


@both
def test_mean_and_step_and_covariance_move_with_every_generation(name):
    optimizer = started(name)
    before = None
    for _ in generations(optimizer, sphere, 25):
        state = optimizer.state()
        if before is not None:
            assert not np.any(state["mean"] == before["mean"])
            assert state["sigma"] != before["sigma"]
            assert not np.allclose(covariance(state), covariance(before))
        before = state
    assert state["sigma"] < 0.5
    assert np.abs(state["mean"]).max() < 0.5


@both
def test_candidates_are_drawn_with_the_saved_mean_and_covariance(name):
    optimizer = {"cma-es": CMAES, "sep-cma-es": SepCMAES}[name](4000)
    optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    drawn = list(generations(optimizer, lambda x: sphere(x * [1, 3, 10]), 3))[-1]
    optimizer = {"cma-es": CMAES, "sep-cma-es": SepCMAES}[name](4000)
    optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    for _ in generations(optimizer, lambda x: sphere(x * [1, 3, 10]), 2):
        state = optimizer.state()
    spread = state["sigma"] ** 2 * covariance(state)
    assert drawn.mean(axis=0) == pytest.approx(state["mean"], abs=0.1)
    assert np.cov(drawn.T) == pytest.approx(spread, rel=0.1, abs=0.05 * spread.max())


@both
def test_only_the_order_of_the_losses_counts(name):
    one, other = started(name), started(name)
    for _ in range(8):
        x = one.ask()
        assert np.array_equal(x, other.ask())
        one.tell(Fitness.unconstrained(rastrigin(x)))
        other.tell(Fitness.unconstrained(np.log(rastrigin(x)) * 1e6))


@both
def test_feasible_comes_before_any_objective(name):
    one, other = started(name), started(name)
    x = one.ask()
    violation = np.maximum(x[:, 0], 0)
    one.tell(Fitness(sphere(x), violation))
    other.tell(Fitness.unconstrained(np.where(violation > 0, 1e6 + violation, sphere(x))))
    assert np.array_equal(one.ask(), other.ask())


@both
def test_a_generation_without_a_finite_fitness_teaches_nothing(name):
    optimizer = started(name)
    for _ in generations(optimizer, sphere, 3):
        pass
    before = optimizer.state()
    x = optimizer.ask()
    optimizer.tell(Fitness.unconstrained(np.full(len(x), np.nan)))
    after = optimizer.state()
    for part in ("mean", "sigma", "g", "p_sigma", "pc"):
        assert np.array_equal(before[part], after[part])
    assert not np.array_equal(x, optimizer.ask())


def test_the_diagonal_learns_the_scale_of_each_entry():
    optimizer = started("sep-cma-es", entries=4)
    scales = np.array([1.0, 10.0, 100.0, 1000.0])
    for _ in generations(optimizer, lambda x: x**2 @ scales, 120):
        pass
    variances = optimizer.state()["variances"]
    assert np.all(np.diff(variances) < 0)
    assert variances[0] / variances[3] == pytest.approx(1000, rel=0.9)


def test_the_whole_covariance_learns_a_rotated_valley_that_the_diagonal_cannot():
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    scales = 10.0 ** np.linspace(0, 5, 6)
    reached = {}
    for name in ("cma-es", "sep-cma-es"):
        optimizer = started(name, entries=6)
        for _ in generations(optimizer, lambda x: (x @ rotation) ** 2 @ scales, 150):
            pass
        reached[name] = optimizer.best.objective
    assert reached["cma-es"] < 1e-3 * reached["sep-cma-es"]


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_search_that_diverges_stays_finite(name, dtype):
    optimizer = {"cma-es": CMAES, "sep-cma-es": SepCMAES}[name](12)
    optimizer.start(first_population(optimizer, 3).astype(dtype), np.random.default_rng(0))
    for x in generations(optimizer, lambda x: -x.astype(np.float64).sum(axis=1), 400):
        assert np.isfinite(x).all()
    assert optimizer.best.objective < -1e29


@both
def test_a_search_that_has_converged_stays_finite(name):
    optimizer = started(name, entries=2)
    for x in generations(optimizer, sphere, 1500):
        assert np.isfinite(x).all()
    assert optimizer.best.objective < 1e-150


def test_a_large_population_in_two_dimensions_keeps_variances_positive():
    optimizer = SepCMAES(200)
    optimizer.start(first_population(optimizer, 2), np.random.default_rng(0))
    for _ in generations(optimizer, rastrigin, 40):
        assert optimizer.state()["variances"].min() > 0
    assert optimizer.best.objective < 1e-6


def test_too_wide_a_space_is_refused_with_the_one_to_use():
    optimizer = CMAES(4)
    start = np.random.default_rng(0).normal(size=(4, 1001))
    with pytest.raises(UsageError, match="1001 entries") as error:
        optimizer.start(start, np.random.default_rng(0))
    assert error.value.hint and "sep-cma-es" in error.value.hint


@both
def test_a_start_without_a_spread_is_refused(name):
    optimizer = {"cma-es": CMAES, "sep-cma-es": SepCMAES}[name](4)
    with pytest.raises(UsageError, match="4 times the same vector") as error:
        optimizer.start(np.ones((4, 3)), np.random.default_rng(0))
    assert error.value.hint


def test_other_starts_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="population 3") as error:
        CMAES(3)
    assert error.value.hint
    with pytest.raises(UsageError, match="at least 2 entries") as error:
        SepCMAES(4).start(np.arange(4.0)[:, None], np.random.default_rng(0))
    assert error.value.hint
