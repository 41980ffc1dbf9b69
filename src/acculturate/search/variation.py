"""Parents, donors, crossover and selection, shared by the family of Differential Evolution.

In: parents with their fitness. Out: trials, one a parent, and the parents after selection. How a
mutant is made of which donors is the algorithm's own business.

Names follow the papers: `x` a parent, `v` its mutant, `u` its trial, `F` the scale of a difference,
`CR` the crossover rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Int

from acculturate.search.fitness import Fitness, Mask, Values, Vectors
from acculturate.search.settings import Bounds, whole

SMALLEST_POPULATION = 4
POPULATION = whole(SMALLEST_POPULATION, "a parent with three others")
"""Check of a population: a parent and three different donors."""


@final
@dataclass
class Parents:
    """The population that trials compete with, each against the parent at its own place."""

    population: Vectors
    fitness: Fitness

    def best(self) -> int:
        """Return the place of the best parent; ties go to the first."""
        return int(self.fitness.order()[0])

    def select(self, u: Vectors, fitness: Fitness) -> None:
        """Put the trials that are finite and not worse in their parents' places.

        A tie is accepted, so that the search drifts over the plateaus of a stepwise objective.
        """
        self.replace(fitness.valid & fitness.not_worse(self.fitness), u, fitness)

    def replace(self, accepted: Mask, u: Vectors, fitness: Fitness) -> None:
        """Put the accepted trials in their parents' places."""
        self.population[accepted] = u[accepted]
        self.fitness = Fitness.where(accepted, fitness, self.fitness)

    def keep(self, places: Int[np.ndarray, " kept"]) -> None:
        """Drop all parents but those at `places`."""
        self.population = self.population[places]
        self.fitness = self.fitness.take(places)


def draw_other(
    rng: np.random.Generator, taken: Int[np.ndarray, "candidate given"], total: int
) -> Int[np.ndarray, " candidate"]:
    """Draw for each candidate one place of `total`, uniformly among those that are not in its row."""
    drawn = rng.integers(total - taken.shape[1], size=len(taken))
    for place in np.sort(taken, axis=1).T:
        drawn += drawn >= place
    return drawn


def draw_others(
    rng: np.random.Generator, candidates: int, count: int
) -> Int[np.ndarray, "count candidate"]:
    """Draw for each candidate `count` places in the population, all different and none its own."""
    taken = np.arange(candidates)[:, None]
    for _ in range(count):
        taken = np.column_stack([taken, draw_other(rng, taken, candidates)])
    return taken[:, 1:].T


def cross(
    x: Vectors, v: Vectors, CR: float | Values, bounds: Bounds | None, rng: np.random.Generator
) -> Vectors:
    """Cross mutants with their parents, binomially (Storn & Price 1997, section 2, crossover).

    `u[i, j] = v[i, j]` where `rand(0, 1) < CR[i]` or `j = rand_j[i]`, else `x[i, j]`.

    A mutant's entry past a bound is set midway between the bound and its parent (Zhang & Sanderson
    2009, "JADE", IEEE Transactions on Evolutionary Computation 13(5)), which keeps it inside.

    Args:
        x: The parents.
        v: Their mutants; overwritten with the trials.
        CR: Crossover rate, of all or of each candidate.
        bounds: Lowest and highest value of every entry.
        rng: Draws `rand_j` for all candidates, then the rest candidate by candidate.
    """
    rand_j = rng.integers(x.shape[1], size=len(x))
    if bounds is not None:
        low, high = bounds
        np.copyto(v, (low + x) / 2, where=v < low)
        np.copyto(v, (high + x) / 2, where=v > high)
    rates = np.broadcast_to(np.asarray(CR, np.float32), len(x))
    inherited = rng.random(v.shape, dtype=np.float32) >= rates[:, None]
    inherited[np.arange(len(x)), rand_j] = False
    np.copyto(v, x, where=inherited)
    return v
