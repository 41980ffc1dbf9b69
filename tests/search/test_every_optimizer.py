"""What holds for every optimiser, whatever its algorithm."""

import doctest
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from search_problems import (
    OPTIMIZERS,
    WITH_PARENTS,
    first_population,
    generations,
    make,
    rastrigin,
    rosenbrock,
    sphere,
    started,
    told,
)

from acculturate.errors import FailureError, UsageError
from acculturate.search import Fitness, by_name

every = pytest.mark.parametrize("name", OPTIMIZERS)
with_parents = pytest.mark.parametrize("name", WITH_PARENTS)
with_one_parent_each = pytest.mark.parametrize("name", [n for n in WITH_PARENTS if n != "gde3"])
GENERATIONS = 12

# What `started(name, entries=3)` asks on the sphere: the sums of the second, third and fourth
# generation, and the last vector of the fourth.
GOLDEN = {
    "de/best/1": [
        36.7315272769,
        -4.78890202753,
        -9.63916718295,
        -1.79706983024,
        -0.430190657792,
        -0.238932977369,
    ],
    "de/rand/1": [
        12.0258880294,
        -9.48110029552,
        -25.699729526,
        -1.15572421735,
        0.151812013746,
        -5.9418714762,
    ],
    "de/current-to-best/1": [
        17.9295674751,
        -0.180556715788,
        -4.19425447989,
        -0.208217689862,
        -0.868027396343,
        -0.558669553341,
    ],
    "l-shade": [
        -6.55541652735,
        17.3285556098,
        4.22062709663,
        0.595766115635,
        0.710691538176,
        -0.057445112559,
    ],
    "cma-es": [
        -17.3185510903,
        28.094654433,
        5.15216555436,
        -2.58351909532,
        -1.32293509647,
        2.00605905905,
    ],
    "sep-cma-es": [
        -15.3521715916,
        20.505326596,
        0.341110966644,
        -2.16482408924,
        -1.02196508691,
        1.43096773449,
    ],
    "gde3": [
        -13.1691846527,
        -21.2548807438,
        -11.200415085,
        -1.90228265967,
        0.517852398288,
        0.652574044031,
    ],
    "pso": [
        13.605583189,
        44.9194035637,
        -10.7545223735,
        -0.114224129046,
        0.0684519341346,
        -3.4982872691,
    ],
    "random": [
        -29.3533950687,
        12.7680272276,
        -14.9644762622,
        -3.63850256126,
        -3.06077427824,
        1.05760372822,
    ],
    "adam": [
        -17.0031302638,
        -16.4455634713,
        -15.9682160756,
        3.69120995291,
        -0.811511309468,
        -4.48474531856,
    ],
}


def parents_of(state):
    (population,) = (value for key, value in state.items() if key.endswith("population"))
    return population


def through_a_file(state):
    """As a run keeps it: written without pickle and read back."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **state)
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        return dict(saved)


@every
def test_first_ask_is_the_first_population_itself(name):
    optimizer = make(name)
    population = first_population(optimizer, 5)
    optimizer.start(population, np.random.default_rng(0))
    assert np.array_equal(optimizer.ask(), population)


@every
def test_candidate_stream_is_the_known_one(name):
    optimizer = started(name, entries=3)
    stream = list(generations(optimizer, sphere, 4))
    found = [*(float(asked.sum()) for asked in stream[1:]), *map(float, stream[-1][-1])]
    assert found == pytest.approx(GOLDEN[name], rel=1e-9)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_start_gives_the_same_candidates_bit_for_bit(name, dtype):
    streams = []
    for _ in range(2):
        optimizer = make(name)
        population = first_population(optimizer, 5).astype(dtype)
        optimizer.start(population, np.random.default_rng(3))
        streams.append([asked.tobytes() for asked in generations(optimizer, rastrigin, 8)])
        assert optimizer.ask().dtype == dtype
        assert optimizer.best.vector.dtype == dtype
    assert streams[0] == streams[1]


@every
def test_asking_again_gives_the_same_until_told(name):
    optimizer = started(name)
    for _ in range(3):
        asked = optimizer.ask()
        again = optimizer.ask()
        assert np.array_equal(asked, again)
        again[:] = np.nan  # a copy: what the caller does to it stays with the caller
        assert np.array_equal(asked, optimizer.ask())
        optimizer.tell(told(optimizer, asked, sphere(asked)))
    assert not np.array_equal(asked, optimizer.ask())


@every
@pytest.mark.parametrize("asked_before_saving", [True, False])
def test_resuming_at_any_generation_is_as_if_never_stopped(name, asked_before_saving):
    whole = started(name)
    expected = [asked.tobytes() for asked in generations(whole, rastrigin, GENERATIONS)]
    for stop in range(GENERATIONS):
        interrupted = started(name)
        for _ in generations(interrupted, rastrigin, stop):
            pass
        if asked_before_saving:
            interrupted.ask()
        resumed = make(name)
        resumed.restore(through_a_file(interrupted.state()))
        rest = [asked.tobytes() for asked in generations(resumed, rastrigin, GENERATIONS - stop)]
        assert rest == expected[stop:]
        assert resumed.best.vector.tobytes() == whole.best.vector.tobytes()
        assert resumed.best.objective == whole.best.objective
        assert resumed.best.violation == whole.best.violation
        assert {key: value.tobytes() for key, value in resumed.state().items()} == {
            key: value.tobytes() for key, value in whole.state().items()
        }


@every
def test_a_state_is_a_snapshot(name):
    optimizer = started(name)
    for _ in generations(optimizer, sphere, 2):
        pass
    state = optimizer.state()
    before = {key: value.tobytes() for key, value in state.items()}
    for _ in generations(optimizer, sphere, 3):
        pass
    assert {key: value.tobytes() for key, value in state.items()} == before


@every
@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_generator_of_numpy_is_saved(name, kind):
    rng = np.random.Generator(getattr(np.random, kind)(7))
    optimizer = make(name)
    optimizer.start(first_population(optimizer, 4), rng)
    for _ in generations(optimizer, sphere, 3):
        pass
    resumed = make(name)
    resumed.restore(through_a_file(optimizer.state()))
    for one, other in zip(
        generations(optimizer, sphere, 3), generations(resumed, sphere, 3), strict=True
    ):
        assert np.array_equal(one, other)


@every
def test_best_never_gets_worse_and_is_the_best_told(name):
    optimizer = started(name)
    least = np.inf
    for asked in generations(optimizer, rastrigin, 15):
        least = min(least, rastrigin(asked).min())
        assert optimizer.best.objective == least
        assert rastrigin(optimizer.best.vector) == pytest.approx(least)


@every
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_candidate_never_wins(name, broken):
    optimizer = started(name)
    for generation in range(12):
        asked = optimizer.ask()
        objective = sphere(asked)
        objective[generation % len(objective) :: 3] = broken
        optimizer.tell(told(optimizer, asked, objective))
        if np.isfinite(objective).any():
            assert np.isfinite(optimizer.best.objective)
            assert optimizer.best.objective >= 0
    parents = optimizer.parents()
    if parents is not None and name != "l-shade":
        assert parents.valid.sum() >= len(parents) - 4


@every
def test_generations_of_nothing_but_nan_are_survived(name):
    optimizer = started(name)
    for _ in range(4):
        asked = optimizer.ask()
        optimizer.tell(told(optimizer, asked, np.full(len(asked), np.nan)))
        assert np.isinf(optimizer.best.objective)
        assert np.isfinite(asked).all()
    resumed = make(name)
    resumed.restore(through_a_file(optimizer.state()))
    for one, other in zip(
        generations(optimizer, sphere, 4), generations(resumed, sphere, 4), strict=True
    ):
        assert np.array_equal(one, other)
    assert np.isfinite(optimizer.best.objective)


@with_parents
def test_a_broken_trial_replaces_not_even_a_broken_parent(name):
    optimizer = started(name)
    population = optimizer.ask()
    optimizer.tell(told(optimizer, population, np.full(len(population), np.inf)))
    asked = optimizer.ask()
    optimizer.tell(told(optimizer, asked, np.full(len(asked), np.nan)))
    kept = parents_of(optimizer.state())
    assert all(any(np.array_equal(parent, first) for first in population) for parent in kept)


@pytest.mark.parametrize("name", [name for name in WITH_PARENTS if name != "pso"])
def test_ties_are_accepted(name):
    optimizer = started(name)
    for asked in generations(optimizer, lambda x: np.ones(len(x)), 4):
        kept = parents_of(optimizer.state())
        assert np.array_equal(kept, asked[: len(kept)])


@with_one_parent_each
def test_parents_are_what_each_candidate_competes_with(name):
    optimizer = started(name)
    assert optimizer.parents() is None  # the first population competes with nobody
    for _ in generations(optimizer, sphere, 6):
        asked = optimizer.ask()
        parents = optimizer.parents()
        assert parents is not None
        assert parents.objective == pytest.approx(sphere(parents_of(optimizer.state())))
        assert len(parents) == len(asked)


@every
def test_within_a_limit_the_best_is_feasible(name):
    """The sphere with its minimum cut off: the sum of the entries must be at least 3."""

    def led_back(x):
        return sphere(x) + 20 * np.maximum(3 - x.sum(axis=1), 0)

    optimizer = started(name)
    seen_feasible = False
    for _ in range(19):
        asked = optimizer.ask()
        violation = np.maximum(3 - asked.sum(axis=1), 0)
        optimizer.tell(told(optimizer, asked, sphere(asked), violation, function=led_back))
        seen_feasible |= bool((violation == 0).any())
        assert (optimizer.best.violation == 0) == seen_feasible
    assert seen_feasible
    if name != "random":
        assert optimizer.best.objective < 9  # the least there is is 9 / 5


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "random"])
def test_converges_on_the_sphere_and_beats_random_search(name):
    budget = 600
    settings = {**OPTIMIZERS[name], "population": 1 if name == "adam" else 15}
    if "budget" in settings:
        settings["budget"] = budget
    found, by_chance = [], []
    for seed in range(5):
        for best, optimizer in (
            (found, by_name(name, **settings)),
            (by_chance, by_name("random", population=15)),
        ):
            optimizer.start(first_population(optimizer, 4, seed), np.random.default_rng(seed))
            spent = 0
            while (
                cost := optimizer.population_size * optimizer.evaluations_per_candidate
            ) <= budget - spent:
                spent += cost
                asked = optimizer.ask()
                optimizer.tell(told(optimizer, asked, sphere(asked)))
            best.append(optimizer.best.objective)
    assert np.median(found) < 0.02
    assert np.median(found) < np.median(by_chance) / 20


@every
def test_settings_and_name_make_it_again(name):
    optimizer = make(name)
    again = by_name(optimizer.name, **optimizer.settings())
    assert again.name == optimizer.name == name
    assert again.settings() == optimizer.settings()
    assert None not in optimizer.settings().values()


@every
def test_calls_out_of_turn_are_refused(name):
    optimizer = make(name)
    with pytest.raises(RuntimeError, match="start"):
        optimizer.ask()
    with pytest.raises(RuntimeError, match="start"):
        optimizer.state()
    with pytest.raises(RuntimeError, match="nothing was told"):
        _ = optimizer.best
    optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    with pytest.raises(UsageError, match="once"):
        optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    (asked,) = generations(optimizer, sphere, 1)
    with pytest.raises(RuntimeError, match="ask"):
        optimizer.tell(told(optimizer, asked, np.zeros(len(asked))))


@every
def test_arrays_of_the_wrong_shape_are_refused(name):
    optimizer = make(name)
    rng = np.random.default_rng(0)
    population = first_population(optimizer, 3)
    size = optimizer.population_size
    with pytest.raises(ValueError, match=f"{size} vectors"):
        optimizer.start(population[1:], rng)
    population[-1, 1] = np.nan
    with pytest.raises(UsageError, match="not finite"):
        optimizer.start(population, rng)
    optimizer.start(first_population(optimizer, 3), rng)
    asked = optimizer.ask()
    with pytest.raises(ValueError, match=f"{size} candidates were asked for and {size - 1} told"):
        optimizer.tell(told(optimizer, asked[1:], np.zeros(size - 1)))
    assert len(optimizer.ask()) == size  # and they still wait
    if optimizer.requires:
        with pytest.raises(ValueError, match="which was not told"):
            optimizer.tell(Fitness.unconstrained(np.zeros(size)))
        assert len(optimizer.ask()) == size


@every
def test_a_damaged_state_is_a_clear_error(name):
    optimizer = started(name)
    for _ in generations(optimizer, sphere, 2):
        pass
    optimizer.ask()
    state = optimizer.state()
    for key in state:
        if key != "pending":
            with pytest.raises(FailureError, match=f"`{key}`|`secondary`") as error:
                make(name).restore({k: v for k, v in state.items() if k != key})
            assert error.value.hint
        with pytest.raises(FailureError, match=f"`{key}`"):
            make(name).restore(state | {key: state[key][..., None]})
        if state[key].dtype.kind == "f":
            with pytest.raises(FailureError, match=f"`{key}` holds a NaN"):
                make(name).restore(state | {key: np.full_like(state[key], np.nan)})
            with pytest.raises(FailureError, match=f"`{key}` is int64"):
                make(name).restore(state | {key: np.ones(state[key].shape, np.int64)})
    with pytest.raises(FailureError, match="no population"):
        make(name).restore({key: state[key] for key in ("optimizer", "generator")})
    with pytest.raises(FailureError, match="candidate"):
        make(name).restore(state | {"pending": state["pending"][1:]})
    with pytest.raises(FailureError, match="random generator"):
        make(name).restore(state | {"generator": np.array('{"bit_generator": "PCG')})
    with pytest.raises(FailureError, match="random generator"):
        make(name).restore(state | {"generator": np.array('{"bit_generator": "PCG64"}')})


@every
def test_a_state_of_other_settings_is_refused(name):
    optimizer = started(name)
    other = by_name(name, **{**OPTIMIZERS[name], "population": 13})
    with pytest.raises(UsageError, match="13") as error:
        other.restore(optimizer.state())
    assert error.value.hint


@every
def test_rosenbrock_gets_better(name):
    optimizer = started(name)
    first = None
    for _ in generations(optimizer, rosenbrock, 18):
        first = optimizer.best.objective if first is None else first
    assert optimizer.best.objective < first


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_example_of_its_documentation_runs(name):
    kind = type(make(name))
    (example,) = doctest.DocTestFinder(recurse=False).find(kind, kind.__name__, globs={})
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_the_optimiser_of_the_docs_goes_on_from_its_state():
    page = (Path(__file__).parents[2] / "docs/howto/your-optimiser.md").read_text("utf-8")
    code = page.split("```python\n")[1].split("\nmodel, survey")[0]
    made: dict[str, Any] = {"__name__": __name__}
    exec(code, made)
    ours, again = made["OnePlusLambda"](), made["OnePlusLambda"]()
    ours.start(np.random.default_rng(1).normal(size=(10, 3)), np.random.default_rng(0))
    for _ in range(3):
        asked = ours.ask()
        ours.tell(told(ours, asked, sphere(asked)))
    again.restore(ours.state())
    assert np.array_equal(again.ask(), ours.ask())
