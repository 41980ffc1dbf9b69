"""The settings of a tuning run: checked once, written to config.toml, compared on resume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from acculturate.errors import UsageError
from acculturate.model.answers import Placement
from acculturate.model.soft_prompt import Init
from acculturate.search.optimizer import Optimizer
from acculturate.survey.countries import Country
from acculturate.survey.instrument import Aggregate, Instrument
from acculturate.survey.scoring import Anchor, Reading


@dataclass(frozen=True)
class Settings:
    """What a run does, apart from who answers, what is asked and the optimiser.

    Attributes:
        budget: Candidates to evaluate at most; a whole number of generations fits into it.
        seed: Of everything random.
        tokens: Virtual tokens of the soft prompt.
        placement: Where it goes.
        init: How the first population is made; see `start_population`.
        init_scale: Multiple of the embeddings' standard deviation.
        init_text: Start text of init "text".
        forms: Tuning forms of the objective; None asks every item once in each option order.
        language: Of the forms.
        reading: How answers become numbers.
        respondents: Draws a form for the reading "sampled".
        anchor: The constants C.
        aggregate: How the differences to the target become a loss; None is the instrument's own.
        variant: Named variant of a dimension's formula.
        max_divergence: Limit on the guard's divergence, nats a token, handled feasible first.
        target_loss: Stop when a feasible candidate is at or below it.
        stall: Stop after this many candidates without a better one.
        stages: In how many parts the dimensions are asked; from 2 on, a trial that is already beaten
            after a part is dropped, which changes nothing but the time. 1 asks everything at once.
        reject: False asks the parts of everyone, to check that.
    """

    budget: int = 400
    seed: int = 0
    tokens: int = 8
    placement: Placement = "front"
    init: Init = "gaussian"
    init_scale: float = 1.0
    init_text: str | None = None
    forms: int | None = None
    language: str = "en"
    reading: Reading = "expected"
    respondents: int = 100
    anchor: Anchor = "midpoint"
    aggregate: Aggregate | None = None
    variant: str | None = None
    max_divergence: float | None = None
    target_loss: float | None = None
    stall: int | None = None
    stages: int = 1
    reject: bool = True

    def check(self, optimizer: Optimizer) -> None:
        """Refuses what cannot be run.

        Raises:
            UsageError: A number is out of range; the message names it.
        """
        population = optimizer.population_size
        if self.budget < population:
            raise UsageError(
                f"a budget of {self.budget} does not hold one population of {population}",
                f"Use --budget {population} or more, or a smaller --population.",
            )
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is negative", "Use 0 or a positive number.")
        for name in ("init_scale", "max_divergence", "target_loss"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise UsageError(
                    f"{_words(name)} {value} is not a number from 0 on",
                    "Use 0 or a positive number.",
                )
        for name in ("tokens", "respondents", "stall", "stages"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} {value} is smaller than 1", "Use a whole number from 1.")
        if self.init not in get_args(Init):
            raise UsageError(f"unknown init {self.init!r}", f"Use {', '.join(get_args(Init))}.")
        if self.init_scale == 0 and self.init != "tokens":
            raise UsageError(
                f"an init scale of 0 makes all candidates of init {self.init!r} alike",
                "Use a positive number, such as 1.",
            )
        if self.init_text is not None and self.init != "text":
            raise UsageError("a start text is used by init 'text' alone", "Add --init text.")
        if self.init == "text" and not (self.init_text or "").strip():
            raise UsageError("a start at a text needs one", "Give --init-text TEXT.")
        if self.stages > 1 and self.reading == "sampled":
            raise UsageError(
                "the reading sampled draws respondents, so that a dropped trial would change the next",
                "Use --stages 1, or the reading expected or modal.",
            )


def to_toml(
    settings: Settings,
    forms: int,
    model: Mapping[str, str],
    instrument: Instrument,
    target: Country,
    optimizer: Optimizer,
) -> dict[str, Any]:
    """The effective settings as nested tables; what is not set is left out."""
    anchor = settings.anchor if isinstance(settings.anchor, str) else dict(settings.anchor)
    tables: dict[str, dict[str, Any]] = {
        "model": {key: model[key] for key in ("name", "revision", "dtype")},
        "survey": {
            "instrument": instrument.key,
            "table": target.table,
            "country": target.name,
            "anchor": anchor,
            "aggregate": settings.aggregate or instrument.aggregate,
            "variant": settings.variant,
            "reading": settings.reading,
            "respondents": settings.respondents if settings.reading == "sampled" else None,
            "forms": forms,
            "language": settings.language,
        },
        "search": {
            "optimizer": optimizer.name,
            "budget": settings.budget,
            "seed": settings.seed,
            "tokens": settings.tokens,
            "placement": settings.placement,
            "init": settings.init,
            "init_scale": settings.init_scale,
            "init_text": settings.init_text,
            "max_divergence": settings.max_divergence,
            "target_loss": settings.target_loss,
            "stall": settings.stall,
            "stages": settings.stages,
            "reject": settings.reject,
            "settings": optimizer.settings(),
        },
    }
    return {
        name: {key: value for key, value in table.items() if value is not None}
        for name, table in tables.items()
    }


def first_difference(
    saved: Mapping[str, Any], asked: Mapping[str, Any], at: str = ""
) -> str | None:
    """The first setting in which two configurations differ, in words, or None."""
    for key in [*saved, *(k for k in asked if k not in saved)]:
        name = f"{at}{key}"
        here, there = saved.get(key), asked.get(key)
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            inner = first_difference(here, there, f"{name}.")  # pyright: ignore[reportUnknownArgumentType]
            if inner:
                return inner
        elif here != there:
            return f"{name} is {_shown(here)} there and {_shown(there)} here"
    return None


def _shown(value: object) -> str:
    return "not set" if value is None else repr(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
