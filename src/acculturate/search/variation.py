"""What the family of Differential Evolution shares: parents, donors, crossover, selection.

In: parents with their fitness. Out: trials, one a parent, and which of them took their parent's
place. How a mutant is made of which donors is the algorithm's own business.

Names follow the papers: `x` a parent, `v` its mutant, `u` its trial, `F` the scale of a difference,
`CR` the crossover rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from acculturate.errors import UsageError
from acculturate.search.fitness import Fitness
from acculturate.search.settings import Bounds
from acculturate.search.state import State, damaged, entry

# A block of rows is worked on at a time, so that its temporaries stay in the processor's cache.
_BLOCK_ENTRIES = 2**17


SMALLEST_POPULATION = 4
"""A parent and three different donors."""


class Parents:
    """The population that trials compete with, each against the parent at its own place."""

    def __init__(self, x: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        self.x = x
        self.fitness = fitness

    def __len__(self) -> int:
        return len(self.x)

    @staticmethod
    def none() -> Parents:
        """No parents yet."""
        return Parents(np.empty((0, 0)), Fitness.unconstrained(np.empty(0)))

    def best(self) -> int:
        """Place of the best parent; ties go to the first."""
        return int(self.fitness.order()[0])

    def succeeds(self, fitness: Fitness) -> Bool[np.ndarray, " candidate"]:
        """Which trials may take their parent's place: finite and not worse.

        A tie is accepted, so that the search drifts over the plateaus of a stepwise objective.
        """
        return fitness.valid & fitness.not_worse(self.fitness)

    def replace(
        self,
        accepted: Bool[np.ndarray, " candidate"],
        u: Float[np.ndarray, "candidate entry"],
        fitness: Fitness,
    ) -> None:
        """Puts the accepted trials in their parents' places."""
        for place in np.flatnonzero(accepted):
            self.x[place] = u[place]
        self.fitness = Fitness.where(accepted, fitness, self.fitness)

    def keep(self, places: Int[np.ndarray, " kept"]) -> None:
        """Drops all parents but those at `places`."""
        self.x = self.x[places]
        self.fitness = self.fitness.take(places)

    def competitors(self) -> Fitness | None:
        """See `Optimizer.parents`: each trial's parent; None where there are no parents yet."""
        return self.fitness if len(self) else None

    def dump(self) -> State:
        """As arrays, copied."""
        return {
            "population": self.x.copy(),
            "objective": self.fitness.objective,
            "violation": self.fitness.violation,
        }

    @staticmethod
    def load(state: Mapping[str, np.ndarray], size: int | None, width: int) -> Parents:
        """What `dump` gave.

        Args:
            state: The optimiser's state.
            size: How many parents there must be, None where the state decides.
            width: Length of a vector.

        Raises:
            FailureError: The state is damaged.
        """
        x = entry(state, "population", (size, width))
        objective = entry(state, "objective", (len(x),))
        violation = entry(state, "violation", (len(x),))
        if np.isnan(objective).any() or not np.all(violation >= 0):
            raise damaged("a parent's fitness is not a number")
        return Parents(x, Fitness(objective, violation))


def draw_other(
    rng: np.random.Generator, taken: Int[np.ndarray, "candidate given"], total: int
) -> Int[np.ndarray, " candidate"]:
    """For each candidate one place of `total`, uniformly among those that are not in its row."""
    drawn = rng.integers(total - taken.shape[1], size=len(taken))
    for place in np.sort(taken, axis=1).T:
        drawn += drawn >= place
    return drawn


def draw_others(
    rng: np.random.Generator, candidates: int, count: int
) -> Int[np.ndarray, "count candidate"]:
    """For each candidate `count` places in the population, all different and none its own."""
    taken = np.arange(candidates)[:, None]
    for _ in range(count):
        taken = np.column_stack([taken, draw_other(rng, taken, candidates)])
    return taken[:, 1:].T


def as_column(
    values: Float[np.ndarray, " candidate"], x: Float[np.ndarray, "candidate entry"]
) -> Float[np.ndarray, "candidate 1"]:
    """One number a candidate, ready to multiply vectors of the dtype of `x`."""
    return values[:, None].astype(x.dtype)


def make_trials(
    x: Float[np.ndarray, "candidate entry"],
    mutate: Callable[[slice], np.ndarray],
    CR: Float[np.ndarray, " candidate"],
    bounds: Bounds | None,
    rng: np.random.Generator,
) -> Float[np.ndarray, "candidate entry"]:
    """Mutants crossed with their parents, binomially (Storn & Price 1997, section 2, crossover).

    `u[i, j] = v[i, j]` where `rand(0, 1) < CR[i]` or `j = rand_j[i]`, else `x[i, j]`.

    A mutant's entry past a bound is set midway between the bound and its parent (Zhang & Sanderson
    2009, "JADE", IEEE Transactions on Evolutionary Computation 13(5)), which keeps it inside.

    Args:
        x: The parents.
        mutate: Gives new mutants for a slice of the parents.
        CR: Crossover rate of each candidate.
        bounds: Lowest and highest value of every entry.
        rng: Draws `rand_j` for all candidates, then the rest candidate by candidate.
    """
    candidates, entries = len(x), int(x.shape[1])
    rand_j = rng.integers(entries, size=candidates)
    rates = CR.astype(np.float32)[:, None]
    u = np.empty_like(x)
    for rows in row_blocks(candidates, entries):
        parents, v = x[rows], mutate(rows)
        if bounds is not None:
            low, high = bounds
            np.copyto(v, (low + parents) / 2, where=v < low)
            np.copyto(v, (high + parents) / 2, where=v > high)
        inherited = rng.random(v.shape, dtype=np.float32) >= rates[rows]
        inherited[np.arange(len(v)), rand_j[rows]] = False
        np.copyto(v, parents, where=inherited)
        u[rows] = v
    return u


def refuse_outside(x: Float[np.ndarray, "candidate entry"], bounds: Bounds | None) -> None:
    """Refuses a first population that is not within the bounds.

    Raises:
        UsageError: It is not.
    """
    if bounds is None:
        return
    low, high = bounds
    if np.any(x < low) or np.any(x > high):
        raise UsageError(
            f"the first population reaches from {x.min():g} to {x.max():g}, past the bounds "
            f"{low:g} to {high:g}",
            hint="Widen the bounds, or start from a narrower population.",
        )


def row_blocks(candidates: int, entries: int) -> Iterator[slice]:
    """Slices of rows that together are all of them, each small enough for the processor's cache."""
    step = max(1, _BLOCK_ENTRIES // entries)
    for first in range(0, candidates, step):
        yield slice(first, min(first + step, candidates))
