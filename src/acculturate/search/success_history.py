"""What L-SHADE learns from: the memory of settings that succeeded, and the archive.

In: the F and CR of the trials that strictly beat their parents, with their gains, and the parents
they beat. Out: new F and CR, and donors from the archive. A tie is no success.

The equations are those of Tanabe & Fukunaga 2014, see `l_shade.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from acculturate.search.fitness import Fitness
from acculturate.search.settings import Bounds
from acculturate.search.state import State, damaged, entry
from acculturate.search.variation import Parents, as_column, draw_other, make_trials

# Stands in the memory of CR for the terminal value of the 2014 paper: CR is 0 from then on.
TERMINAL = -1.0


def lehmer_mean(
    weights: Float[np.ndarray, " success"], values: Float[np.ndarray, " success"]
) -> float:
    """`sum(w S^2) / sum(w S)`, the mean that leans to the larger values."""
    return float((weights @ values**2) / (weights @ values))


def terminal_lehmer_mean(
    weights: Float[np.ndarray, " success"], values: Float[np.ndarray, " success"]
) -> float:
    """The Lehmer mean, or the terminal value where every success had CR 0."""
    return lehmer_mean(weights, values) if values.max() > 0 else TERMINAL


class Memory:
    """The last means of successful F and CR, which new ones are drawn around.

    Args:
        size: H, how many means are kept.
    """

    def __init__(self, size: int) -> None:
        self.means = np.full((2, size), 0.5)
        self._next = 0

    def __len__(self) -> int:
        return self.means.shape[1]

    def draw(self, candidates: int, rng: np.random.Generator) -> Float[np.ndarray, "2 candidate"]:
        """F and CR for each candidate, around a mean drawn from the memory.

        `CR = N(M_CR[r], 0.1)` cut to [0, 1]; `F = Cauchy(M_F[r], 0.1)`, at most 1 and drawn again
        while it is not above 0.
        """
        r = rng.integers(len(self), size=candidates)
        M_F, M_CR = self.means[0, r], self.means[1, r]
        CR = np.where(M_CR == TERMINAL, 0, np.clip(rng.normal(M_CR, 0.1), 0, 1))
        F = np.zeros(candidates)
        while (again := F <= 0).any():
            F[again] = M_F[again] + 0.1 * rng.standard_cauchy(int(again.sum()))
        return np.stack([np.minimum(F, 1), CR])

    def record(
        self,
        succeeded: Float[np.ndarray, "2 success"],
        weights: Float[np.ndarray, " success"],
    ) -> None:
        """Writes the means of a generation's F and CR over the oldest; none, and nothing moves."""
        if len(weights) == 0:
            return
        S_F, S_CR = succeeded
        k = self._next
        self.means[0, k] = lehmer_mean(weights, S_F)
        if self.means[1, k] != TERMINAL:
            self.means[1, k] = terminal_lehmer_mean(weights, S_CR)
        self._next = (k + 1) % len(self)

    def dump(self) -> State:
        """As arrays."""
        return {"memory": self.means.copy(), "memory_next": np.array(self._next)}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes back what `dump` gave."""
        self.means = entry(state, "memory", (2, len(self)))
        self._next = int(entry(state, "memory_next", (), "i"))
        if not 0 <= self._next < len(self):
            raise damaged(f"`memory_next` is {self._next}")


class Archive:
    """Parents that were beaten; donors that point back where the search came from.

    Args:
        capacity: How many are kept; a random one makes place for a new one.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._rows: list[Float[np.ndarray, " entry"]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Float[np.ndarray, " entry"]:
        return self._rows[place]

    def add(self, beaten: Float[np.ndarray, "beaten entry"], rng: np.random.Generator) -> None:
        """Keeps a copy of each."""
        for parent in beaten if self.capacity else ():
            if len(self) < self.capacity:
                self._rows.append(parent.copy())
            else:
                self._rows[rng.integers(self.capacity)] = parent.copy()

    def shrink(self, capacity: int, rng: np.random.Generator) -> None:
        """Drops random ones until it is within a smaller capacity."""
        self.capacity = capacity
        if len(self) > capacity:
            kept = np.sort(rng.permutation(len(self))[:capacity])
            self._rows = [self._rows[place] for place in kept]

    def dump(self, x: Float[np.ndarray, "candidate entry"]) -> State:
        """As an array, of the dtype and width of the parents `x`."""
        return {"archive": np.array(self._rows, dtype=x.dtype).reshape(len(self), x.shape[1])}

    def load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        """Takes back what `dump` gave."""
        rows = entry(state, "archive", (None, width))
        if len(rows) > self.capacity:
            raise damaged(f"`archive` holds {len(rows)}, more than {self.capacity}")
        self._rows = list(rows)


def current_to_pbest_1(
    parents: Parents,
    archive: Archive,
    chosen: Int[np.ndarray, " candidate"],
    F: Float[np.ndarray, " candidate"],
    CR: Float[np.ndarray, " candidate"],
    bounds: Bounds | None,
    rng: np.random.Generator,
) -> Float[np.ndarray, "candidate entry"]:
    """Trials by current-to-pbest/1/bin with archive.

    `v[i] = x[i] + F[i] (x[pbest] - x[i]) + F[i] (x[r1] - x~[r2])`, where `x~` are the parents and
    the archive together, and i, r1 and r2 differ (Zhang & Sanderson 2009, "JADE").

    Args:
        parents: `x`.
        archive: The rest of `x~`.
        chosen: Rank of each candidate's pbest among the parents, 0 the best.
        F: Scale of each candidate.
        CR: Crossover rate of each candidate.
        bounds: Lowest and highest value of every entry.
        rng: Draws donors and crossover.
    """
    x = parents.x
    pbest = parents.fitness.order()[chosen]
    own = np.arange(len(x))[:, None]
    r1 = draw_other(rng, own, len(x))
    r2 = draw_other(rng, np.column_stack([own, r1]), len(x) + len(archive))
    scale = as_column(F, x)

    def mutate(i: slice) -> np.ndarray:
        donors = [x[r] if r < len(x) else archive[r - len(x)] for r in r2[i].tolist()]
        return x[i] + scale[i] * (x[pbest[i]] - x[i] + x[r1[i]] - np.stack(donors))

    return make_trials(x, mutate, CR, bounds, rng)


def success_weights(
    fitness: Fitness, parents: Fitness, success: Bool[np.ndarray, " candidate"]
) -> Float[np.ndarray, " success"]:
    """How much each success counts in the memory; sums to 1.

    Without a limit this is the papers' `w_k = |f(u_k) - f(x_k)| / sum`. Under a limit the papers
    say nothing, and gains in objective and in violation are in different units: each kind is divided by its
    own mean first, and a trial that comes within the limit, or is the first finite one in its
    place, counts as a mean gain.
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
