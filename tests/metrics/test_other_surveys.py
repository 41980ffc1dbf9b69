"""Another survey as an independent check: which there is, and what it says of a known optimum."""

import numpy as np
import pytest

from acculturate.metrics.other_surveys import check_with, other_surveys
from acculturate.model import FakeModel, SoftPrompt
from acculturate.survey import load_countries, load_instrument


def test_surveys_check_each_other(vsm13):
    (check,) = other_surveys(vsm13, "China", "ar")
    assert (check.instrument.key, check.table.key) == ("inglehart-welzel", "inglehart-welzel-2024")
    assert check.country == load_countries("inglehart-welzel-2024")["China"]
    assert {form.language for form in check.forms} == {"ar"}
    assert {form.split for form in check.forms} == {"held-out"}
    for labels in ("words", "digits"):
        (back,) = other_surveys(check.instrument, "China", "en", labels)
        assert back.instrument.key == "vsm13"
        assert {form.label_kind for form in back.forms} == {labels}
        assert len(back.forms) == 96
    assert len(other_surveys(load_instrument("toy"), "China", "en")) == 2


def test_a_country_that_is_not_there(vsm13):
    (check,) = other_surveys(vsm13, "Saudi Arabia", "en")
    assert check.country is None
    with pytest.raises(ValueError):
        check_with(FakeModel(), SoftPrompt(np.zeros((1, 16)), "front", "fake"), check)


def test_a_prompt_made_for_a_place_on_the_map_is_nearer_to_it(vsm13):
    (survey,) = other_surveys(vsm13, "Sweden", "en")
    model = FakeModel(form_effect=0)
    # Sweden is far on the self-expression side: trust, petitions and tolerance.
    means = {"a165": 1.2, "e025": 1.3, "f118": 1.9, "f120": 1.9}
    soft = SoftPrompt(model.optimum(means, tokens=4, options=2 + 1), "front", "fake")
    check = check_with(model, soft, survey)
    assert check.gain == check.naive.loss - check.tuned.loss
    assert check.gain > 0
    assert check.aggregate == "distance"
    assert check.target == pytest.approx(dict(survey.country.scores))
    distance = np.hypot(*(check.tuned.scores[k] - check.target[k] for k in check.target))
    assert check.tuned.loss == pytest.approx(distance)
