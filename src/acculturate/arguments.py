"""Arguments of public functions, checked against their annotations before anything is spent.

In: a function. Out: the same function, which refuses an argument of another type with one sentence that
says what to pass. Just above `schema`; knows the names of our types, not the types.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce, wraps
from operator import or_
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError, create_model

from acculturate.errors import UsageError
from acculturate.schema import shown

P = ParamSpec("P")
R = TypeVar("R")

Seed = Annotated[int, Field(ge=0)]
"""Starts a stream of random numbers: 0 or more."""
Count = Annotated[int, Field(ge=1)]
"""A number of things, at least one."""

_STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True, protected_namespaces=())
_PLAIN = ("builtins", "pathlib", "collections.abc")
_EXAMPLES: Mapping[str, str] = {
    "AnswerModel": 'load_model("embedded")',
    "LanguageModel": 'load_model("embedded")',
    "Instrument": 'load_instrument("vsm13")',
    "Country": 'load_countries("hofstede-insights")["China"]',
    "CountryTable": 'load_countries("hofstede-insights")',
    "Optimizer": "Adam(budget=400)",
    "Scoring": "Scoring(instrument)",
    "SoftPrompt": 'Run.load("runs/china").soft_prompt',
    "Run": 'Run.load("runs/china")',
    "Exam": 'Exam((load_benchmark("acculturate-culture-easy"),))',
    "Experiment": 'load_experiment("smoke")',
    "Form": 'balanced_forms(instrument, "tuning")',
}
"""An expression that gives a value of each type."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function refuse arguments that its annotations do not allow.

    A class stands for its instances, a protocol for what has its methods; everything else is checked as
    pydantic does it, strictly. The call raises a `UsageError` that names the argument and what to pass.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        _check(function, signature.bind(*arguments, **options).arguments)
        return function(*arguments, **options)

    return call


def checked_fields(kind: type[R]) -> type[R]:
    """Make a dataclass refuse fields that their annotations do not allow, as `checked` does."""
    kind.__init__ = checked(kind.__init__)
    return kind


def _check(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    kinds, model = _parameters(function)
    try:
        model.model_validate(given)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        value, kind = given[name], type(given[name])
        described = shown(value)
        if kind.__module__ not in ("builtins", "numpy"):
            described = f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"
        if lacking := _lacking(kinds[name], value):
            described += f", which has no {', '.join(lacking)}"
        what = f"{name} of {function.__qualname__.removesuffix('.__init__')}()"
        raise UsageError(f"{what} is {described}", f"Pass {_wanted(kinds[name])}.") from error


@cache
def _parameters(function: Callable[..., Any]) -> tuple[Mapping[str, Any], type[BaseModel]]:
    """Return the type of each parameter, and all of them as fields that none has to have."""
    hints = get_type_hints(function, include_extras=True)
    kinds = {
        parameter.name: hints[parameter.name]
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD and parameter.name in hints
    }
    fields: dict[str, Any] = {name: (_instances(kind), None) for name, kind in kinds.items()}
    return kinds, create_model("Arguments", __config__=_STRICT, **fields)


def _instances(kind: Any) -> Any:
    """Return a type in which each class of ours stands for its instances, whatever fields it has."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return reduce(or_, map(_instances, parts))
    if origin is Sequence:
        return Sequence[_instances(parts[0])]
    if origin is None and inspect.isclass(kind) and kind.__module__ not in _PLAIN:
        return InstanceOf[kind]
    return kind


def _wanted(kind: Any) -> str:
    """Describe the values of a type."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in (Union, types.UnionType):
        return " or ".join(map(_wanted, parts))
    if origin is Annotated:
        return f"{_wanted(parts[0])} from {parts[1].metadata[0].ge}"
    if origin is Sequence:
        return f"a sequence of {_wanted(parts[0])}"
    name = "None" if kind is type(None) else getattr(origin or kind, "__name__", str(kind))
    return f"{name} ({_EXAMPLES[name]})" if name in _EXAMPLES else name


def _lacking(kind: Any, value: Any) -> list[str]:
    """Return the members of a protocol that a value lacks; none where it has none of them at all."""
    members = [name for name in dir(kind) if name[0] != "_"] if _is_protocol(kind) else []
    lacking = [name for name in members if not hasattr(value, name)]
    return lacking if len(lacking) < len(members) else []


def _is_protocol(kind: Any) -> bool:
    return bool(getattr(kind, "_is_protocol", False))
