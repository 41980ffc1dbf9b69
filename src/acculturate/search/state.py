"""A search's state as plain arrays, so that a file can hold it without pickle.

In: a random generator, and a mapping of arrays as it comes back from a file. Out: text, and arrays
proved to have the shape they must have. This file knows no algorithm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from acculturate.errors import FailureError

State = dict[str, np.ndarray]

_BIT_GENERATORS = {
    kind.__name__: kind
    for kind in (
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.MT19937,
        np.random.Philox,
        np.random.SFC64,
    )
}


def damaged(what: str) -> FailureError:
    """The error for a state that was cut short, edited, or is not one of ours."""
    return FailureError(
        f"the saved state of the search is damaged: {what}",
        hint="Restore the file from a copy, or start the run again in a new directory.",
    )


def entry(
    state: Mapping[str, np.ndarray], key: str, shape: tuple[int | None, ...], kind: str = "f"
) -> np.ndarray:
    """A copy of one array of a state, checked.

    Args:
        state: As it came back from a file.
        key: Which array.
        shape: Length of each axis, None where any will do.
        kind: Allowed `dtype.kind` letters.

    Raises:
        FailureError: The array is missing or has another shape or kind.
    """
    if key not in state:
        raise damaged(f"`{key}` is missing")
    value = np.array(state[key])
    fits = len(shape) == value.ndim and all(
        wanted is None or wanted == found for wanted, found in zip(shape, value.shape, strict=True)
    )
    if not fits or value.dtype.kind not in kind:
        wanted = (
            " x ".join("any" if length is None else str(length) for length in shape) or "single"
        )
        raise damaged(
            f"`{key}` is {value.dtype} of shape {value.shape}, expected {wanted} {kind!r}"
        )
    return value


def generator_to_text(rng: np.random.Generator) -> str:
    """The whole state of a random generator as JSON.

    Raises:
        ValueError: The generator is not one of numpy's own.
    """
    name = type(rng.bit_generator).__name__
    if name not in _BIT_GENERATORS:
        raise ValueError(f"a {name} generator cannot be saved; use numpy.random.default_rng")
    return json.dumps(rng.bit_generator.state, default=np.ndarray.tolist)


def generator_from_text(text: str) -> np.random.Generator:
    """The generator that `generator_to_text` wrote.

    Raises:
        FailureError: The text is not such a state.
    """
    try:
        state = json.loads(text)
        bit_generator = _BIT_GENERATORS[state["bit_generator"]]()
        bit_generator.state = state
    except (ValueError, TypeError, KeyError, OverflowError, IndexError) as error:
        raise damaged("the random generator cannot be read") from error
    return np.random.Generator(bit_generator)
