"""Many token sequences in one row, every shared beginning once.

In: token sequences. Out: a `PrefixTree`: the sequences merged into a tree of tokens and laid out depth
first in one row, and the tiles in which attention is computed. Three sequences that begin alike, with a
soft prompt of one virtual token (-1):

    A = 7 -1 4 5        7 --- -1 -+- 4 -+- 5    A
    B = 7 -1 4 6                  |     +- 6    B
    C = 7 -1 8                    +- 8          C

    row        0   1   2   3   4   5            sees:  0 1 2 3 4 5
    token      7  -1   4   5   6   8        row 0      x
    position   0   1   2   3   3   2            1      x x
    end        6   6   5   4   5   6            2      x x x
                                                3 (A)  x x x x
    A is read at the rows 0 1 2 3,              4 (B)  x x x . x
    B at 0 1 2 4, and C at 0 1 5.               5 (C)  x x . . . x

Because the layout is depth first, what a token sees is plain arithmetic: row i sees row j exactly when
`j <= i < end[j]`, where `end[j]` is the index behind the last descendant of j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

Range = tuple[int, int]
"""Rows from the first to behind the last."""
_WORTH_CACHING = 0.25  # share of the row; below it, caching keys and values saves too little


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
    ancestors: tuple[Range, ...]

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
        """Merge sequences: sorted, each shares with its neighbour all that it shares with any."""
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
        """Tokens that no virtual token stands before: they are the same for every candidate."""
        frozen = np.ones(len(self), bool)
        for row in np.flatnonzero(self.tokens < 0):
            frozen[row : self.end[row]] = False
        return frozen

    @cached_property
    def cacheable(self) -> Bool[np.ndarray, " row"]:
        """Tokens that are computed once for all candidates: the frozen ones, if that saves much."""
        worth_it = _WORTH_CACHING < self.frozen.mean() < 1
        return self.frozen if worth_it else np.zeros(len(self), bool)

    def part(self, rows: Bool[np.ndarray, " row"]) -> PrefixTree:
        """Return the tree of some tokens; with a token, all that stand before it have to be among them."""
        before = np.append(0, rows.cumsum())
        return PrefixTree(
            self.tokens[rows],
            self.positions[rows],
            before[self.end[rows]],
            tuple(before[path[rows[path]]] for path in self.paths),
        )

    def tiles(self, size: int) -> tuple[Tile, ...]:
        """Cut the row into tiles of at most about `size` tokens.

        Neighbouring subtrees under one parent share a tile while they fit; an unbranched run is one
        tile however long it is.
        """
        tiles: list[Tile] = []
        pending: list[tuple[int, int, tuple[Range, ...]]] = [(0, len(self), ())]
        while pending:
            start, stop, ancestors = pending.pop()
            row = start
            while row < stop:
                behind = int(self.end[row])
                while behind < stop and int(self.end[behind]) - row <= size:
                    behind = int(self.end[behind])
                if behind - row <= size or behind > self.end[row]:
                    tiles.append(Tile(row, behind, ancestors))
                else:
                    branch = row + 1
                    while branch < behind and self.end[branch] == behind:
                        branch += 1
                    tiles.append(Tile(row, branch, ancestors))
                    if branch < behind:
                        pending.append((branch, behind, _joined(ancestors, (row, branch))))
                row = behind
        return tuple(sorted(tiles, key=lambda tile: tile.start))

    def mask(self, tile: Tile, window: int | None) -> Bool[np.ndarray, "query key"]:
        """Return the keys of a tile that its queries see, at most `window` positions back."""
        queries = np.arange(tile.start, tile.stop)[:, None]
        keys = tile.keys[None, :]
        seen = (keys <= queries) & (queries < self.end[keys])
        if window is not None:
            seen &= self.positions[queries] - self.positions[keys] < window
        return seen


def shared_length(left: Sequence[object], right: Sequence[object]) -> int:
    """Count the tokens, or characters, that two sequences have in common at their beginning."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(left), len(right)))


def _joined(ranges: tuple[Range, ...], last: Range) -> tuple[Range, ...]:
    if ranges and ranges[-1][1] == last[0]:
        return (*ranges[:-1], (ranges[-1][0], last[1]))
    return (*ranges, last)
