"""Many token sequences in one row, every shared beginning once.

In: token sequences. Out: a `PrefixTree`: the sequences merged into a tree of tokens and laid out depth
first in one row, and the tiles in which attention is computed. Because the layout is depth first, what
a token may see is plain arithmetic: token i sees token j exactly when `j <= i < end[j]`, where `end[j]`
is the row's index behind the last descendant of j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

_WORTH_KEEPING = 0.25  # share of the row; below it, keeping keys and values saves too little


@dataclass(frozen=True)
class Tile:
    """A run of the row that attends together.

    Attributes:
        start: First row index of the run.
        stop: Index behind its last.
        ancestors: Row ranges `(start, stop)` in front of the run that all its tokens descend from, in
            order of position.
    """

    start: int
    stop: int
    ancestors: tuple[tuple[int, int], ...]

    @cached_property
    def keys(self) -> Int[np.ndarray, " key"]:
        """Row indices of the keys: the ancestors, then the run itself."""
        ranges = (*self.ancestors, (self.start, self.stop))
        return np.concatenate([np.arange(a, b) for a, b in ranges])


@dataclass(frozen=True)
class PrefixTree:
    """Sequences merged by their shared beginnings.

    Attributes:
        tokens: The row; virtual token k of the soft prompt is `-1 - k`.
        positions: Each token's position in its own sequences.
        end: Index behind each token's last descendant.
        paths: For each sequence, the row index of each of its tokens.
    """

    tokens: Int[np.ndarray, " row"]
    positions: Int[np.ndarray, " row"]
    end: Int[np.ndarray, " row"]
    paths: tuple[Int[np.ndarray, " _"], ...]

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def build(cls, sequences: Sequence[Sequence[int]]) -> PrefixTree:
        """Merges sequences. Sorted sequences share what each shares with its neighbour."""
        order = sorted(range(len(sequences)), key=lambda index: tuple(sequences[index]))
        tokens: list[int] = []
        positions: list[int] = []
        end: list[int] = []
        path: list[int] = []
        paths: list[Int[np.ndarray, " _"]] = [np.empty(0, np.int64)] * len(sequences)
        previous: Sequence[int] = ()
        for index in order:
            sequence = sequences[index]
            shared = shared_length(previous, sequence)
            for row in path[shared:]:
                end[row] = len(tokens)
            path = path[:shared]
            for position in range(shared, len(sequence)):
                path.append(len(tokens))
                tokens.append(sequence[position])
                positions.append(position)
                end.append(-1)
            paths[index] = np.array(path, np.int64)
            previous = sequence
        for row in path:
            end[row] = len(tokens)
        return cls(np.array(tokens), np.array(positions), np.array(end), tuple(paths))

    @cached_property
    def frozen(self) -> Bool[np.ndarray, " row"]:
        """Which tokens no virtual token stands before: they are the same for every candidate."""
        frozen = np.ones(len(self), bool)
        for row in np.flatnonzero(self.tokens < 0):
            frozen[row : self.end[row]] = False
        return frozen

    @cached_property
    def kept(self) -> Bool[np.ndarray, " row"]:
        """Which tokens are computed once for all candidates: the frozen ones, if that saves much."""
        worth_it = _WORTH_KEEPING < self.frozen.mean() < 1
        return self.frozen if worth_it else np.zeros(len(self), bool)

    def part(self, rows: Bool[np.ndarray, " row"]) -> PrefixTree:
        """The tree of some tokens; with a token, all that stand before it have to be among them."""
        before = np.append(0, rows.cumsum())
        return PrefixTree(
            self.tokens[rows],
            self.positions[rows],
            before[self.end[rows]],
            tuple(before[path[rows[path]]] for path in self.paths),
        )

    def tiles(self, size: int) -> tuple[Tile, ...]:
        """Cuts the row into tiles of at most about `size` tokens.

        Neighbouring subtrees under one parent share a tile while they fit; an unbranched run is one
        tile however long it is.
        """
        found: list[Tile] = []
        pending: list[tuple[int, int, tuple[tuple[int, int], ...]]] = [(0, len(self), ())]
        while pending:
            start, stop, ancestors = pending.pop()
            row = start
            while row < stop:
                behind = int(self.end[row])
                while behind < stop and int(self.end[behind]) - row <= size:
                    behind = int(self.end[behind])
                if behind - row <= size or behind > self.end[row]:
                    found.append(Tile(row, behind, ancestors))
                else:
                    branch = row + 1
                    while branch < behind and self.end[branch] == behind:
                        branch += 1
                    found.append(Tile(row, branch, ancestors))
                    if branch < behind:
                        pending.append((branch, behind, _joined(ancestors, (row, branch))))
                row = behind
        return tuple(sorted(found, key=lambda tile: tile.start))

    def mask(self, tile: Tile, window: int | None) -> Bool[np.ndarray, "query key"]:
        """Which keys of a tile its queries see; `window` limits how far back a sliding layer looks."""
        queries = np.arange(tile.start, tile.stop)[:, None]
        keys = tile.keys[None, :]
        seen = (keys <= queries) & (queries < self.end[keys])
        if window is not None:
            seen &= self.positions[queries] - self.positions[keys] < window
        return seen


def shared_length(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens two sequences have in common at their beginning."""
    length = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        length += 1
    return length


def _joined(
    ranges: tuple[tuple[int, int], ...], last: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    if ranges and ranges[-1][1] == last[0]:
        return (*ranges[:-1], (ranges[-1][0], last[1]))
    return (*ranges, last)
