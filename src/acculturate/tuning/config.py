"""The settings of a tuning run: checked once, written to config.toml, compared on resume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from acculturate.errors import UsageError
from acculturate.model.answers import Placement
from acculturate.model.soft_prompt import Init
from acculturate.search import Adam, Optimizer, read_name
from acculturate.survey.countries import Country
from acculturate.survey.forms import forms_asked_once
from acculturate.survey.instrument import Aggregate, Instrument
from acculturate.survey.scoring import Anchor, Reading
from acculturate.tuning.constraints import Constraints
from acculturate.tuning.penalty import Penalty

WEIGHT_FOR_GRADIENTS = 10.0
"""Points of loss a nat: with it the descents of docs/log.md stay below 0.1 nats a token."""


SPACE_FOR_ANSWERS = "mixture:64"
"""Where a search without gradients gets furthest: docs/choosing-an-optimizer.md."""


@dataclass(frozen=True)
class Settings:
    """What a run does, apart from who answers, what is asked and the optimiser.

    Attributes:
        budget: Evaluations at most; a whole number of generations fits into it. A candidate with its
            gradient counts for three.
        seed: Of everything random.
        tokens: Virtual tokens of the soft prompt.
        placement: Where it goes.
        space: What is searched; see `acculturate.search.space`. None: mixtures of 64 real tokens for a search
            by answers alone, every entry for one by gradients or from a start of its own.
        init: How the first population is made; see `start_population`. None: real tokens for a search by
            gradients, Gaussian for others.
        init_scale: Multiple of the embeddings' standard deviation. None: no noise around the start of
            a search by gradients, 1 for others.
        init_text: Start text of init "text".
        init_run: Run directory of init "run", or its soft prompt's file.
        forms: How many tuning forms a generation is asked; see `balanced_forms`. None: every item once in
            each option order.
        sample: Whether they are drawn anew from all tuning forms for each generation. The history then
            holds losses on what each generation was asked, the latest leader counts as the best, and in
            the end the last leaders are compared on `measured_forms`. None: drawn for a descent, which
            then carries over to forms it never saw (docs/log.md), unless something else is set that
            compares the losses of generations or says how many forms; the same ones for others.
        penalty: What counts where questionnaires (frame, order, language) differ: "mean", the loss of
            the mean scores; "worst", the largest loss of one; "spread", the loss of the mean scores plus
            their standard deviation.
        language: Of the forms.
        reading: How answers become numbers.
        respondents: Draws a form for the reading "sampled".
        anchor: The constants C.
        aggregate: How the differences to the target become a loss; None is the instrument's own.
        variant: Named variant of a dimension's formula.
        max_divergence: Limit on the guard's divergence, nats a token, handled feasible first.
        min_valid_mass: Least mean share of the options in the next token's probability, likewise.
        divergence_weight: Points of loss that a nat of divergence counts for in what is minimised.
            None: 10 for a search by gradients, 0 for others.
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
    space: str | None = None
    init: Init | None = None
    init_scale: float | None = None
    init_text: str | None = None
    init_run: str | None = None
    forms: int | None = None
    sample: bool | None = None
    penalty: Penalty = "mean"
    language: str = "en"
    reading: Reading = "expected"
    respondents: int = 100
    anchor: Anchor = "midpoint"
    aggregate: Aggregate | None = None
    variant: str | None = None
    max_divergence: float | None = None
    min_valid_mass: float | None = None
    divergence_weight: float | None = None
    target_loss: float | None = None
    stall: int | None = None
    stages: int = 1
    reject: bool = True

    @property
    def constraints(self) -> Constraints:
        """What alignment may cost."""
        return Constraints(self.max_divergence, self.min_valid_mass, self.divergence_weight or 0.0)

    def sample_size(self, instrument: Instrument) -> int | None:
        """Forms drawn for each generation; None where all are asked the same ones."""
        return (self.forms or forms_asked_once(instrument)) if self.sample else None

    @property
    def _own_start(self) -> bool:
        return any(given is not None for given in (self.init, self.init_text, self.init_run))

    def resolved(self, optimizer: Optimizer) -> Settings:
        """These settings with what an optimiser leaves open filled in for it."""
        descends = "gradient" in optimizer.requires
        if self.divergence_weight is None:
            weight = WEIGHT_FOR_GRADIENTS if descends else 0.0
            return replace(self, divergence_weight=weight).resolved(optimizer)
        if self.sample is None:
            compares = self.stall is not None or self.target_loss is not None or self.stages > 1
            drawn = isinstance(optimizer, Adam) and self.forms is None and not compares
            return replace(self, sample=drawn).resolved(optimizer)
        if self.space is None:
            full = descends or self._own_start
            return replace(self, space="full" if full else SPACE_FOR_ANSWERS).resolved(optimizer)
        if read_name(self.space)[0] == "mixture":  # made of real tokens: no other start
            return replace(self, init_scale=1.0 if self.init_scale is None else self.init_scale)
        init = self.init or ("tokens" if descends else "gaussian")
        scale = self.init_scale
        if scale is None:
            scale = 0.0 if descends and init != "gaussian" else 1.0
        return replace(self, init=init, init_scale=scale)

    def check(self, optimizer: Optimizer) -> None:
        """Refuses what cannot be run.

        Raises:
            UsageError: A number is out of range; the message names it.
        """
        first = optimizer.population_size * optimizer.evaluations_per_candidate
        if self.budget < first:
            raise UsageError(
                f"a budget of {self.budget} does not hold one population of {first} evaluations",
                f"Use --budget {first} or more, or a smaller --population.",
            )
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is negative", "Use 0 or a positive number.")
        for name in (
            "init_scale",
            "max_divergence",
            "min_valid_mass",
            "divergence_weight",
            "target_loss",
        ):
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
        self._check_start(optimizer)
        if self.sample and self.stages > 1:
            raise UsageError(
                "a trial is dropped early against a parent that was asked the same forms, and a sample "
                "is another one for each generation",
                "Use --stages 1, or no --sample.",
            )
        if self.sample and (self.stall is not None or self.target_loss is not None):
            raise UsageError(
                "losses on different samples of forms cannot be compared with one another or a target",
                "Use --stall and --target-loss without --sample.",
            )
        if self.min_valid_mass is not None and self.stages > 1:
            raise UsageError(
                "the valid mass is known when all forms were asked",
                "Use --stages 1 with a limit on it.",
            )
        if self.penalty not in get_args(Penalty):
            raise UsageError(
                f"unknown penalty {self.penalty!r}", f"Use {', '.join(get_args(Penalty))}."
            )
        if self.penalty != "mean" and self.stages > 1:
            raise UsageError(
                f"the penalty {self.penalty} is known when all forms were asked",
                "Use --stages 1 with it.",
            )
        if self.stages > 1 and self.reading == "sampled":
            raise UsageError(
                "the reading sampled draws respondents, so that a dropped trial would change the next",
                "Use --stages 1, or the reading expected or modal.",
            )

    def _check_start(self, optimizer: Optimizer) -> None:
        resolved = self.resolved(optimizer)
        kind, _ = read_name(resolved.space or "")
        if kind == "mixture":
            if self._own_start:
                raise UsageError(
                    f"the space {resolved.space} is made of real tokens and starts from them",
                    "Leave out --init, or use --space full.",
                )
            if self.init_scale == 0:
                raise UsageError(
                    f"an init scale of 0 makes all candidates of the space {resolved.space} alike",
                    "Use a positive number, such as 1.",
                )
            return
        if resolved.init not in get_args(Init):
            raise UsageError(f"unknown init {self.init!r}", f"Use {', '.join(get_args(Init))}.")
        alone = optimizer.population_size == 1 and resolved.init != "gaussian"
        if resolved.init_scale == 0 and resolved.init != "tokens" and not alone:
            raise UsageError(
                f"an init scale of 0 makes all candidates of init {resolved.init!r} alike",
                "Use a positive number, such as 1.",
            )
        for init, given, option in (
            ("text", self.init_text, "--init-text TEXT"),
            ("run", self.init_run, "--init-run DIRECTORY"),
        ):
            if given is not None and self.init != init:
                raise UsageError(
                    f"a start {init} is used by init {init!r} alone", f"Add --init {init}."
                )
            if self.init == init and not (given or "").strip():
                raise UsageError(f"a start at a {init} needs one", f"Give {option}.")


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
            "sample": settings.sample_size(instrument),
            "penalty": None if settings.penalty == "mean" else settings.penalty,
            "language": settings.language,
        },
        "search": {
            "optimizer": optimizer.name,
            "budget": settings.budget,
            "seed": settings.seed,
            "tokens": settings.tokens,
            "placement": settings.placement,
            "space": settings.space,
            "init": settings.init,
            "init_scale": settings.init_scale,
            "init_text": settings.init_text,
            "init_run": settings.init_run,
            "max_divergence": settings.max_divergence,
            "min_valid_mass": settings.min_valid_mass,
            "divergence_weight": settings.divergence_weight,
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


def _words(name: str) -> str:
    return name.replace("_", " ")
