"""A map instead of scores from 0 to 100: dimensions that share all items, and a loss that is a distance."""

from __future__ import annotations

import numpy as np
import pytest

from acculturate.model.fake import FakeModel
from acculturate.search import Fitness
from acculturate.survey.countries import load_countries
from acculturate.survey.forms import balanced_forms
from acculturate.survey.instrument import load_instrument
from acculturate.survey.scoring import Scoring
from acculturate.tuning.baselines import in_context_line
from acculturate.tuning.constraints import Constraints
from acculturate.tuning.objective import Objective

MAP = load_instrument("inglehart-welzel")
SWEDEN = load_countries("inglehart-welzel-2024")["Sweden"]


@pytest.mark.parametrize("reading", ["expected", "modal"])
@pytest.mark.parametrize("limit", [None, 0.1])
def test_stages_ask_everything_at_once_where_dimensions_share_their_items(reading, limit):
    prompts = np.random.default_rng(0).normal(size=(6, 2, 8)).astype(np.float32)
    whole, staged = (
        Objective(
            FakeModel(8),
            balanced_forms(MAP, "tuning"),
            Scoring(MAP),
            SWEDEN.vector(MAP),
            placement="front",
            reading=reading,
            constraints=Constraints(max_divergence=limit),
            stages=stages,
        ).evaluate(
            prompts,
            np.random.default_rng(0),
            None if stages == 1 else Fitness(np.zeros(6), np.zeros(6)),
        )
        for stages in (1, 2)
    )
    assert np.array_equal(whole.loss, staged.loss)
    assert np.array_equal(whole.scores, staged.scores)
    assert whole.loss == pytest.approx(np.hypot(*(whole.scores - SWEDEN.vector(MAP)).T), abs=1e-12)


def test_the_in_context_line_speaks_of_the_maps_own_range():
    assert in_context_line(SWEDEN, MAP.dimensions) == (
        "In Sweden, survival to self-expression is very high (3.59 on a scale around -1.5 to 3.5): "
        "self-expression: freedom, trust and a say; traditional to secular is high "
        "(0.63 on a scale around -1.5 to 1.5): secular: little weight on religion and authority. "
        "Answer as a person from Sweden would."
    )
