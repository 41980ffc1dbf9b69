"""Scenarios as data: those that come with the package are balanced; faults of a user's file are named."""

import tomllib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from acculturate.errors import UsageError
from acculturate.metrics.scenarios import (
    DATA,
    action_forms,
    choice_forms,
    judge_forms,
    load_scenarios,
)
from acculturate.survey import load_instrument

FILE = (DATA / "vsm13.toml").read_text("utf-8")


@pytest.fixture(scope="module")
def scenarios(vsm13):
    return load_scenarios(vsm13)


def test_there_are_eight_a_dimension_and_no_pole_is_longer(scenarios, vsm13):
    assert Counter(scenarios.dimensions) == {d.key: 8 for d in vsm13.dimensions}
    for key in set(scenarios.dimensions):
        own = [s for s in scenarios.scenarios if s.dimension == key]
        words = [len(s.high.split()) - len(s.low.split()) for s in own]
        assert max(map(abs, words)) <= 1 and sum(words) == 0
        assert abs(np.mean([len(s.high) - len(s.low) for s in own])) < 7
    for scenario in scenarios.scenarios:
        assert scenario.text.endswith(("What do you do?", "What do you say?"))
        assert scenario.high.startswith("I ") and scenario.low.startswith("I ")
    assert Counter(q.dimension for q in scenarios.judge.questions) == {
        d.key: 4 for d in vsm13.dimensions
    }


def test_no_scenario_is_an_item_in_other_words(scenarios, vsm13):
    """No five words of an item's wordings stand in a scenario."""

    def runs(text):
        words = text.casefold().split()
        return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}

    items = set().union(*(runs(w) for ws in vsm13.language("en").wordings.values() for w in ws))
    for each in scenarios.scenarios:
        assert not items & (runs(each.text) | runs(each.high) | runs(each.low))


def test_forms(scenarios):
    actions, choices = action_forms(scenarios), choice_forms(scenarios)
    assert (len(actions), len(choices)) == (144, 288)
    first = scenarios.scenarios[0]
    assert actions[0].labels == (first.high, first.low)
    assert (actions[0].order, actions[0].word_set) == ("unlisted", 0)
    assert first.high not in actions[0].text
    listed, other = choices[:2]
    assert f"A. {first.high}\nB. {first.low}" in listed.text and listed.options == (0, 1)
    assert f"A. {first.low}\nB. {first.high}" in other.text and other.options == (1, 0)
    assert (listed.order, other.order) == ("forward", "reversed")
    judged = judge_forms(scenarios, scenarios.judge, ("{question}\n {answer} ",) + ("x",) * 23)
    assert len(judged) == 24 and len(judged[0]) == 2
    assert judged[0][0].text.endswith("company?\nA person answers: {question} {answer}")
    assert judged[0][0].cue == "This person thinks that"


def test_an_instrument_without_scenarios(toy, vsm13, tmp_path):
    assert set(load_scenarios(toy).dimensions) == {"planning", "company"}
    with pytest.raises(UsageError, match="no scenarios for portrait-values") as caught:
        load_scenarios(load_instrument("portrait-values"))
    assert "--scenarios" in caught.value.hint
    elsewhere = replace(toy, key="../scenarios/toy")
    with pytest.raises(UsageError, match="no scenarios for"):
        load_scenarios(elsewhere)
    own = tmp_path / "own.toml"
    own.write_text(FILE)
    with pytest.raises(UsageError, match="scenarios for vsm13, not for toy"):
        load_scenarios(toy, own)
    assert load_scenarios(vsm13, own) == load_scenarios(vsm13)
    with pytest.raises(UsageError, match="does not exist"):
        load_scenarios(vsm13, tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('dimension = "pdi"', 'dimension = "pid"', "vsm13 has no dimension 'pid'"),
        ('basis = "A good', 'basic = "A good', r"scenarios\[1\].basic is not known"),
        (
            'low = "I let the team try both and take their favourite."',
            'low = "I choose one"',
            r'scenarios\[1\].low is "I choose one", and the other pole has',
        ),
        ('\\n{scenario}"\nlabels', '"\nlabels', r"plain.words holds \{scenario\} 0 times"),
        ('{options}"\n\n[frames.survey', '"\n\n[frames.survey', r"labels holds \{options\} 0"),
        ('{scenario}"\nlabels', '{scenario}{options}"\nlabels', r"words holds \{options\} 1"),
        ("A person answers: {answer}", "A person answers", r"judge.text holds \{answer\} 0"),
        (
            ', "a boss, a parent or a teacher may be contradicted."',
            "",
            "low has 1 statements and high has 2",
        ),
        ("[judge.statements.ivr]", "[judge.statements.xyz]", '"ivr", which has no statements'),
        ('cue = "Answer:"', 'cue = ""', "cue is empty"),
        ("[[scenarios]]\ndimension", "[scenarios]\ndimension", "not valid TOML"),
    ],
)
def test_faults_of_a_file_are_named(vsm13, tmp_path, old, new, message):
    assert old in FILE
    file = tmp_path / "mine.toml"
    file.write_text(FILE.replace(old, new, 1))
    with pytest.raises(UsageError, match=message) as caught:
        load_scenarios(vsm13, file)
    assert "mine.toml" in str(caught.value) and caught.value.hint


def test_the_same_situation_twice(vsm13, tmp_path):
    values = tomllib.loads(FILE)
    text = values["scenarios"][0]["text"]
    file = tmp_path / "mine.toml"
    file.write_text(FILE.replace(values["scenarios"][1]["text"], text))
    with pytest.raises(UsageError, match=r"scenarios\[2\].text repeats"):
        load_scenarios(vsm13, file)
