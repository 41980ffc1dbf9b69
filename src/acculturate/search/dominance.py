"""Loss and price minimised together: who dominates whom, and which candidates to keep of too many.

In: fitnesses with a price. Out: masks, places, and the frontier: candidates of which none is better in
one of the two without being worse in the other. How candidates are made is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from acculturate.search.fitness import Fitness


@dataclass(frozen=True)
class Frontier:
    """Candidates within the limit of which none dominates another, by rising loss and falling price.

    Attributes:
        vectors: Where they are.
        loss: Of each.
        price: Of each.
    """

    vectors: Float[np.ndarray, "candidate entry"]
    loss: Float[np.ndarray, " candidate"]
    price: Float[np.ndarray, " candidate"]

    def __len__(self) -> int:
        return len(self.loss)

    def extended(
        self, vectors: Float[np.ndarray, "other entry"], fitness: Fitness, largest: int
    ) -> Frontier:
        """This frontier with other candidates, thinned out where it is longer than `largest`.

        Args:
            vectors: The others; they may be infeasible or broken.
            fitness: Of the others, with a price.
            largest: How many are kept; first and last always are, for 2 or more.
        """
        new = np.flatnonzero(fitness.feasible)
        loss = np.concatenate([self.loss, fitness.loss[new]])
        price = np.concatenate([self.price, price_of(fitness)[new]])
        places = np.lexsort((price, loss))
        cheapest = np.minimum.accumulate(np.concatenate([[np.inf], price[places]]))[:-1]
        places = places[price[places] < cheapest]
        places = places[_thinned(np.column_stack([loss, price])[places], largest)]
        old = len(self)
        kept = [self.vectors[k] if k < old else vectors[new[k - old]] for k in places.tolist()]
        return Frontier(
            np.array(kept, dtype=vectors.dtype).reshape(len(kept), vectors.shape[1]),
            loss[places],
            price[places],
        )


def price_of(fitness: Fitness) -> Float[np.ndarray, " candidate"]:
    """The price, which has to be there.

    Raises:
        ValueError: It is not.
    """
    if fitness.price is None:
        raise ValueError("a fitness without a price cannot be compared in loss and price")
    return fitness.price


def weakly_dominates(one: Fitness, other: Fitness) -> Bool[np.ndarray, " candidate"]:
    """Whether each candidate is nowhere worse than the one at its place in `other`.

    Kukkonen & Lampinen (2005), definition of weak constraint-domination: of two beyond the limit, by the
    excess; one within the limit before one beyond it; of two within it, by loss and price.
    """
    in_both = (one.loss <= other.loss) & (price_of(one) <= price_of(other))
    within = one.feasible & (~other.feasible | in_both)
    return within | (~one.feasible & ~other.feasible & (one.excess <= other.excess))


def survivors(fitness: Fitness, count: int) -> Int[np.ndarray, " kept"]:
    """Places of the `count` candidates to keep, ascending.

    Front after front of those within the limit (Deb et al. 2002, "A Fast and Elitist Multiobjective Genetic
    Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6(2)), the last one thinned out;
    then those beyond it, feasible first order.
    """
    order = fitness.order()
    within, beyond = np.sort(order[fitness.feasible[order]]), order[~fitness.feasible[order]]
    points = np.column_stack([fitness.loss, price_of(fitness)])
    kept = np.empty(0, np.intp)
    while len(within) and len(kept) < count:
        loss, price = points[within].T
        no_worse = (loss[:, None] <= loss) & (price[:, None] <= price)
        dominated = (no_worse & ~no_worse.T).any(axis=0)
        front, within = within[~dominated], within[dominated]
        kept = np.concatenate([kept, front[_thinned(points[front], count - len(kept))]])
    return np.sort(np.concatenate([kept, beyond[: count - len(kept)]]))


def _thinned(points: Float[np.ndarray, "candidate 2"], count: int) -> Int[np.ndarray, " kept"]:
    """Places of `count` points of a front, ascending: the most crowded one leaves, again and again.

    Kukkonen & Deb (2006), "Improved Pruning of Non-Dominated Solutions Based on Crowding Distance for
    Bi-Objective Optimization Problems", IEEE Congress on Evolutionary Computation: dropping all at once
    by distances computed once leaves holes.
    """
    places = np.arange(len(points))
    while len(places) > count:
        places = np.delete(places, _crowding(points[places]).argmin())
    return places


def _crowding(points: Float[np.ndarray, "candidate 2"]) -> Float[np.ndarray, " candidate"]:
    """Distance between the neighbours of each, over the extent of the front; infinite at its ends."""
    distance = np.zeros(len(points))
    for values in points.T:
        order = values.argsort(kind="stable")
        ordered = values[order]
        extent = ordered[-1] - ordered[0]
        distance[order[[0, -1]]] = np.inf
        if extent > 0:
            distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / extent
    return distance
