"""Standard functions with their minimum 0, and a loop that spends a budget on one."""

from collections.abc import Callable, Iterator

import numpy as np

from acculturate.search import Fitness, Optimizer, by_name

Function = Callable[[np.ndarray], np.ndarray]

# Every optimiser with settings that suit a population of 12 and a few hundred evaluations.
OPTIMIZERS = {
    "de/best/1": {"population": 12},
    "de/rand/1": {"population": 12, "F": (0.4, 0.9)},
    "de/current-to-best/1": {"population": 12, "bounds": (-6.0, 6.0)},
    "jde": {"population": 12},
    "shade": {"population": 12},
    "l-shade": {"population": 12, "budget": 240},
    "cma-es": {"population": 12},
    "sep-cma-es": {"population": 12},
    "gde3": {"population": 12, "F": 0.5},
    "pso": {"population": 12},
    "random": {"population": 12},
}

# Those that keep a population which a candidate has to beat its way into.
WITH_PARENTS = [name for name in OPTIMIZERS if name not in ("random", "cma-es", "sep-cma-es")]


def sphere(x: np.ndarray) -> np.ndarray:
    return (x**2).sum(axis=-1)


def rosenbrock(x: np.ndarray) -> np.ndarray:
    ahead, behind = x[..., 1:], x[..., :-1]
    return (100 * (ahead - behind**2) ** 2 + (1 - behind) ** 2).sum(axis=-1)


def rastrigin(x: np.ndarray) -> np.ndarray:
    return (x**2 - 10 * np.cos(2 * np.pi * x) + 10).sum(axis=-1)


def make(name: str) -> Optimizer:
    return by_name(name, **OPTIMIZERS[name])


def first_population(optimizer: Optimizer, entries: int, seed: int = 0) -> np.ndarray:
    size = optimizer.population_size
    return np.random.default_rng([seed, 1]).uniform(-5, 5, (size, entries))


def started(name: str, entries: int = 5, seed: int = 0) -> Optimizer:
    optimizer = make(name)
    optimizer.start(first_population(optimizer, entries, seed), np.random.default_rng(seed))
    return optimizer


def told(optimizer: Optimizer, loss: np.ndarray, excess: np.ndarray | None = None) -> Fitness:
    """A fitness that holds what the optimiser learns from; nothing has a price."""
    free = np.zeros(len(loss))
    price = free if "price" in optimizer.learns_from else None
    return Fitness(loss, free if excess is None else excess, price=price)


def generations(optimizer: Optimizer, function: Function, count: int) -> Iterator[np.ndarray]:
    """Asks and tells `count` times, giving the candidates of each."""
    for _ in range(count):
        candidates = optimizer.ask()
        optimizer.tell(told(optimizer, function(candidates)))
        yield candidates


def minimum(
    optimizer: Optimizer, function: Function, entries: int, budget: int, seed: int
) -> float:
    """The best loss after at most `budget` evaluations from a uniform start in [-5, 5]."""
    optimizer.start(first_population(optimizer, entries, seed), np.random.default_rng([seed, 2]))
    left = budget
    while left >= optimizer.population_size:
        candidates = optimizer.ask()
        left -= len(candidates)
        optimizer.tell(told(optimizer, function(candidates)))
    return optimizer.best.loss
