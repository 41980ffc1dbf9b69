"""A map instead of scores from 0 to 100: dimensions that share all items, and a loss that is a distance."""

from __future__ import annotations

import numpy as np
import pytest

from acculturate.model import FakeModel
from acculturate.survey import load_countries, load_instrument
from acculturate.tuning import Objective, Settings, in_context_line, make_task

MAP = load_instrument("inglehart-welzel")
SWEDEN = load_countries("inglehart-welzel-2024")["Sweden"]


def test_the_loss_is_the_distance_on_the_map():
    objective = Objective(FakeModel(8), make_task(MAP, SWEDEN, Settings(objective="scores")))
    prompts = np.random.default_rng(0).normal(size=(6, 2, 8)).astype(np.float32)
    found = objective.evaluate(prompts, np.random.default_rng(0))
    assert found.loss == pytest.approx(np.hypot(*(found.scores - SWEDEN.vector(MAP)).T), abs=1e-12)


def test_the_in_context_line_speaks_of_the_maps_own_range():
    assert in_context_line(SWEDEN, MAP.dimensions) == (
        "In Sweden, survival to self-expression is very high (3.59 on a scale around -1.5 to 3.5): "
        "self-expression: freedom, trust and a say; traditional to secular is high "
        "(0.63 on a scale around -1.5 to 1.5): secular: little weight on religion and authority. "
        "Answer as a person from Sweden would."
    )
