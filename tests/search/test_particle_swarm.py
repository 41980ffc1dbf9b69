import json

import numpy as np
import pytest
from search_problems import generations, rastrigin, sphere, started

from acculturate.errors import UsageError
from acculturate.search import Fitness, ParticleSwarm


def test_particles_move_by_the_papers_equation():
    optimizer = started("pso")
    for _ in generations(optimizer, rastrigin, 6):
        state = optimizer.state()
        x, v, p = state["position"], state["velocity"], state["bests_population"]
        g = p[state["bests_fitness_objective"].argmin()]
        rng = np.random.default_rng()
        rng.bit_generator.state = json.loads(str(state["generator"]))
        moved = optimizer.ask()
        for i in range(len(x)):
            r1, r2 = rng.random((2, 5), dtype=np.float32)
            speed = 0.7298 * v[i] + 1.49618 * (r1 * (p[i] - x[i]) + r2 * (g - x[i]))
            assert moved[i] == pytest.approx(x[i] + speed, rel=1e-12)


def test_personal_bests_never_worsen_and_are_the_best_of_each_path():
    optimizer = started("pso")
    seen = []
    for asked in generations(optimizer, rastrigin, 30):
        seen.append(asked)
        objectives = rastrigin(np.array(seen))
        state = optimizer.state()
        assert np.array_equal(state["bests_fitness_objective"], objectives.min(axis=0))
        best = np.array(seen)[objectives.argmin(axis=0), np.arange(len(asked))]
        assert np.array_equal(state["bests_population"], best)


def test_a_tie_leaves_the_personal_best_and_the_particle_moves_on():
    optimizer = started("pso")
    first, second, third = generations(optimizer, lambda x: np.ones(len(x)), 3)
    assert np.array_equal(optimizer.state()["bests_population"], first)
    assert np.array_equal(first[0], second[0])  # the best of the swarm, at rest
    assert not np.any(np.all(second[1:] == third[1:], axis=1))


def test_feasible_comes_first_in_personal_and_global_best():
    optimizer = started("pso")
    x = optimizer.ask()
    violation = np.full(len(x), 0.5)
    violation[7] = 0.0
    optimizer.tell(Fitness(sphere(x), violation))
    second = optimizer.ask()
    assert np.array_equal(second[7], x[7])  # leads, whatever its objective
    between = (second - x) / (x[7] - x + (x[7] == x))
    assert between.min() >= 0 and between.max() < 1.5
    optimizer.tell(Fitness(np.full(len(x), -1e9), np.full(len(x), 1e-3)))
    kept = optimizer.state()["bests_population"]
    assert np.array_equal(kept[7], x[7])
    assert np.array_equal(np.delete(kept, 7, 0), np.delete(second, 7, 0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_particle_stops_at_a_bound(dtype):
    low, high = -0.75, 0.25
    optimizer = ParticleSwarm(20, bounds=(low, high))
    rng = np.random.default_rng(1)
    optimizer.start(rng.uniform(low, high, (20, 6)).astype(dtype), rng)
    at_bound = 0
    for asked in generations(optimizer, lambda x: -x.sum(axis=1), 40):
        assert asked.min() >= low and asked.max() <= high
        speed = optimizer.state()["velocity"]
        stopped = (asked == low) | (asked == high)
        assert np.all(speed[stopped] == 0)
        at_bound += stopped.sum()
    assert at_bound
    assert optimizer.best.vector == pytest.approx(np.full(6, high))


def test_settings_out_of_range_are_named_with_a_next_step():
    with pytest.raises(UsageError, match="population 1") as error:
        ParticleSwarm(1)
    assert error.value.hint
    with pytest.raises(UsageError, match="bounds"):
        ParticleSwarm(bounds=(1.0, 0.0))
    with pytest.raises(UsageError, match="past the bounds") as error:
        ParticleSwarm(2, bounds=(-1.0, 1.0)).start(np.full((2, 3), 2.0), np.random.default_rng(0))
    assert error.value.hint
