import numpy as np
import pytest
from search_problems import sphere

from acculturate.errors import UsageError
from acculturate.search import DifferentialEvolution, Fitness, KalmanInversion


class LinearProblem:
    """Few residuals of many entries, as scores are of a soft prompt: `A x - b`."""

    def __init__(self, residuals=4, entries=30):
        rng = np.random.default_rng(9)
        self.A = rng.normal(size=(residuals, entries)) / entries**0.5
        self.b = 3 * rng.normal(size=residuals)

    def residuals(self, x):
        return x @ self.A.T - self.b

    def objective(self, x):
        return np.abs(self.residuals(x)).mean(axis=1)

    def fitness(self, x):
        return Fitness(self.objective(x), np.zeros(len(x)), residuals=self.residuals(x))


def begun(optimizer, entries=30):
    x = np.random.default_rng(1).normal(size=(optimizer.population_size, entries))
    optimizer.start(x, np.random.default_rng(2))
    return optimizer


def test_it_moves_by_the_papers_equation():
    """Candidate by candidate, from covariances: x - h C_xr (C_rr + A)^-1 r."""
    problem = LinearProblem()
    optimizer = begun(KalmanInversion(16, step=0.6, damping=0.2, noise=0))
    x = optimizer.ask()
    optimizer.tell(problem.fitness(x))
    unit = problem.residuals(x).std(axis=0).mean()
    r = problem.residuals(x) / unit
    C = np.cov(np.hstack([x, r]).T)
    C_xr, C_rr = C[:30, 30:], C[30:, 30:]
    gain = C_xr @ np.linalg.inv(C_rr + 0.2 * np.eye(4))
    expected = [one - 0.6 * gain @ its for one, its in zip(x, r, strict=True)]
    np.testing.assert_allclose(optimizer.ask(), expected, rtol=0, atol=1e-10)


def evaluations_to(goal, optimizer, problem, most):
    spent = 0
    while spent < most:
        x = optimizer.ask()
        spent += len(x)
        optimizer.tell(problem.fitness(x))
        if optimizer.best.objective <= goal:
            return spent
    return most


def test_it_solves_a_linear_problem_in_far_fewer_evaluations_than_de():
    problem = LinearProblem(residuals=6, entries=200)
    ours = begun(KalmanInversion(20), 200)
    de = begun(DifferentialEvolution(20), 200)
    assert evaluations_to(0.1, ours, problem, 2000) <= 120
    assert evaluations_to(0.1, de, problem, 500) == 500


def test_without_noise_it_stays_in_the_span_of_the_ensemble():
    problem = LinearProblem()
    optimizer = begun(KalmanInversion(6, noise=0))
    first = optimizer.ask()
    basis, _ = np.linalg.qr((first[1:] - first[0]).T)
    for _ in range(8):
        x = optimizer.ask()
        optimizer.tell(problem.fitness(x))
    outside = (x - first[0]) - (x - first[0]) @ basis @ basis.T
    assert np.abs(outside).max() < 1e-10
    assert np.linalg.norm(x - first) > 1, "a weak test: nothing moves"


def test_noise_leaves_the_span():
    problem = LinearProblem()
    optimizer = begun(KalmanInversion(6, noise=0.1))
    first = optimizer.ask()
    basis, _ = np.linalg.qr((first[1:] - first[0]).T)
    optimizer.tell(problem.fitness(first))
    x = optimizer.ask()
    outside = (x - first[0]) - (x - first[0]) @ basis @ basis.T
    assert outside.std() == pytest.approx(0.1 * first.std(), rel=0.2)


def test_broken_candidates_say_nothing_and_the_rest_go_on():
    problem = LinearProblem()
    optimizer = begun(KalmanInversion(20))
    for generation in range(12):
        x = optimizer.ask()
        assert np.isfinite(x).all()
        objective, residuals = problem.objective(x), problem.residuals(x)
        broken = np.arange(20) % 4 == generation % 4
        objective[broken], residuals[broken] = np.nan, np.nan
        optimizer.tell(Fitness(objective, np.zeros(20), residuals=residuals))
    assert optimizer.best.objective < 0.1


def test_the_best_sound_candidate_stands_in_for_a_broken_one():
    problem = LinearProblem()
    broken = begun(KalmanInversion(8, noise=0))
    x = broken.ask()
    objective, residuals = problem.objective(x), problem.residuals(x)
    best = int(objective.argmin())
    gone = (best + 3) % 8
    residuals[gone] = (
        np.nan
    )  # with a finite objective that is the smallest of all: it still says nothing
    objective[gone] = 0.0
    broken.tell(Fitness(objective, np.zeros(8), residuals=residuals))
    state = broken.state()
    assert np.array_equal(state["x"][gone], x[best])
    others = np.arange(8) != gone
    assert np.array_equal(state["x"][others], x[others])


def test_an_ensemble_of_broken_candidates_alone_stays_where_it_is():
    optimizer = begun(KalmanInversion(8, noise=0))
    x = optimizer.ask()
    nothing = np.full((8, 2), np.nan)
    optimizer.tell(Fitness(np.full(8, np.nan), np.zeros(8), residuals=nothing))
    assert np.array_equal(optimizer.ask(), x)


def test_residuals_without_variance_move_nobody():
    optimizer = begun(KalmanInversion(8, noise=0))
    x = optimizer.ask()
    optimizer.tell(Fitness(np.ones(8), np.zeros(8), residuals=np.ones((8, 3))))
    np.testing.assert_allclose(optimizer.ask(), x, atol=1e-12)


def test_candidates_that_are_all_alike_are_survived():
    optimizer = KalmanInversion(8)
    optimizer.start(np.ones((8, 5)), np.random.default_rng(0))
    for _ in range(5):
        x = optimizer.ask()
        assert np.isfinite(x).all()
        optimizer.tell(Fitness(sphere(x), np.zeros(8), residuals=x))
    assert sphere(x).min() < sphere(np.ones(5))


def test_an_excess_is_led_back_within_the_limit():
    """Of the first entry being at least 1, however far the residuals lead away from there."""
    problem = LinearProblem()
    optimizer = begun(KalmanInversion(20))
    shares = []
    for _ in range(15):
        x = optimizer.ask()
        violation = np.maximum(0, 1 - x[:, 0])
        shares.append((violation == 0).mean())
        optimizer.tell(Fitness(problem.objective(x), violation, residuals=problem.residuals(x)))
    assert shares[0] < 0.4
    assert shares[-1] > shares[0]
    assert optimizer.best.violation == 0
    assert optimizer.best.objective < 0.3


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: KalmanInversion(3), "population 3"),
        (lambda: KalmanInversion(step=0), "step 0"),
        (lambda: KalmanInversion(damping=0), "damping 0"),
        (lambda: KalmanInversion(noise=-0.1), "noise -0.1"),
        (lambda: KalmanInversion(noise=np.nan), "noise nan"),
    ],
)
def test_settings_out_of_range_are_named_with_a_next_step(make, named):
    with pytest.raises(UsageError, match=named) as error:
        make()
    assert error.value.hint
