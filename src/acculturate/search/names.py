"""Optimisers by name, as the command line and a run's configuration call them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any, cast

from acculturate.errors import UsageError
from acculturate.search.adam import Adam
from acculturate.search.cma_es import CMAES, SepCMAES
from acculturate.search.differential_evolution import STRATEGIES, DifferentialEvolution
from acculturate.search.gde3 import GDE3
from acculturate.search.hybrid import Hybrid
from acculturate.search.jde import JDE
from acculturate.search.kalman import KalmanInversion
from acculturate.search.l_shade import LSHADE
from acculturate.search.optimizer import Optimizer
from acculturate.search.particle_swarm import ParticleSwarm
from acculturate.search.random_search import RandomSearch
from acculturate.search.shade import SHADE

_KINDS: dict[str, Callable[..., Optimizer]] = {
    "de": DifferentialEvolution,
    "jde": JDE,
    "shade": SHADE,
    "l-shade": LSHADE,
    "eki": KalmanInversion,
    "pso": ParticleSwarm,
    "cma-es": CMAES,
    "sep-cma-es": SepCMAES,
    "gde3": GDE3,
    "random": RandomSearch,
    "adam": Adam,
    "adam+de": Hybrid,
}

NAMES: tuple[str, ...] = (*_KINDS, *(f"de/{strategy}" for strategy in STRATEGIES))
"""Every name that `by_name` knows; "de" alone is its default strategy."""


def takes(name: str, setting: str) -> bool:
    """Whether an optimiser has a setting; an unknown one has none."""
    make = _KINDS.get(name.strip().lower().partition("/")[0])
    return make is not None and setting in inspect.signature(make).parameters


def by_name(name: str, **settings: Any) -> Optimizer:
    """Makes an optimiser.

    `by_name(optimizer.name, **optimizer.settings())` makes an equal one. A list, which is what a
    configuration file gives, stands for a tuple.

    Args:
        name: One of `NAMES`; case does not matter.
        settings: The arguments of its class.

    Raises:
        UsageError: The name or a setting is unknown, or a setting is out of range.
    """
    wanted = name.strip().lower()
    if wanted not in NAMES:
        near = difflib.get_close_matches(wanted, NAMES, n=1)
        meant = f"Did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"there is no optimiser {name!r}", hint=f"{meant}Choose one of {', '.join(NAMES)}."
        )
    kind, _, strategy = wanted.partition("/")
    make = _KINDS[kind]
    known = [setting for setting in inspect.signature(make).parameters if setting != "sampler"]
    if strategy:
        known.remove("strategy")
    for setting in settings:
        if setting not in known:
            raise UsageError(
                f"optimiser {wanted!r} has no setting {setting!r}",
                hint=f"It has {', '.join(known)}.",
            )
    for setting, parameter in inspect.signature(make).parameters.items():
        if parameter.default is inspect.Parameter.empty and setting not in settings:
            raise UsageError(
                f"optimiser {wanted!r} needs the setting {setting!r}",
                hint="Give it beside the name.",
            )
    given = {key: _unlisted(value) for key, value in settings.items()}
    return make(**given, **({"strategy": strategy} if strategy else {}))


def _unlisted(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value
