"""Optimisers by name, as the command line and a run's configuration call them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, cast

from acculturate.errors import UsageError
from acculturate.search.adam import Adam
from acculturate.search.cma_es import CMAES, SepCMAES
from acculturate.search.differential_evolution import STRATEGIES, DifferentialEvolution
from acculturate.search.gde3 import GDE3
from acculturate.search.l_shade import LSHADE
from acculturate.search.optimizer import Optimizer
from acculturate.search.particle_swarm import ParticleSwarm
from acculturate.search.random_search import RandomSearch

_WITH_ONE_NAME = (Adam, LSHADE, ParticleSwarm, CMAES, SepCMAES, GDE3, RandomSearch)
OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    **{optimizer.name: optimizer for optimizer in _WITH_ONE_NAME},
    **{f"de/{strategy}": DifferentialEvolution for strategy in STRATEGIES},
    "de": DifferentialEvolution,
}
"""Every name that `by_name` knows, with its class; "de" alone is its default strategy."""

REMOVED: Mapping[str, str] = {
    "adam+de": "adam",
    "eki": "adam, or l-shade by answers alone",
    "jde": "l-shade",
    "shade": "l-shade",
}
"""Optimisers of earlier versions, with what to use instead."""


def summary(name: str) -> str:
    """Return one line on the optimiser of that name: the first line of its class."""
    return (inspect.getdoc(OPTIMIZERS[name]) or "").splitlines()[0]


def takes(name: str, setting: str) -> bool:
    """Return whether an optimiser has a setting; an unknown one has none."""
    make = OPTIMIZERS.get(name.strip().lower())
    return make is not None and setting in inspect.signature(make).parameters


def by_name(name: str, **settings: Any) -> Optimizer:
    """Make an optimiser.

    `by_name(optimizer.name, **optimizer.settings())` makes an equal one. A list, which is what a
    configuration file gives, stands for a tuple.

    Args:
        name: One of `OPTIMIZERS`; case does not matter.
        settings: The arguments of its class.

    Raises:
        UsageError: The name or a setting is unknown, or a setting is out of range.
    """
    wanted = name.strip().lower()
    if instead := REMOVED.get(wanted):
        raise UsageError(f"the optimiser {name!r} was removed in version 0.2", f"Use {instead}.")
    if wanted not in OPTIMIZERS:
        near = difflib.get_close_matches(wanted, OPTIMIZERS, n=1)
        meant = f"Did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"there is no optimiser {name!r}", hint=f"{meant}Choose one of {', '.join(OPTIMIZERS)}."
        )
    _, _, strategy = wanted.partition("/")
    parameters = dict(inspect.signature(OPTIMIZERS[wanted]).parameters)
    if strategy:
        del parameters["strategy"]
    for setting in settings:
        if setting not in parameters:
            raise UsageError(
                f"optimiser {wanted!r} has no setting {setting!r}",
                hint=f"It has {', '.join(parameters)}.",
            )
    for setting, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and setting not in settings:
            raise UsageError(
                f"optimiser {wanted!r} needs the setting {setting!r}",
                hint="Give it beside the name.",
            )
    for setting, value in settings.items():
        if isinstance(value, list):
            settings[setting] = tuple(cast("list[Any]", value))
    return OPTIMIZERS[wanted](**settings, **({"strategy": strategy} if strategy else {}))
