"""L-SHADE: Differential Evolution that learns F and CR from what succeeded, in a shrinking population.

R. Tanabe, A. Fukunaga (2014), "Improving the Search Performance of SHADE Using Linear Population
Size Reduction", IEEE Congress on Evolutionary Computation, 1658-1665. Equation numbers are its.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.search.fitness import Fitness, Mask, Vectors
from acculturate.search.optimizer import Optimizer
from acculturate.search.settings import BOUNDS, Bounds, check_budget, check_whole, whole, within
from acculturate.search.variation import POPULATION, SMALLEST_POPULATION, Parents, cross, draw_other

FIRST_POPULATION = 10
"""Measured at 150, 400 and 2,000 evaluations beside 20 and 40 or 50; see research/log.md."""

# Stands in the memory of CR for the paper's terminal value: CR is 0 from then on.
_TERMINAL = -1.0


@final
@dataclass
class LShadeState:
    """The population, and what it learns from the trials that strictly beat their parents.

    Attributes:
        parents: The population, x.
        memory: M_F and M_CR, means of F and CR of successful trials.
        successes: Generations that wrote into the memory.
        archive: Parents that were beaten: donors that point back where the search came from.
        told: NFE, candidates evaluated.
        trial_settings: F and CR of the current trials.
    """

    parents: Parents
    memory: Float[np.ndarray, "2 mean"]
    successes: int
    archive: Float[np.ndarray, "archived entry"]
    told: int
    trial_settings: Float[np.ndarray, "2 trial"]


@final
@dataclass(eq=False)
class LSHADE(Optimizer):
    """Differential evolution that learns F and CR from its successes, in a shrinking population.

    >>> import numpy as np
    >>> from acculturate.search import LSHADE, Fitness
    >>> optimizer = LSHADE(budget=500)
    >>> rng = np.random.default_rng(0)
    >>> optimizer.start(rng.normal(size=(10, 2)), rng)
    >>> told = 0
    >>> while told < 500:
    ...     x = optimizer.ask()
    ...     optimizer.tell(Fitness.unconstrained((x**2).sum(axis=1)))
    ...     told += len(x)
    >>> bool(optimizer.best.objective < 1e-4)
    True

    Args:
        budget: MAX_NFE, candidates in the whole search; the population is smallest when they are
            used up.
        population: N_init, candidates in the first generation. The paper takes 18 a dimension; with
            a budget of hundreds that leaves no generations.
        smallest: N_min, candidates in the last generation, at least 4.
        memory: H, how many means of successful settings are kept.
        p: Share of the best that pbest is drawn from.
        archive: Size of the archive as a multiple of the population.
        bounds: Lowest and highest value of every entry, or None.

    Raises:
        UsageError: A setting is out of range.
    """

    name = "l-shade"

    budget: int = field(metadata=whole(1, "a search"))
    population: int = field(default=FIRST_POPULATION, metadata=POPULATION)
    smallest: int = field(default=SMALLEST_POPULATION, metadata=POPULATION)
    memory: int = field(default=6, metadata=whole(1, "the memory"))
    p: float = field(default=0.11, metadata=within(0.0, 1.0))
    archive: float = field(default=2.6, metadata=within(0.0, 100.0))
    bounds: Bounds | None = field(default=None, metadata=BOUNDS)
    _state: LShadeState = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("population", self.population, self.smallest, "a population that shrinks")
        check_budget(self.budget, self.population, "one population")

    @property
    def population_size(self) -> int:
        """See `Optimizer.population_size`."""
        if self._best is None:
            return self.population
        # (10): N = round((N_min - N_init) NFE / MAX_NFE + N_init)
        used = min(self._state.told / self.budget, 1.0)
        planned = round((self.smallest - self.population) * used + self.population)
        # Given more budget, a population that has shrunk waits until its turn comes.
        return min(planned, len(self._state.parents.population))

    def parents(self) -> Fitness | None:
        """See `Optimizer.parents`."""
        return None if self._best is None else self._state.parents.fitness

    def _initialise(self, population: Vectors, fitness: Fitness) -> None:
        parents, memory = Parents(population, fitness), np.full((2, self.memory), 0.5)
        self._state = LShadeState(
            parents, memory, 0, population[:0], len(population), memory[:, :0]
        )
        self._reduce()

    def _sample(self) -> Vectors:
        state, rng, N = self._state, self._rng, self.population_size
        x, archive = state.parents.population, state.archive
        F, CR = state.trial_settings = draw_settings(state.memory, N, rng)  # (1), (2)
        pbest = state.parents.fitness.order()[rng.integers(max(2, round(self.p * N)), size=N)]
        own = np.arange(N)[:, None]
        r1 = draw_other(rng, own, N)
        r2 = draw_other(rng, np.column_stack([own, r1]), N + len(archive))
        x_r2 = np.concatenate([x, archive])[r2]
        v = x + F[:, None].astype(x.dtype) * (x[pbest] - x + x[r1] - x_r2)  # (3)
        return cross(x, v, CR, self.bounds, rng)  # (4), (5)

    def _update(self, candidates: Vectors, fitness: Fitness) -> None:
        state, parents = self._state, self._state.parents
        success = fitness.better(parents.fitness)
        self._keep_beaten(parents.population[success])
        if success.any():
            weights = success_weights(fitness, parents.fitness, success)
            self._remember(state.trial_settings[:, success], weights)
        parents.select(candidates, fitness)  # (6)
        state.told += len(candidates)
        self._reduce()

    def _keep_beaten(self, beaten: Float[np.ndarray, "beaten entry"]) -> None:
        """Keep a copy of beaten parents; where the archive is full a random one makes place."""
        capacity = round(self.archive * self.population_size)
        free = max(capacity - len(self._state.archive), 0)
        archive = np.concatenate([self._state.archive, beaten[:free]])
        for parent in beaten[free:] if capacity else ():
            archive[self._rng.integers(capacity)] = parent
        self._state.archive = archive

    def _remember(
        self, S: Float[np.ndarray, "2 success"], w: Float[np.ndarray, " success"]
    ) -> None:
        """Write the means of a generation's successful F and CR over the oldest, (7) to (9).

        They are Lehmer means, `sum(w S^2) / sum(w S)`, which lean to the larger values.
        """
        (S_F, S_CR), k = S, self._state.successes % self.memory
        M_F, M_CR = self._state.memory
        M_F[k] = (w @ S_F**2) / (w @ S_F)
        if M_CR[k] != _TERMINAL:
            M_CR[k] = (w @ S_CR**2) / (w @ S_CR) if S_CR.max() > 0 else _TERMINAL
        self._state.successes += 1

    def _reduce(self) -> None:
        """Drop the worst parents, and random ones of the archive, past the size of (10)."""
        state, size = self._state, self.population_size
        if size < len(state.parents.population):
            state.parents.keep(np.sort(state.parents.fitness.order()[:size]))
            capacity = round(self.archive * size)
            if len(state.archive) > capacity:
                kept = self._rng.permutation(len(state.archive))[:capacity]
                state.archive = state.archive[np.sort(kept)]


def draw_settings(
    memory: Float[np.ndarray, "2 mean"], candidates: int, rng: np.random.Generator
) -> Float[np.ndarray, "2 candidate"]:
    """Draw F and CR for each candidate, around a mean drawn from the memory.

    `CR = N(M_CR[r], 0.1)` cut to [0, 1]; `F = Cauchy(M_F[r], 0.1)`, at most 1 and drawn again
    while it is not above 0.
    """
    M_F, M_CR = memory[:, rng.integers(memory.shape[1], size=candidates)]
    CR = np.where(M_CR == _TERMINAL, 0, np.clip(rng.normal(M_CR, 0.1), 0, 1))
    F = np.zeros(candidates)
    while (again := F <= 0).any():
        F[again] = M_F[again] + 0.1 * rng.standard_cauchy(int(again.sum()))
    return np.stack([np.minimum(F, 1), CR])


def success_weights(fitness: Fitness, parents: Fitness, success: Mask) -> np.ndarray:
    """Return how much each success counts in the memory; sums to 1.

    Without a limit this is the paper's `w_k = |f(u_k) - f(x_k)| / sum`. Under a limit the paper
    says nothing, and gains in objective and in violation are in different units: each kind is
    divided by its own mean first, and a trial that comes within the limit, or is the first finite
    one in its place, counts as a mean gain.
    """
    trial, parent = fitness.take(np.flatnonzero(success)), parents.take(np.flatnonzero(success))
    gains = np.ones(len(trial))
    in_objective = parent.valid & (trial.violation == parent.violation)
    in_violation = parent.valid & ~parent.feasible & ~trial.feasible & ~in_objective
    for kind, before, after in (
        (in_objective, parent.objective, trial.objective),
        (in_violation, parent.violation, trial.violation),
    ):
        if kind.any():
            gain = before[kind] - after[kind]
            gains[kind] = gain / gain.mean()
    return gains / gains.sum()
