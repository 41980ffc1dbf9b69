"""One prompt shared by several tasks, and a rank-one part of each: tuned together, or a new task alone.

Z. Wang et al. (2023), "Multitask Prompt Tuning Enables Parameter-Efficient Transfer Learning", ICLR: a task's
prompt is `P * (u v^T)`, elementwise, with u = v = 1 at the start. The rival is `P + u v^T` with u = 1 and v = 0
there, which has as many numbers. In: search vectors in which 0 is the start. Out: a prompt a task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float

from acculturate.search.fitness import Vectors
from acculturate.search.space import Prompts, Space

Sharing = Literal["product", "sum"]
"""How a task's part acts on the shared prompt."""


@final
@dataclass(frozen=True)
class SharedPrompt:
    """A shared prompt with the part of each task.

    Attributes:
        shared: P.
        cols: u of each task.
        rows: v of each task.
        sharing: How P and u v^T make the task's prompt.
    """

    shared: Float[np.ndarray, "token hidden"]
    cols: Float[np.ndarray, "task token"]
    rows: Float[np.ndarray, "task hidden"]
    sharing: Sharing

    @property
    def prompts(self) -> Float[np.ndarray, "task token hidden"]:
        """The prompt of each task."""
        parts = self._parts
        return self.shared * parts if self.sharing == "product" else self.shared + parts

    def slopes(
        self, gradients: Float[np.ndarray, "task token hidden"]
    ) -> tuple[
        Float[np.ndarray, "token hidden"],
        Float[np.ndarray, "task token"],
        Float[np.ndarray, "task hidden"],
    ]:
        """Return gradients in the tasks' prompts as gradients in P, all of them together, u and v."""
        in_shared = in_parts = gradients
        if self.sharing == "product":
            in_shared, in_parts = gradients * self._parts, gradients * self.shared
        in_cols = np.einsum("ijk,ik->ij", in_parts, self.rows)
        return in_shared.sum(axis=0), in_cols, np.einsum("ijk,ij->ik", in_parts, self.cols)

    @property
    def _parts(self) -> Float[np.ndarray, "task token hidden"]:
        return self.cols[:, :, None] * self.rows[:, None, :]


@final
class Together:
    """The search of P and of u and v of all tasks at once, in units of P's spread, and of u and v.

    Args:
        start: P at the start.
        tasks: Number of tasks.
        sharing: How P and u v^T make a task's prompt.
    """

    def __init__(
        self, start: Float[np.ndarray, "token hidden"], tasks: int, sharing: Sharing
    ) -> None:
        tokens, hidden = start.shape
        self._start, self._tasks = np.array(start, np.float64), tasks
        self._sharing: Sharing = sharing
        self._unit = float(self._start.std()) or 1.0
        self._cuts = start.size, start.size + tasks * tokens
        self.width = self._cuts[1] + tasks * hidden

    def parts(self, vector: Float[np.ndarray, " entry"]) -> SharedPrompt:
        """Return the shared prompt and the tasks' parts of a search vector."""
        entries = vector.astype(np.float64)
        shared, cols, rows = np.split(entries, self._cuts)
        rows = rows.reshape(self._tasks, -1)
        return SharedPrompt(
            self._start + self._unit * shared.reshape(self._start.shape),
            1 + cols.reshape(self._tasks, -1),
            1 + rows if self._sharing == "product" else self._unit * rows,
            self._sharing,
        )

    def backward(
        self,
        vector: Float[np.ndarray, " entry"],
        gradients: Float[np.ndarray, "task token hidden"],
    ) -> Float[np.ndarray, " entry"]:
        """Return the gradient of the tasks' mean objective in a search vector."""
        mean = gradients.astype(np.float64) / self._tasks
        shared, cols, rows = self.parts(vector).slopes(mean)
        scale = 1 if self._sharing == "product" else self._unit
        return np.concatenate([self._unit * shared.ravel(), cols.ravel(), scale * rows.ravel()])


@final
class NewTask(Space):
    """u and v of a new task with P as it is, from the mean of the known tasks' u and v.

    Args:
        known: The shared prompt and the parts of tasks that were tuned together.
        spread: Of the first candidates, as a multiple of that of the known tasks.
    """

    def __init__(self, known: SharedPrompt, spread: float) -> None:
        tokens, hidden = known.shared.shape
        scale = 1.0 if known.sharing == "product" else float(known.shared.std()) or 1.0
        self._known, self._scales = known, np.repeat([1.0, scale], [tokens, hidden])
        both = np.concatenate([known.cols, known.rows], axis=1) / self._scales
        self._mean = both.mean(axis=0)
        super().__init__(
            self._task(np.zeros((1, len(self._mean)))).prompts[0],
            len(self._mean),
            spread * float((both - self._mean).std()),
        )

    def _task(self, vectors: Vectors) -> SharedPrompt:
        known = self._known
        cols, rows = np.split((self._mean + vectors) * self._scales, [len(known.shared)], axis=1)
        return SharedPrompt(known.shared, cols, rows, known.sharing)

    def _prompts(self, vectors: Vectors) -> Prompts:
        return self._task(vectors).prompts

    def _backward(self, vectors: Vectors, gradients: Prompts) -> Vectors:
        _, cols, rows = self._task(vectors).slopes(gradients)
        return np.concatenate([cols, rows], axis=1) * self._scales
