"""Faults of files that people write: place, value and next step."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, with_config

from acculturate.errors import FailureError, UsageError
from acculturate.schema import Flag, Number, Section, Text, Whole, explain, fault, validated


def _even(number: int) -> int:
    if number % 2:
        raise fault("is odd", "Write an even number.")
    return number


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise fault(f'is "{name}" again', "Write each once.", index)
    return names


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class Item:
    scale: Text
    weight: Number = 1.0


class File(Section):
    title: Text
    items: tuple[Item, ...] = ()
    tables: dict[str, Item] = Field(default_factory=dict[str, Item])
    kind: Literal["mean", "sum"] = "mean"
    pairs: Annotated[int, AfterValidator(_even)] = 2
    count: Annotated[Whole, Field(ge=2, le=26)] = 2
    names: Annotated[tuple[Text, ...], AfterValidator(_distinct)] = ()
    evaluate: Flag = False
    maybe: Item | None = None


ITEM = {"scale": "frequency"}


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"titel": "x"}, "my.toml: titel is not known", "Did you mean title"),
        ({"kind": "sum"}, "title is missing", "Add it; present here: kind."),
        ({"items": [ITEM, {"scal": "x"}]}, "items[2].scal is not known", "Did you mean scale?"),
        ({"tables": {"a": {"zzz": 1}}}, "tables.a.zzz is not known", "Known here: scale, weight."),
        ({"maybe": {"wait": 1}}, "maybe.wait is not known", "Did you mean weight?"),
        ({"items": [{"scale": 3}]}, "items[1].scale is 3", "Write a text between quotes"),
        ({"items": [{"scale": " "}]}, "items[1].scale is empty", "Fill it in."),
        ({"tables": {"a": "x"}}, "tables.a is 'x', not a table", "Write it as [tables.a]."),
        ({"tables": {"a": {**ITEM, "weight": "1"}}}, "tables.a.weight is '1'", "Write a number."),
        ({"items": 1}, "items is 1, not a list", "Write items = [...]."),
        ({"kind": "sun"}, 'kind is "sun"', "Did you mean sum? Write one of: mean, sum."),
        ({"kind": "x"}, 'kind is "x"', "Write one of: mean, sum."),
        ({"pairs": 3}, "pairs is odd", "Write an even number."),
        ({"names": ["a", "b", "a"]}, 'names[3] is "a" again', "Write each once."),
        ({"count": 27}, "count is 27", "It should be less than or equal to 26."),
        ({"count": 3.0}, "count is 3.0", "Write a whole number."),
        ({"evaluate": "no"}, "evaluate is 'no'", "Write true or false."),
        (7, "my.toml is 7, not a table", ""),
    ],
)
def test_the_first_fault_is_named(values: Any, message: str, hint: str):
    whole = (
        {"title": "T", **values}
        if isinstance(values, dict) and values != {"kind": "sum"}
        else values
    )
    with pytest.raises(UsageError) as caught:
        validated(File, whole, "my.toml")
    assert str(caught.value).startswith("my.toml")
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_what_fits_is_an_instance():
    read = validated(File, {"title": " T ", "items": [ITEM], "names": ["a"]}, "my.toml")
    assert read.items == (Item("frequency"),)
    assert (read.title, read.names) == ("T", ("a",))


def test_a_file_of_the_program_itself_is_a_failure():
    with pytest.raises(ValidationError) as caught:
        File.model_validate({})
    assert isinstance(explain(caught.value, "run.json", raises=FailureError), FailureError)
