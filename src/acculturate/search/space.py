"""Spaces: from the search vectors that an optimiser knows to soft prompts, and back for a gradient.

A space is fixed for a whole search; what is random in it is drawn once. Scales are given in the
entries of a prompt: `spread` is the standard deviation that the first prompts have around their base,
usually that of the embedding layer's output.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
from jaxtyping import Float, Int

from acculturate.errors import UsageError
from acculturate.search.fitness import Vectors

Prompts = Float[np.ndarray, "candidate token hidden"]

SPACES = ("full", "mixture", "demonstrations", "multitask")
"""Names of spaces; behind a colon stands a number, as in "mixture:64", or for "multitask" a directory."""

_WITHOUT_NUMBER = "full", "demonstrations"
_EXAMPLES = "full, mixture:64, demonstrations or multitask:DIRECTORY"

REMOVED: Mapping[str, str] = {
    "ball": "full with --max-divergence",
    "convex": "mixture:N",
    "low-rank": "mixture:N",
    "projection": "mixture:N",
}
"""Spaces of earlier versions, with what to use instead."""


class Space(ABC):
    """A map from search vectors to soft prompts.

    Args:
        base: Where the search starts, `[token, hidden]`.
        width: Entries of a search vector.
        spread: Standard deviation of the entries of the first vectors around their middle, which is zero
            or the base itself.

    Attributes:
        unit: Size of an entry's steps where the first vectors do not differ.
    """

    def __init__(self, base: Float[np.ndarray, "token hidden"], width: int, spread: float) -> None:
        self.base = np.array(base, np.float64)
        self.width = width
        self.spread = spread
        self.unit = 1.0
        self._middle = np.zeros(width)

    @final
    def first(self, size: int, rng: np.random.Generator) -> Vectors:
        """Draw a first population, float32; its first candidate is the middle of the others."""
        noise = rng.normal(size=(size, self.width)) * self.spread
        noise[0] = 0
        return (self._middle + noise).astype(np.float32)

    @final
    def prompts(self, vectors: Vectors) -> Prompts:
        """Return the soft prompts of search vectors, float32."""
        return self._prompts(vectors.astype(np.float64)).astype(np.float32)

    @final
    def backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        """Return gradients in the soft prompts as gradients in the search vectors."""
        return self._backward(vectors.astype(np.float64), gradients.astype(np.float64))

    @abstractmethod
    def _prompts(self, vectors: Vectors) -> Prompts: ...

    @abstractmethod
    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors: ...


@final
class Full(Space):
    """Every entry of the soft prompt is searched; the vector is the prompt itself.

    Args:
        base: The middle of the first population.
        spread: Standard deviation of the first population around it.
    """

    def __init__(self, base: Float[np.ndarray, "token hidden"], spread: float) -> None:
        super().__init__(base, base.size, spread)
        self._middle = self.base.ravel()

    def _prompts(self, vectors: Vectors) -> Prompts:
        return vectors.reshape(-1, *self.base.shape)

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        return gradients.reshape(len(vectors), -1)


@final
class Scaled(Space):
    """Every entry is searched, as its distance from the base in units of its own.

    Args:
        base: The prompt of the zero vector.
        units: Size of each entry of a row.
    """

    def __init__(
        self, base: Float[np.ndarray, "token hidden"], units: Float[np.ndarray, " hidden"]
    ) -> None:
        super().__init__(base, base.size, 1.0)
        self._units = units.astype(np.float64)

    def vectors(self, prompts: Prompts) -> Vectors:
        """Return the search vectors of soft prompts, float32."""
        return ((prompts - self.base) / self._units).reshape(len(prompts), -1).astype(np.float32)

    def _prompts(self, vectors: Vectors) -> Prompts:
        return self.base + vectors.reshape(-1, *self.base.shape) * self._units

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        return (gradients * self._units).reshape(len(vectors), -1)


@final
class Mixture(Space):
    """`base` plus, for every virtual token, a free linear mixture of the same real ones.

    Args:
        base: The prompt of the zero vector.
        real: Embeddings of the real tokens.
        spread: Of the first prompts around the base, as a multiple of the real tokens' own.
    """

    def __init__(
        self,
        base: Float[np.ndarray, "token hidden"],
        real: Float[np.ndarray, "real hidden"],
        spread: float,
    ) -> None:
        super().__init__(base, len(base) * len(real), spread / len(real) ** 0.5)
        self.unit = self.spread
        self._real = real.astype(np.float64)

    def _prompts(self, vectors: Vectors) -> Prompts:
        return self.base + vectors.reshape(-1, len(self.base), len(self._real)) @ self._real

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        return (gradients @ self._real.T).reshape(len(vectors), -1)


@final
class Choices(Space):
    """`base` with some places filled: every entry chooses among the alternatives of a place.

    The vector holds a number a place, 0 for its first alternative, 1 for its second, and so on; in between
    stands the mean of the two around it, weighted, and beyond the ends the last one.

    Args:
        base: The prompt around the places.
        places: First token of each, and what may stand there, `[alternative, token, hidden]`.
        start: The number at each place that the first vectors are around.
        spread: Standard deviation of the first vectors around it, in alternatives.
    """

    def __init__(
        self,
        base: Float[np.ndarray, "token hidden"],
        places: Sequence[tuple[int, Float[np.ndarray, "_ _ hidden"]]],
        start: Float[np.ndarray, " place"],
        spread: float,
    ) -> None:
        super().__init__(base, len(places), spread)
        self._places = [(at, rows.astype(np.float64)) for at, rows in places]
        self._middle = np.asarray(start, np.float64)

    def _prompts(self, vectors: Vectors) -> Prompts:
        prompts = np.repeat(self.base[None], len(vectors), axis=0)
        for (at, rows), numbers in zip(self._places, vectors.T, strict=True):
            low, share = _between(numbers, len(rows))
            share = share[:, None, None]
            mixed = rows[low] * (1 - share) + rows[low + 1] * share
            prompts[:, at : at + rows.shape[1]] = mixed
        return prompts

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        derivatives = np.zeros_like(vectors)
        for place, (at, rows) in enumerate(self._places):
            numbers = vectors[:, place]
            low, _ = _between(numbers, len(rows))
            step = rows[low + 1] - rows[low]
            within = (numbers >= 0) & (numbers <= len(rows) - 1)
            part = gradients[:, at : at + rows.shape[1]]
            derivatives[:, place] = within * (part * step).sum(axis=(1, 2))
        return derivatives


def _between(
    numbers: Float[np.ndarray, " candidate"], count: int
) -> tuple[Int[np.ndarray, " candidate"], Float[np.ndarray, " candidate"]]:
    """Return the alternative below each number, and how far it is from there to the next one."""
    inside = np.clip(numbers, 0, count - 1)
    low = np.minimum(inside.astype(int), count - 2)
    return low, inside - low


def read_name(name: str) -> tuple[str, int]:
    """Split "mixture:64" into its kind and its number, which is 0 where the kind has none.

    Raises:
        UsageError: There is no such space, or its number or directory is missing or out of range.
    """
    kind, _, number = name.strip().partition(":")
    kind = kind.lower()
    if kind in REMOVED:
        raise UsageError(f"the space {name!r} was removed in version 0.2", f"Use {REMOVED[kind]}.")
    if kind not in SPACES:
        raise UsageError(f"there is no space {name!r}", f"Use {_EXAMPLES}.")
    if kind == "multitask" and number:
        return kind, 0
    is_count = re.fullmatch(r"0*[1-9][0-9]{0,4}", number)
    if kind in _WITHOUT_NUMBER and number:
        raise UsageError(f"the space {name!r} takes no number", f"Write --space {kind}.")
    if kind not in _WITHOUT_NUMBER and not is_count:
        raise UsageError(
            f"the space {name!r} lacks a fitting number",
            f"Write {_EXAMPLES}; numbers go up to 99999.",
        )
    return kind, int(number or 0)
