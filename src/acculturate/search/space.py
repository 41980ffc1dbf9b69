"""Spaces: what a search vector means as a soft prompt.

In: search vectors, which is all that an optimiser knows. Out: soft prompts, and the way back for a
gradient. A space is fixed for a whole search: what is random in it is drawn once.

Scales are given in the entries of a prompt: `spread` is the standard deviation that the first prompts
have around their base, usually that of the embedding layer's output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError

Prompts = Float[np.ndarray, "candidate token hidden"]
Vectors = Float[np.ndarray, "candidate entry"]

KINDS = ("full", "ball", "projection", "low-rank", "mixture", "convex")
"""Names of spaces; all but "full" take a number behind a colon, as in "projection:500"."""


class Space(ABC):
    """A map from search vectors to soft prompts.

    Args:
        base: Where the search starts, `[token, hidden]`.
        width: Entries of a search vector.
    """

    def __init__(self, base: Float[np.ndarray, "token hidden"], width: int) -> None:
        self.base = np.array(base, np.float64)
        self.width = width

    @abstractmethod
    def first(self, size: int, rng: np.random.Generator) -> Vectors:
        """A first population, float32."""

    @final
    def prompts(self, vectors: Vectors) -> Prompts:
        """The soft prompts of search vectors, float32."""
        return self._prompts(vectors.astype(np.float64)).astype(np.float32)

    @final
    def backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        """Gradients in the soft prompts as gradients in the search vectors."""
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
        super().__init__(base, base.size)
        self._spread = spread

    def first(self, size: int, rng: np.random.Generator) -> Vectors:
        """See `Space.first`: the base with Gaussian noise."""
        noise = rng.normal(size=(size, self.width)) * self._spread
        return (self.base.ravel() + noise).astype(np.float32)

    def _prompts(self, vectors: Vectors) -> Prompts:
        return vectors.reshape(-1, *self.base.shape)

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        return gradients.reshape(len(vectors), -1)


@final
class Ball(Space):
    """No virtual token leaves a ball around its base; one that would is put on its surface.

    Args:
        base: The middles of the balls.
        radius: Of the balls, as root mean square of a token's distance over its entries.
        spread: Standard deviation of the first population around the base.
    """

    def __init__(
        self, base: Float[np.ndarray, "token hidden"], radius: float, spread: float
    ) -> None:
        super().__init__(base, base.size)
        self._radius = radius * base.shape[1] ** 0.5
        self._spread = spread

    def first(self, size: int, rng: np.random.Generator) -> Vectors:
        """See `Space.first`."""
        return (rng.normal(size=(size, self.width)) * self._spread).astype(np.float32)

    def _prompts(self, vectors: Vectors) -> Prompts:
        offset, length = self._offset(vectors)
        return self.base + offset * np.minimum(1.0, self._radius / length)

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        # On the surface y = R x/|x|, whose transposed Jacobian is R/|x| (1 - x x'/|x|^2).
        offset, length = self._offset(vectors)
        along = offset * (offset * gradients).sum(axis=-1, keepdims=True) / length**2
        outside = length > self._radius
        moved = np.where(outside, self._radius / length * (gradients - along), gradients)
        return moved.reshape(len(vectors), -1)

    def _offset(self, vectors: Vectors) -> tuple[Prompts, np.ndarray]:
        offset = vectors.reshape(-1, *self.base.shape)
        length = np.linalg.norm(offset, axis=-1, keepdims=True)
        return offset, np.maximum(length, np.finfo(float).tiny)


@final
class Linear(Space):
    """`base + vector @ matrix`: a random projection, or a mixture of real tokens.

    Args:
        base: The prompt of the zero vector.
        matrix: `[entry, token * hidden]`, or `[row, hidden]` to give every virtual token its own
            coefficients of the same rows.
        spread: Standard deviation of the first vectors' entries.
    """

    def __init__(
        self,
        base: Float[np.ndarray, "token hidden"],
        matrix: Float[np.ndarray, "row column"],
        spread: float,
    ) -> None:
        tokens, hidden = base.shape
        self._each = tokens if matrix.shape[1] == hidden and tokens > 1 else 1
        super().__init__(base, self._each * len(matrix))
        self._matrix = matrix.astype(np.float64)
        self._spread = spread

    def first(self, size: int, rng: np.random.Generator) -> Vectors:
        """See `Space.first`."""
        return (rng.normal(size=(size, self.width)) * self._spread).astype(np.float32)

    def _prompts(self, vectors: Vectors) -> Prompts:
        rows = vectors.reshape(len(vectors), self._each, len(self._matrix))
        return self.base + (rows @ self._matrix).reshape(len(vectors), *self.base.shape)

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        rows = gradients.reshape(len(vectors), self._each, -1)
        return (rows @ self._matrix.T).reshape(len(vectors), -1)


@final
class LowRank(Space):
    """`base + U V`, with U `[token, rank]` and V `[rank, hidden]` in one vector.

    Args:
        base: The prompt of the zero vector.
        rank: Of the offset.
        spread: Standard deviation of the first offsets' entries.
    """

    def __init__(self, base: Float[np.ndarray, "token hidden"], rank: int, spread: float) -> None:
        tokens, hidden = base.shape
        super().__init__(base, rank * (tokens + hidden))
        self._rank = rank
        # An entry of U V is a sum of `rank` products of two entries.
        self._entry = (spread / rank**0.5) ** 0.5

    def first(self, size: int, rng: np.random.Generator) -> Vectors:
        """See `Space.first`."""
        return (rng.normal(size=(size, self.width)) * self._entry).astype(np.float32)

    def _prompts(self, vectors: Vectors) -> Prompts:
        u, v = self._factors(vectors)
        return self.base + u @ v

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        u, v = self._factors(vectors)
        parts = gradients @ v.transpose(0, 2, 1), u.transpose(0, 2, 1) @ gradients
        return np.concatenate([part.reshape(len(vectors), -1) for part in parts], axis=1)

    def _factors(self, vectors: Vectors) -> tuple[np.ndarray, np.ndarray]:
        cut = self.base.shape[0] * self._rank
        u = vectors[:, :cut].reshape(len(vectors), -1, self._rank)
        return u, vectors[:, cut:].reshape(len(vectors), self._rank, -1)


@final
class Convex(Space):
    """Every virtual token is a weighted mean of real ones, its weights a softmax of the vector.

    Args:
        tokens: Virtual tokens.
        real: Embeddings of the real tokens, `[real token, hidden]`.
        spread: Standard deviation of the first logits: the larger, the nearer to single tokens.
    """

    def __init__(self, tokens: int, real: Float[np.ndarray, "real hidden"], spread: float) -> None:
        super().__init__(np.zeros((tokens, real.shape[1])), tokens * len(real))
        self._real = real.astype(np.float64)
        self._spread = spread

    def first(self, size: int, rng: np.random.Generator) -> Vectors:
        """See `Space.first`."""
        return (rng.normal(size=(size, self.width)) * self._spread).astype(np.float32)

    def _prompts(self, vectors: Vectors) -> Prompts:
        return self._weights(vectors) @ self._real

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        weights = self._weights(vectors)
        slope = gradients @ self._real.T
        mean = (weights * slope).sum(axis=-1, keepdims=True)
        return (weights * (slope - mean)).reshape(len(vectors), -1)

    def _weights(self, vectors: Vectors) -> np.ndarray:
        logits = vectors.reshape(len(vectors), len(self.base), len(self._real))
        raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return raised / raised.sum(axis=-1, keepdims=True)


def random_projection(
    base: Float[np.ndarray, "token hidden"], width: int, spread: float, rng: np.random.Generator
) -> Space:
    """A fixed random projection from `width` numbers to all entries of the prompt.

    Sun et al. 2022 ("Black-Box Tuning for Language-Model-as-a-Service", ICML), section 3.2 and its
    successor's rule for the matrix: entries are normal, with the deviation that gives a prompt made
    from standard normal vectors the embeddings' own spread.
    """
    matrix = rng.normal(size=(width, base.size)) * (spread / width**0.5)
    return Linear(base, matrix, 1.0)


def mixture(tokens: int, real: Float[np.ndarray, "real hidden"], spread: float) -> Space:
    """Every virtual token is a free linear mixture of the same real ones.

    Args:
        tokens: Virtual tokens.
        real: Embeddings of the real tokens.
        spread: Of the first prompts, as a multiple of the real tokens' own.
    """
    base = np.zeros((tokens, real.shape[1]))
    return Linear(base, real, spread / len(real) ** 0.5)


def read_name(name: str) -> tuple[str, float | None]:
    """Splits "projection:500" into its kind and its number.

    Raises:
        UsageError: There is no such space, or its number is missing or out of range.
    """
    kind, _, number = name.strip().lower().partition(":")
    if kind not in KINDS:
        raise UsageError(f"there is no space {name!r}", f"Choose one of {', '.join(KINDS)}.")
    if kind == "full":
        if number:
            raise UsageError(f"the space full takes no number, as in {name!r}", "Write full.")
        return kind, None
    try:
        value = float(number)
        fits = value > 0 and (kind == "ball" or value == int(value)) and np.isfinite(value)
    except (ValueError, OverflowError):
        value, fits = 0.0, False
    if not fits:
        examples = "ball:0.5, projection:500, low-rank:2, mixture:64, convex:64"
        raise UsageError(f"the space {name!r} needs a number", f"Such as {examples}.")
    return kind, value
