"""A method: an optimiser with settings of its own and of the run, as a comparison of methods names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acculturate.search import Optimizer, by_name, takes
from acculturate.tuning.settings import Settings, setting_fields

_LARGE_BUDGET = 10**6


@dataclass(frozen=True)
class Method:
    """An optimiser with settings that differ from the others'.

    Attributes:
        label: As it was written, such as "de/rand/1,space=mixture:64,F=0.7".
        optimizer: Name of the optimiser.
        own: Settings of the optimiser.
        settings: Fields of `Settings`.
    """

    label: str
    optimizer: str
    own: Mapping[str, Any]
    settings: Mapping[str, Any]

    def make(self, budget: int) -> Optimizer:
        """Make the optimiser, not started.

        Args:
            budget: Evaluations, for one that plans with them.
        """
        planned = {"budget": budget} if takes(self.optimizer, "budget") else {}
        return by_name(self.optimizer, **self.own, **planned)

    def chosen(self, shared: Mapping[str, Any], budget: int, **fixed: Any) -> Settings:
        """Return the settings of one run, checked and resolved.

        Args:
            shared: Fields of `Settings` that all methods share; the method's own come first.
            budget: Evaluations.
            fixed: Fields that no method changes.

        Raises:
            UsageError: They cannot be run.
        """
        settings = Settings(**{**shared, **self.settings}, budget=budget, **fixed)
        return settings.resolved(self.make(budget))


def make_method(label: str, optimizer: str, given: Mapping[str, Any]) -> Method:
    """Sort settings into those of the optimiser and those of the run.

    Raises:
        UsageError: The optimiser or a setting does not exist, or a value is of the wrong type.
    """
    names = setting_fields()
    of_run = {k: v for k, v in given.items() if k in names and not takes(optimizer, k)}
    Settings(**of_run)
    own = {key: value for key, value in given.items() if key not in of_run}
    method = Method(label, optimizer, own, of_run)
    method.make(_LARGE_BUDGET)
    return method
