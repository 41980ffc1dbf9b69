"""Two objectives minimised together: dominance, and the candidates to keep of too many.

In: fitnesses with a second objective. Out: masks, places, and the frontier: candidates of which none
is better in one of the two without being worse in the other. How candidates are made is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from acculturate.search.fitness import Fitness, Mask, Values, Vectors

LARGEST_FRONTIER = 100
"""Largest number of candidates on a frontier."""


@final
@dataclass(frozen=True)
class Frontier:
    """Candidates within the limit of which none dominates another, by rising objective."""

    vectors: Float[np.ndarray, "point entry"]
    objective: Float[np.ndarray, " point"]
    secondary: Float[np.ndarray, " point"]

    def __len__(self) -> int:
        return len(self.objective)

    def extended(self, vectors: Vectors, fitness: Fitness) -> Frontier:
        """Return this frontier with other candidates, thinned out past `LARGEST_FRONTIER`; the ends stay.

        Args:
            vectors: The others; they may be infeasible or broken.
            fitness: Of the others, with a second objective.
        """
        new = np.flatnonzero(fitness.feasible)
        objective = np.concatenate([self.objective, fitness.objective[new]])
        secondary = np.concatenate([self.secondary, secondary_of(fitness)[new]])
        places = np.lexsort((secondary, objective))
        cheapest = np.minimum.accumulate(np.concatenate([[np.inf], secondary[places]]))[:-1]
        places = places[secondary[places] < cheapest]
        places = places[_thinned(np.column_stack([objective, secondary])[places], LARGEST_FRONTIER)]
        joined = np.concatenate([self.vectors, vectors[new]])[places]
        return Frontier(joined, objective[places], secondary[places])


def secondary_of(fitness: Fitness) -> Values:
    """Return the second objective.

    Raises:
        ValueError: There is none.
    """
    if fitness.secondary is None:
        raise ValueError("a fitness without `secondary` cannot be compared in two objectives")
    return fitness.secondary


def weakly_dominates(one: Fitness, other: Fitness) -> Mask:
    """Return whether each candidate is nowhere worse than the one at its place in `other`.

    Kukkonen & Lampinen (2005), definition of weak constraint-domination: of two beyond the limit, by the
    violation; one within the limit before one beyond it; of two within it, by objective and secondary.
    """
    in_both = (one.objective <= other.objective) & (secondary_of(one) <= secondary_of(other))
    within = one.feasible & (~other.feasible | in_both)
    return within | (~one.feasible & ~other.feasible & (one.violation <= other.violation))


def survivors(fitness: Fitness, count: int) -> Int[np.ndarray, " kept"]:
    """Return the places of the `count` candidates to keep, ascending.

    Front after front of those within the limit (Deb et al. 2002, "A Fast and Elitist Multiobjective Genetic
    Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6(2)), the last one thinned out;
    then those beyond it, feasible first order.
    """
    order = fitness.order()
    within, beyond = np.sort(order[fitness.feasible[order]]), order[~fitness.feasible[order]]
    points = np.column_stack([fitness.objective, secondary_of(fitness)])
    kept = np.empty(0, np.intp)
    while len(within) and len(kept) < count:
        objective, secondary = points[within].T
        no_worse = (objective[:, None] <= objective) & (secondary[:, None] <= secondary)
        dominated = (no_worse & ~no_worse.T).any(axis=0)
        front, within = within[~dominated], within[dominated]
        kept = np.concatenate([kept, front[_thinned(points[front], count - len(kept))]])
    return np.sort(np.concatenate([kept, beyond[: count - len(kept)]]))


def _thinned(points: Float[np.ndarray, "candidate 2"], count: int) -> Int[np.ndarray, " kept"]:
    """Return the places of `count` points of a front, ascending: the most crowded one leaves, again and again.

    Kukkonen & Deb (2006), "Improved Pruning of Non-Dominated Solutions Based on Crowding Distance for
    Bi-Objective Optimization Problems", IEEE Congress on Evolutionary Computation: dropping all at once
    by distances computed once leaves holes.
    """
    places = np.arange(len(points))
    while len(places) > count:
        places = np.delete(places, _crowding(points[places]).argmin())
    return places


def _crowding(points: Float[np.ndarray, "candidate 2"]) -> Values:
    """Return the distance between the neighbours of each, over the extent of the front."""
    distance = np.zeros(len(points))
    for values in points.T:
        order = values.argsort(kind="stable")
        ordered = values[order]
        extent = ordered[-1] - ordered[0]
        distance[order[[0, -1]]] = np.inf
        if extent > 0:
            distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / extent
    return distance
