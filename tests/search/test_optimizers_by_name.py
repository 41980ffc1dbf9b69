import re
from pathlib import Path

import pytest
from jaxtyping import TypeCheckError

from acculturate.errors import UsageError
from acculturate.search import OPTIMIZERS, DifferentialEvolution, by_name, summary, takes


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_makes_its_optimiser(name):
    settings = {"budget": 400} if takes(name, "budget") else {}
    assert by_name(name, **settings).name in (name, "de/best/1")


def test_de_alone_takes_a_strategy_and_any_case_is_understood():
    assert by_name("de", strategy="rand/1").name == "de/rand/1"
    assert by_name(" DE/Rand/1 ").name == "de/rand/1"
    assert by_name("de").name == DifferentialEvolution().name


def test_lists_of_a_configuration_file_are_understood():
    optimizer = by_name("de", F=[0.4, 0.9], bounds=[-1.0, 1.0])
    assert optimizer.settings()["F"] == [0.4, 0.9]
    assert optimizer.settings()["bounds"] == [-1.0, 1.0]


WRONG = [
    [],
    [1],
    [0.5, 0.6, 0.7],
    [[1], [2]],
    "x",
    {},
    True,
    None,
    float("nan"),
    -(10**400),
]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_value_that_no_setting_takes_is_refused_by_its_name(name, value):
    settings = {"budget": 400} if takes(name, "budget") else {}
    for setting in by_name(name, **settings).settings():
        if value is None and setting == "bounds":
            continue
        with pytest.raises((UsageError, TypeCheckError), match=setting):
            by_name(name, **settings | {setting: value})


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(UsageError, match="'l-shad'") as error:
        by_name("l-shad")
    assert error.value.hint and "'l-shade'" in error.value.hint
    with pytest.raises(UsageError, match="de/best/2"):
        by_name("de/best/2")


def test_an_unknown_setting_is_named_with_the_known_ones():
    with pytest.raises(UsageError, match="'temperature'") as error:
        by_name("de/best/1", temperature=1)
    assert error.value.hint == "It has population, F, CR, bounds."
    with pytest.raises(UsageError, match="'strategy'"):
        by_name("de/best/1", strategy="rand/1")


def test_a_missing_setting_is_named():
    with pytest.raises(UsageError, match="'budget'") as error:
        by_name("l-shade")
    assert error.value.hint


@pytest.mark.parametrize(
    ("name", "instead"),
    [("adam+de", "adam"), ("EKI", "l-shade"), ("jde", "l-shade"), ("shade", "l-shade")],
)
def test_a_removed_optimiser_is_refused_with_what_to_use_instead(name, instead):
    with pytest.raises(UsageError, match=f"{re.escape(name)}' was removed in version 0.2") as error:
        by_name(name)
    assert error.value.hint and instead in error.value.hint


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_table_of_the_docs_has_every_optimiser_with_its_summary(name):
    page = Path(__file__).parents[2] / "docs" / "choosing-an-optimizer.md"
    rows = [row for row in page.read_text("utf-8").splitlines() if f"`{name}`" in row]
    assert any(f"| {summary(name).removesuffix('.')} |" in row for row in rows)
