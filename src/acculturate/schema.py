"""Files that people write, checked against types: the first fault as one sentence with its next step.

In: parsed TOML or JSON and the type it should have, a pydantic model or a dataclass of `Text`, `Whole`,
`Number` and `Flag`. Out: an instance, or an error that names the file, the place in it, the value and
the nearest known key. Just above `errors`, `io` and `formatting`; knows no survey.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from acculturate.errors import AcculturateError, UsageError
from acculturate.formatting import short, suggestion

T = TypeVar("T")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""Not empty, without the white space around it."""
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Flag = Annotated[bool, Strict()]

_HINTS = {
    "string_type": 'Write a text between quotes: "...".',
    "int_type": "Write a whole number.",
    "float_type": "Write a number.",
    "finite_number": "Write a finite number.",
    "bool_type": "Write true or false.",
}
_NO_TABLE = ("dict_type", "model_type", "dataclass_type", "model_attributes_type")
_NO_LIST = ("list_type", "tuple_type")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_EMPTY = ("string_too_short", "too_short")


class Section(BaseModel):
    """A table of a file; its keys are its fields, and no other is allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def fault(text: str, hint: str, *at: str | int) -> PydanticCustomError:
    """Return an error for a validator to raise, in the words that `explain` shows.

    Args:
        text: The fault as a predicate: "weigh nothing".
        hint: The next step, as a sentence.
        at: Keys and 0-based indices from the validated value to the part that is wrong.
    """
    return PydanticCustomError("fault", "{text}", {"text": text, "hint": hint, "at": at})


def validated(kind: type[T], values: object, file: str | Path) -> T:
    """Return `values` as an instance of `kind`.

    Args:
        kind: A `Section`, a dataclass, or any type that pydantic knows.
        values: Parsed TOML or JSON.
        file: Name of the file in a message.

    Raises:
        UsageError: They do not fit; the message is that of `explain`.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise explain(error, file, kind) from error


def explain(
    error: ValidationError,
    file: str | Path,
    kind: Any = None,
    raises: type[AcculturateError] = UsageError,
) -> AcculturateError:
    """Return the first fault of a file as an error to raise.

    Args:
        error: The error of pydantic.
        file: Name of the file in the message.
        kind: The type that was asked for; without it no key is suggested for a misspelt one.
        raises: Kind of the error: `FailureError` for a file that the program itself wrote.

    Returns:
        "FILE: items[3].scale is 'frequncy'", and the next step as its hint; lists count from 1.
    """
    # A misspelt key is also a missing one: what is there and unknown says more.
    faults = error.errors(include_url=False)
    first = next((one for one in faults if one["type"] in _UNKNOWN), faults[0])
    context = first.get("ctx", {})
    steps = [step for step in first["loc"] if step != "[key]"] + list(context.get("at", ()))
    what, hint = _words(first, steps, kind)
    return raises(f"{file}: {place(steps)} {what}" if steps else f"{file} {what}", hint)


def place(steps: Sequence[int | str]) -> str:
    """Return the dotted place of a value, lists counted from 1: `items[3].scale`."""
    dotted = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in steps)
    return dotted.removeprefix(".")


def _words(first: ErrorDetails, steps: Sequence[int | str], kind: Any) -> tuple[str, str]:
    """Return what is wrong and the next step."""
    code, value, context = first["type"], first["input"], first.get("ctx", {})
    if code == "fault":
        return context["text"], context["hint"]
    if code == "missing":
        present = ", ".join(map(str, value)) if isinstance(value, Mapping) else ""
        return "is missing", f"Add it; present here: {present or 'nothing'}."
    if code in _UNKNOWN:
        known = [] if kind is None else list(_known_keys(kind, steps[:-1]))
        return "is not known", suggestion(str(steps[-1]), known, "Known here")
    if code == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        near = suggestion(str(value), choices, "Write one of")
        listed = f"Write one of: {', '.join(choices)}."
        return f'is "{value}"', listed if near == listed else f"{near} {listed}"
    if code in _NO_TABLE:
        return f"is {shown(value)}, not a table", f"Write it as [{place(steps) or 'KEY'}]."
    if code in _NO_LIST:
        return f"is {shown(value)}, not a list with entries", f"Write {place(steps[-1:])} = [...]."
    if code in _EMPTY:
        return "is empty", "Fill it in."
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"is {shown(value)}", _HINTS.get(code, f"It should be {message}.")


def shown(value: object) -> str:
    """Return a value as a message shows it, cut where it is long."""
    return short(repr(value))


def _known_keys(kind: Any, steps: Sequence[int | str]) -> Iterator[str]:
    """Yield the keys that the type allows at a place, by its JSON schema."""
    schema: dict[str, Any] = TypeAdapter(kind).json_schema()

    def resolved(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if "$ref" in node:
            return resolved(schema["$defs"][node["$ref"].rpartition("/")[2]])
        return (
            [inner for part in node["anyOf"] for inner in resolved(part)]
            if "anyOf" in node
            else [node]
        )

    nodes = resolved(schema)
    for step in steps:
        below = [
            node.get("items") if isinstance(step, int) else _under(node, step) for node in nodes
        ]
        nodes = [
            inner
            for node in below
            if isinstance(node, dict)
            for inner in resolved(cast("Any", node))
        ]
    for node in nodes:
        yield from node.get("properties", {})


def _under(node: Mapping[str, Any], key: str) -> object:
    return node.get("properties", {}).get(key, node.get("additionalProperties"))
