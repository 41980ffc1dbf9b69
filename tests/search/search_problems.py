"""Standard functions with their minimum 0, their slopes, and a loop that spends a budget."""

from collections.abc import Callable, Iterator

import numpy as np

from acculturate.search import Fitness, Optimizer, by_name

Function = Callable[[np.ndarray], np.ndarray]

# Every optimiser with settings that suit a population of 12 and a few hundred evaluations.
OPTIMIZERS = {
    "de/best/1": {"population": 12},
    "de/rand/1": {"population": 12, "F": (0.4, 0.9)},
    "de/current-to-best/1": {"population": 12, "bounds": (-6.0, 6.0)},
    "l-shade": {"population": 12, "budget": 240},
    "cma-es": {"population": 12},
    "sep-cma-es": {"population": 12},
    "gde3": {"population": 12, "F": 0.5},
    "pso": {"population": 12},
    "adam": {"population": 12, "budget": 720},
    "random": {"population": 12},
}

# Those that keep a population which a candidate has to beat its way into.
WITHOUT_PARENTS = ("random", "cma-es", "sep-cma-es", "adam")
WITH_PARENTS = [name for name in OPTIMIZERS if name not in WITHOUT_PARENTS]


def sphere(x: np.ndarray) -> np.ndarray:
    return (x**2).sum(axis=-1)


def rosenbrock(x: np.ndarray) -> np.ndarray:
    ahead, behind = x[..., 1:], x[..., :-1]
    return (100 * (ahead - behind**2) ** 2 + (1 - behind) ** 2).sum(axis=-1)


def rastrigin(x: np.ndarray) -> np.ndarray:
    return (x**2 - 10 * np.cos(2 * np.pi * x) + 10).sum(axis=-1)


def slope(function: Function, x: np.ndarray) -> np.ndarray:
    """Central differences."""
    step = 1e-5 * np.eye(x.shape[1])
    ahead, behind = (x[:, None] + sign * step for sign in (1, -1))
    values = [function(moved.reshape(-1, x.shape[1])) for moved in (ahead, behind)]
    return (values[0] - values[1]).reshape(x.shape) / 2e-5


def make(name: str) -> Optimizer:
    return by_name(name, **OPTIMIZERS[name])


def first_population(optimizer: Optimizer, entries: int, seed: int = 0) -> np.ndarray:
    size = optimizer.population_size
    return np.random.default_rng([seed, 1]).uniform(-5, 5, (size, entries))


def started(name: str, entries: int = 5, seed: int = 0) -> Optimizer:
    optimizer = make(name)
    optimizer.start(first_population(optimizer, entries, seed), np.random.default_rng(seed))
    return optimizer


def told(
    optimizer: Optimizer,
    asked: np.ndarray,
    objective: np.ndarray,
    violation: np.ndarray | None = None,
    function: Function = sphere,
) -> Fitness:
    """A fitness that holds what the optimiser learns from; nothing has a second objective.

    The slope is that of `function`, and as broken as the objective.
    """
    free, x = np.zeros(len(objective)), asked.astype(np.float64)
    broken = np.where(np.isfinite(objective), 0.0, np.nan)[:, None]
    known = optimizer.requires
    return Fitness(
        objective,
        free if violation is None else violation,
        secondary=free if "secondary" in known else None,
        gradient=slope(function, x) + broken if "gradient" in known else None,
    )


def generations(optimizer: Optimizer, function: Function, count: int) -> Iterator[np.ndarray]:
    """Asks and tells `count` times, giving the candidates of each."""
    for _ in range(count):
        candidates = optimizer.ask()
        optimizer.tell(told(optimizer, candidates, function(candidates), function=function))
        yield candidates


def minimum(
    optimizer: Optimizer, function: Function, entries: int, budget: int, seed: int
) -> float:
    """The best objective after at most `budget` evaluations from a uniform start in [-5, 5]."""
    optimizer.start(first_population(optimizer, entries, seed), np.random.default_rng([seed, 2]))
    left = budget
    while left >= optimizer.population_size * optimizer.evaluations_per_candidate:
        left -= optimizer.population_size * optimizer.evaluations_per_candidate
        candidates = optimizer.ask()
        optimizer.tell(told(optimizer, candidates, function(candidates), function=function))
    return optimizer.best.objective
