import numpy as np
import pytest
from search_problems import first_population, rastrigin, sphere, told

from acculturate.errors import UsageError
from acculturate.search import Adam, DifferentialEvolution, Hybrid


def begun(optimizer, entries=4):
    optimizer.start(first_population(optimizer, entries), np.random.default_rng(5))
    return optimizer


def step(optimizer, function=sphere):
    asked = optimizer.ask()
    optimizer.tell(told(optimizer, asked, function(asked), function=function))
    return asked


@pytest.mark.parametrize(
    ("budget", "share", "population", "steps"),
    [(120, 0.5, 20, 20), (100, 0.25, 8, 8), (40, 0.01, 10, 1), (100, 0.9, 10, 30)],
)
def test_it_switches_when_the_share_is_used(budget, share, population, steps):
    optimizer = begun(Hybrid(budget, population, share=share))
    spent, costs = 0, []
    while spent + optimizer.population_size * optimizer.evaluations_per_candidate <= budget:
        spent += optimizer.population_size * optimizer.evaluations_per_candidate
        costs.append((optimizer.population_size, optimizer.evaluations_per_candidate))
        step(optimizer)
    assert costs == [(1, 3)] * steps + [(population, 1)] * ((budget - 3 * steps) // population)
    assert max(3, int(share * budget)) - 3 < 3 * steps <= max(3, share * budget)


def test_the_first_phase_is_adam():
    optimizer = begun(Hybrid(120, step=0.1))
    plain = begun(Adam(60, step=0.1))
    for _ in range(20):
        assert np.array_equal(step(optimizer), step(plain))


def test_the_second_phase_is_de_around_the_best_of_the_first():
    optimizer = begun(Hybrid(2000, 400, share=0.1, noise=0.2), entries=6)
    assert optimizer.thresholds() is None
    while optimizer.population_size == 1:
        step(optimizer)
    best, population = optimizer.best.vector, optimizer.ask()
    assert optimizer.requires == frozenset()
    assert optimizer.thresholds() is None  # of its first population every value counts
    assert np.array_equal(population[0], best)
    noise = (population[1:] - best) / best.std()
    assert noise.mean() == pytest.approx(0, abs=0.02)
    assert noise.std() == pytest.approx(0.2, rel=0.05)
    step(optimizer)
    thresholds = optimizer.thresholds()
    assert thresholds is not None
    assert thresholds.objective == pytest.approx(sphere(population))
    # From here on it is a DE of its own on the same population, with a stream from ours.
    state = optimizer.state()
    plain = DifferentialEvolution(400)
    plain.restore({k.removeprefix("inner_"): v for k, v in state.items() if k.startswith("inner_")})
    for _ in range(3):
        assert np.array_equal(step(optimizer), step(plain))


@pytest.mark.parametrize("stop", range(9))
def test_it_resumes_in_both_phases_and_between_them(stop):
    def make():
        return Hybrid(60, 8, share=0.25)  # five steps, then five generations

    whole = begun(make())
    expected = [step(whole, rastrigin).tobytes() for _ in range(10)]
    interrupted = begun(make())
    for _ in range(stop):
        step(interrupted, rastrigin)
    resumed = make()
    resumed.restore(interrupted.state())
    assert resumed.population_size == (1 if stop < 5 else 8)
    assert resumed.evaluations_per_candidate == (3 if stop < 5 else 1)
    assert [step(resumed, rastrigin).tobytes() for _ in range(10 - stop)] == expected[stop:]


def test_the_best_of_the_descent_is_kept():
    optimizer = begun(Hybrid(400, 8, share=0.9, noise=5.0))
    while optimizer.population_size == 1:
        step(optimizer)
    found = optimizer.best
    step(optimizer)
    assert optimizer.best.objective == found.objective
    assert np.array_equal(optimizer.best.vector, found.vector)


def test_a_start_at_zero_still_gives_a_population_with_a_spread():
    optimizer = Hybrid(30, 8, share=0.1)
    optimizer.start(np.zeros((1, 4)), np.random.default_rng(0))
    step(optimizer)  # the minimum itself
    assert (optimizer.ask().std(axis=0) > 0).all()


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Hybrid(22, 20), "budget of 22"),
        (lambda: Hybrid(30, 20), "budget of 30"),
        (lambda: Hybrid(100, 3), "population 3"),
        (lambda: Hybrid(100, share=1.0), "share 1.0"),
        (lambda: Hybrid(100, share=0.0), "share 0.0"),
        (lambda: Hybrid(100, noise=0), "noise 0"),
        (lambda: Hybrid(100, step=-1), "step -1"),
    ],
)
def test_settings_out_of_range_are_named_with_a_next_step(make, named):
    with pytest.raises(UsageError, match=named) as error:
        make()
    assert error.value.hint
