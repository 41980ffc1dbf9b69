"""Settings, said once: what is refused and how, and where else they stand."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from tuning_runs import tune_toy

from acculturate.errors import UsageError
from acculturate.tuning import Settings, allowed_values, setting_fields


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"tokns": 8}, "there is no setting 'tokns'", "Did you mean tokens?"),
        ({"stages": 2}, "there is no setting 'stages'", "The settings are: budget, "),
        ({"tokens": 0}, "tokens 0 is out of range", "a whole number from 1 to 4096 for --tokens"),
        ({"tokens": 10**9}, "tokens 1000000000 is out of range", "from 1 to 4096 for --tokens"),
        ({"respondents": 10**9}, "respondents 1000000000 is out of", "from 1 to 100000"),
        ({"tokens": "8"}, "tokens cannot be '8'", "a whole number from 1"),
        ({"tokens": 2.5}, "tokens cannot be 2.5", "a whole number from 1"),
        ({"tokens": True}, "tokens cannot be True", "a whole number from 1"),
        ({"init_scale": "much"}, "init_scale cannot be 'much'", "a number from 0 for --init-scale"),
        ({"sample": 1}, "sample cannot be 1", "true or false"),
        ({"language": 5}, "language cannot be 5", "a text"),
        ({"objective": "items"}, "objective cannot be 'items'", "Use scores, shift or mean-shift"),
        (
            {"labels": "words,runes"},
            "labels cannot be 'words,runes'",
            "several, such as words,digits",
        ),
        ({"anchor": {"planning": "x"}}, "anchor cannot be {'planning': 'x'}", "midpoint, zero or"),
    ],
)
def test_a_wrong_setting_fields_itself_the_value_and_what_is_allowed(
    settings: dict[str, Any], message: str, hint: str, tmp_path
):
    for refused in (lambda: Settings(**settings), lambda: tune_toy(tmp_path / "run", **settings)):
        with pytest.raises(UsageError) as caught:
            refused()
        assert message in str(caught.value)
        assert hint in (caught.value.hint or "")
    assert not (tmp_path / "run").exists()


def test_settings_are_frozen_compared_and_sent_to_other_processes():
    settings = Settings(max_divergence=1, anchor={"planning": 50})
    assert settings.max_divergence == 1.0 and settings.budget == 400
    assert replace(settings, seed=3) == Settings(
        max_divergence=1.0, anchor={"planning": 50.0}, seed=3
    )
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301
    assert Settings(**vars(settings)) == settings
    with pytest.raises(FrozenInstanceError):
        settings.seed = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_every_setting_says_what_it_allows():
    assert all(allowed_values(name) for name in setting_fields())
    assert allowed_values("init_scale") == "a number from 0"
    assert allowed_values("aggregate") == "mean, sum or distance"
