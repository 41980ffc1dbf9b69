"""Ways to move a model's answers without touching a weight, and the model asked under one.

In: a model, a treatment and forms. Out: the answers to the forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from acculturate.model import Answering, Answers, Query, SoftPrompt, SteeringVector, ask
from acculturate.survey import Context, Form

Treatment = SoftPrompt | SteeringVector | Context
"""A way to move a model's answers without touching a weight."""


def ask_state(
    model: Answering,
    treatment: Treatment | None,
    forms: Sequence[Form],
    *,
    valid_mass: bool = False,
    calibrated: bool = True,
    pool: Sequence[Form] = (),
) -> Answers:
    """Ask the model forms under a treatment, or untouched; the rest is as in `Query`."""
    query = Query(forms, valid_mass=valid_mass, calibrated=calibrated, pool=pool)
    if treatment is None:
        return ask(model, None, query)
    query, prompts = replace(query, forms=treatment.before(query.forms)), None
    if isinstance(treatment, SoftPrompt):
        query, prompts = replace(query, placement=treatment.placement), treatment.embeddings[None]
    elif isinstance(treatment, SteeringVector):
        query = replace(query, steering=treatment)
    return replace(ask(model, prompts, query), forms=tuple(forms))
