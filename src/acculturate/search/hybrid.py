"""A descent, then a population: gradients where there are any, the real objective for the rest.

A gradient needs a smooth objective. Where the one that counts has steps (the likeliest option, generated
text), a descent on the smooth one brings the search near, and Differential Evolution goes on from there on
the real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.search.adam import Adam
from acculturate.search.differential_evolution import DifferentialEvolution
from acculturate.search.fitness import Fitness, Requirement
from acculturate.search.optimizer import COST_OF_A_GRADIENT, Optimizer
from acculturate.search.settings import Setting, check_budget, check_within
from acculturate.search.state import State, entry


@final
class Hybrid(Optimizer):
    """Adam from one start, then Differential Evolution around what it found.

    The second phase starts from the best candidate of the first and from copies of it with Gaussian
    noise.

    Args:
        budget: Evaluations of the whole search.
        population: Candidates a generation of the second phase.
        share: Share of the budget that the first phase takes.
        step: See `Adam`.
        noise: Standard deviation of the second phase's start around the best candidate, as a share of
            the deviation of that candidate's entries.

    Raises:
        UsageError: A setting is out of range, or the budget holds no generation of the second phase.
    """

    def __init__(
        self,
        budget: int,
        population: int = 20,
        share: float = 0.5,
        step: float = 0.05,
        noise: float = 0.1,
    ) -> None:
        check_within("share", share, 0.01, 0.99)
        check_within("noise", noise, 1e-6, 10.0)
        self._de = DifferentialEvolution(population)
        check_budget(budget, COST_OF_A_GRADIENT + population, "a step and then one population")
        descent = max(COST_OF_A_GRADIENT, int(share * budget))
        check_budget(
            budget, descent + population, f"a descent of {descent} and then one population"
        )
        self._adam = Adam(descent, step=step)
        super().__init__(1)
        self._budget, self._share, self._noise = int(budget), float(share), float(noise)
        self._step = float(step)
        self._steps = descent // COST_OF_A_GRADIENT
        self._told = 0
        self._descending = True

    @property
    def name(self) -> str:
        """See `Optimizer.name`."""
        return "adam+de"

    @property
    def requires(self) -> frozenset[Requirement]:
        """See `Optimizer.requires`: gradients, until the second phase."""
        return self._adam.requires if self._descending else frozenset()

    def settings(self) -> dict[str, Setting]:
        """See `Optimizer.settings`."""
        return {
            "budget": self._budget,
            "population": self._de.population_size,
            "share": self._share,
            "step": self._step,
            "noise": self._noise,
        }

    def thresholds(self) -> Fitness | None:
        """See `Optimizer.thresholds`."""
        return None if self._descending else self._de.thresholds()

    def _initialise(
        self, population: Float[np.ndarray, "candidate entry"], fitness: Fitness
    ) -> None:
        self._adam.start(population, np.random.default_rng(0))  # it draws nothing
        self._adam.ask()
        self._update(population, fitness)

    def _sample(self) -> Float[np.ndarray, "candidate entry"]:
        return (self._adam if self._descending else self._de).ask()

    def _update(self, candidates: Float[np.ndarray, "candidate entry"], fitness: Fitness) -> None:
        if not self._descending:
            self._de.tell(fitness)
            return
        self._adam.tell(fitness)
        self._told += 1
        if self._told == self._steps:
            self._descending = False
            self._size = self._de.population_size
            self._de.start(
                self._around(self._adam.best.vector),
                np.random.default_rng(int(self._rng.integers(2**63))),
            )

    def _around(self, best: Float[np.ndarray, " entry"]) -> Float[np.ndarray, "candidate entry"]:
        noise = self._rng.normal(size=(self._de.population_size, len(best)))
        noise[0] = 0
        return (best + noise * (self._noise * (float(best.std()) or 1.0))).astype(best.dtype)

    def _dump(self) -> State:
        phase = self._adam if self._descending else self._de
        inner = {f"inner_{key}": value for key, value in phase.state().items()}
        return inner | {"told": np.array(self._told)}

    def _load(self, state: Mapping[str, np.ndarray], width: int) -> None:
        self._told = int(entry(state, "told", (), "i"))
        self._descending = self._told < self._steps
        phase = self._adam if self._descending else self._de
        self._size = phase.population_size
        phase.restore(
            {k.removeprefix("inner_"): v for k, v in state.items() if k.startswith("inner_")}
        )

    def _check_first(self, population: Float[np.ndarray, "candidate entry"]) -> None:
        """See `Optimizer._check_first`: any will do."""
