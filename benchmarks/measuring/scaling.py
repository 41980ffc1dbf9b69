"""Growth of the population evaluator's cost with forms and candidates.

In: a language model and a questionnaire. Out: a `Scaling`, the fastest of several rounds for every cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from acculturate.errors import UsageError
from acculturate.model.answers import Placement, Query
from acculturate.model.language_model import LanguageModel
from acculturate.survey.instrument import Instrument
from measuring import machine
from measuring.setting import VIRTUAL_TOKENS, about, bench_forms, gaussian_population
from measuring.work import population_work

FORMS = (24, 48, 96)
CANDIDATES = (10, 20, 40)


@dataclass(frozen=True)
class Scaling:
    """Cost over forms and candidates.

    Attributes:
        model: The model's name.
        placement: Where the soft prompts stood.
        seconds: Number of forms, number of candidates, seconds of the fastest round.
        tokens: Number of forms to tokens computed for a candidate.
        about: Machine and versions.
    """

    model: str
    placement: Placement
    seconds: tuple[tuple[int, int, float], ...]
    tokens: dict[int, int]
    about: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        cells = [
            {"forms": forms, "candidates": candidates, "seconds": seconds}
            for forms, candidates, seconds in self.seconds
        ]
        tokens = {str(forms): tokens for forms, tokens in self.tokens.items()}
        return {
            "model": self.model,
            "placement": self.placement,
            "scaling": cells,
            "tokens_per_candidate": tokens,
            **self.about,
        }


def scaling(
    model: LanguageModel,
    instrument: Instrument,
    *,
    forms: Sequence[int] = FORMS,
    candidates: Sequence[int] = CANDIDATES,
    rounds: int = 3,
    placement: Placement = "front",
    progress: Callable[[str], None] = lambda _: None,
) -> Scaling:
    """Time the population evaluator over numbers of forms and of candidates, every cell once a round.

    Args:
        model: Who is asked.
        instrument: Where the forms come from; see `bench_forms`.
        forms: Numbers of forms.
        candidates: Numbers of candidates.
        rounds: Turns of every cell.
        placement: Where the soft prompts go.
        progress: Called with a sentence at every step.

    Raises:
        UsageError: No rounds, or no such number of forms.
    """
    if rounds < 1:
        raise UsageError(f"{rounds} rounds measure nothing", "Give at least 1.")
    device: torch.device = model.network.device
    asked = {count: Query(bench_forms(instrument, count), placement=placement) for count in forms}
    population = gaussian_population(model, max(candidates))
    for count in forms:
        progress(f"first pass: {count} forms")
        model.ask(population[:1], asked[count])
    cells = [(count, size) for count in forms for size in candidates]
    fastest = dict.fromkeys(cells, float("inf"))
    for turn in range(rounds):
        for count, size in cells:
            progress(f"round {turn + 1} of {rounds}: {count} forms, {size} candidates")
            _, spent = machine.timed(device, model.ask, population[:size], asked[count])
            fastest[count, size] = min(fastest[count, size], spent)
    tokens = {
        count: population_work(model, asked[count].forms, VIRTUAL_TOKENS, placement).tokens
        for count in forms
    }
    return Scaling(
        model=model.name,
        placement=placement,
        seconds=tuple((*cell, fastest[cell]) for cell in cells),
        tokens=tokens,
        about=about(model),
    )
