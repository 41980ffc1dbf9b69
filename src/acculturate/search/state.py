"""A search's state as plain arrays, so that a file can hold it without pickle.

A state is a dataclass of arrays, numbers and further dataclasses. The annotations of its fields say
what a file has to hold; an axis has the same length wherever its name stands.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar, cast, get_args, get_type_hints

import numpy as np
from jaxtyping import Float, Int, Shaped

from acculturate.errors import FailureError

State = dict[str, np.ndarray]
"""State of a search as plain arrays by name: what `Optimizer.state` returns and `Optimizer.restore` takes."""
Record = TypeVar("Record")

_SINGLE: Mapping[Any, Any] = {
    int: Int[np.ndarray, ""],
    float: Float[np.ndarray, ""],
    str: Shaped[np.ndarray, ""],
    np.random.Generator: Shaped[np.ndarray, ""],
    np.ndarray: Shaped[np.ndarray, "..."],
}


def damaged(what: str) -> FailureError:
    """Make the error for a state that was cut short, edited, or is not one of ours."""
    return FailureError(
        f"the saved state of the search is damaged: {what}",
        hint="Restore the file from a copy, or start the run again in a new directory.",
    )


def dump(record: object, prefix: str = "") -> State:
    """Return the fields of a record as arrays, copied; None is left out, a generator becomes JSON.

    A record within it adds its own fields, named after both: `parents_population`.
    """
    state: State = {}
    for name, value in vars(record).items():
        if is_dataclass(value):
            state |= dump(value, f"{prefix}{name}_")
        elif isinstance(value, np.random.Generator):
            text = json.dumps(value.bit_generator.state, default=np.ndarray.tolist)
            state[prefix + name] = np.array(text)
        elif value is not None:
            state[prefix + name] = np.array(value)
    return state


def with_prefix(state: Mapping[str, np.ndarray], prefix: str) -> State:
    """Return a state under longer names, to be kept beside others."""
    return {prefix + name: value for name, value in state.items()}


def under_prefix(state: Mapping[str, np.ndarray], prefix: str) -> State:
    """Return the part of a state that `with_prefix` named."""
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def load(
    kind: type[Record],
    state: Mapping[str, np.ndarray],
    lengths: dict[str, int],
    prefix: str = "",
    may_be_nan: Collection[str] = (),
) -> Record:
    """Return the record that `dump` gave.

    Args:
        kind: Its dataclass.
        state: As it came back from a file.
        lengths: Of axes, by name; those that are new are added.
        prefix: What `dump` was given.
        may_be_nan: Fields that may hold a NaN.

    Raises:
        FailureError: A field is missing or is not what its annotation says, or holds a NaN.
    """
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        key, alternatives = prefix + name, get_args(hint)
        if type(None) in alternatives and not any(there.startswith(key) for there in state):
            values[name] = None
            continue
        expected = alternatives[0] if alternatives else hint
        if is_dataclass(expected):
            values[name] = load(cast("type[Any]", expected), state, lengths, f"{key}_")
        else:
            value = _checked(key, _SINGLE.get(expected, expected), state, lengths, may_be_nan)
            values[name] = _generator(value) if expected is np.random.Generator else value
    try:
        return kind(**values)
    except ValueError as error:
        raise damaged(str(error)) from error


def _checked(
    key: str,
    expected: Any,
    state: Mapping[str, np.ndarray],
    lengths: dict[str, int],
    may_be_nan: Collection[str],
) -> Any:
    """Return one array, number or text of a state, proved to be what its annotation says."""
    if key not in state:
        raise damaged(f"`{key}` is missing")
    value = np.array(state[key])
    axes = zip(expected.dim_str.split(), value.shape, strict=False)
    if not isinstance(value, expected) or any(
        axis[0] != "..." and lengths.setdefault(*axis) != axis[1] for axis in axes
    ):
        raise damaged(
            f"`{key}` is {value.dtype} of shape {value.shape}, expected {expected.__name__} with "
            f"{lengths or 'any lengths'}"
        )
    if value.dtype.kind == "f" and key not in may_be_nan and np.isnan(value).any():
        raise damaged(f"`{key}` holds a NaN")
    return value if value.ndim else value.item()


def _generator(text: str) -> np.random.Generator:
    """Return the generator that `dump` wrote."""
    try:
        state = json.loads(text)
        bit_generator = getattr(np.random, state["bit_generator"])()
        bit_generator.state = state
        return np.random.Generator(bit_generator)
    except (AttributeError, ValueError, TypeError, LookupError, OverflowError) as error:
        raise damaged("the random generator cannot be read") from error
