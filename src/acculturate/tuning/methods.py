"""A method: an optimiser with settings of its own and of the run, as a comparison of methods names it.

In: a name and settings, as somebody wrote them. Out: a checked `Method`, which makes optimisers and settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from acculturate.errors import UsageError
from acculturate.search import Optimizer, by_name, takes
from acculturate.tuning.config import Settings

_LARGE = 10**6


@dataclass(frozen=True)
class Method:
    """An optimiser with settings that differ from the others'.

    Attributes:
        label: As it was written, such as "de/rand/1,space=low-rank:2,F=0.7".
        optimizer: Name of the optimiser.
        own: Settings of the optimiser.
        settings: Fields of `Settings`.
    """

    label: str
    optimizer: str
    own: Mapping[str, Any]
    settings: Mapping[str, Any]

    def make(self, budget: int) -> Optimizer:
        """The optimiser, not started.

        Args:
            budget: Evaluations, for one that plans with them.
        """
        planned = {"budget": budget} if takes(self.optimizer, "budget") else {}
        return by_name(self.optimizer, **self.own, **planned)

    def chosen(self, shared: Mapping[str, Any], budget: int, **fixed: Any) -> Settings:
        """The settings of one run, checked and resolved.

        Args:
            shared: Fields of `Settings` that all methods share; the method's own come first.
            budget: Evaluations.
            fixed: Fields that no method changes.

        Raises:
            UsageError: They cannot be run.
        """
        optimizer = self.make(budget)
        settings = Settings(**{**shared, **self.settings}, budget=budget, **fixed)
        settings.check(optimizer)
        return settings.resolved(optimizer)


def make_method(label: str, optimizer: str, given: Mapping[str, Any]) -> Method:
    """Sorts settings into those of the optimiser and those of the run.

    Raises:
        UsageError: The optimiser or a setting does not exist, or a value is of the wrong kind.
    """
    own: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for key, value in given.items():
        if key not in SETTINGS or takes(optimizer, key):
            own[key] = value
        else:
            settings[key] = value
    check_settings(settings, f"the method {label!r}")
    method = Method(label, optimizer, own, settings)
    method.make(_LARGE)
    return method


SETTINGS: Mapping[str, Any] = get_type_hints(Settings)
"""The fields of `Settings` and what they may hold."""


def check_settings(given: Mapping[str, Any], where: str) -> None:
    """Refuses a value that is not of a setting's kind.

    Args:
        given: Fields of `Settings`.
        where: Where they stand, for the message.

    Raises:
        UsageError: One is not.
    """
    for key, value in given.items():
        if not _fits(value, SETTINGS[key]):
            raise UsageError(
                f"{key} cannot be {value!r}, as in {where}",
                f"See acculturate tune --help for --{key.replace('_', '-')}.",
            )


def _fits(value: object, hint: Any) -> bool:
    """Whether a value that was read is one of a setting's kind."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in inner
    if isinstance(origin, type) and issubclass(origin, Mapping):
        entries = cast("Mapping[object, object]", value) if isinstance(value, dict) else {}
        return bool(entries) and all(_fits(entry, inner[1]) for entry in entries.values())
    if inner:
        return any(_fits(value, one) for one in inner)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint
