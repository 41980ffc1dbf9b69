"""The tree against the plainest possible reading of its sequences."""

from itertools import takewhile

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from acculturate.model.prefix_tree import PrefixTree

# Few distinct tokens, virtual ones among them, so that beginnings are shared often.
sequences_of_tokens = st.lists(
    st.lists(st.integers(-2, 2), min_size=1, max_size=12), min_size=1, max_size=12
)
tile_sizes = st.integers(1, 16)
windows = st.none() | st.integers(1, 14)


def ancestors_or_self(tree: PrefixTree) -> list[list[int]]:
    """For each row, the rows of its sequence up to itself, read off the paths."""
    found: dict[int, list[int]] = {}
    for path in tree.paths:
        for position, row in enumerate(path.tolist()):
            found[row] = path[: position + 1].tolist()
    return [found[row] for row in range(len(tree))]


@given(sequences_of_tokens)
def test_every_sequence_is_on_its_path(sequences: list[list[int]]) -> None:
    tree = PrefixTree.build(sequences)
    for sequence, path in zip(sequences, tree.paths, strict=True):
        assert tree.tokens[path].tolist() == sequence
        assert tree.positions[path].tolist() == list(range(len(sequence)))
        assert (np.diff(path) > 0).all()


@given(sequences_of_tokens)
def test_no_token_stands_twice(sequences: list[list[int]]) -> None:
    tree = PrefixTree.build(sequences)
    beginnings = {tuple(s[: length + 1]) for s in sequences for length in range(len(s))}
    assert len(tree) == len(beginnings)
    assert len(tree.positions) == len(tree.end) == len(tree)


@given(sequences_of_tokens)
def test_end_is_behind_the_last_descendant(sequences: list[list[int]]) -> None:
    tree = PrefixTree.build(sequences)
    above = ancestors_or_self(tree)
    for row in range(len(tree)):
        descendants = [other for other in range(len(tree)) if row in above[other]]
        assert descendants == list(range(row, int(tree.end[row])))


@given(sequences_of_tokens, tile_sizes)
def test_tiles_cover_each_row_once(sequences: list[list[int]], size: int) -> None:
    tree = PrefixTree.build(sequences)
    tiles = tree.tiles(size)
    covered = [row for tile in tiles for row in range(tile.start, tile.stop)]
    assert covered == list(range(len(tree)))


@given(sequences_of_tokens, tile_sizes)
def test_only_an_unbranched_run_is_longer_than_a_tile(
    sequences: list[list[int]], size: int
) -> None:
    tree = PrefixTree.build(sequences)
    for tile in tree.tiles(size):
        if tile.stop - tile.start > size:
            assert len(set(tree.end[tile.start : tile.stop].tolist())) == 1
            assert (np.diff(tree.positions[tile.start : tile.stop]) == 1).all()


@given(sequences_of_tokens, tile_sizes, windows)
def test_a_token_sees_its_own_past_and_nothing_else(
    sequences: list[list[int]], size: int, window: int | None
) -> None:
    tree = PrefixTree.build(sequences)
    above = ancestors_or_self(tree)
    for tile in tree.tiles(size):
        keys, mask = tile.keys, tree.mask(tile, window)
        assert len(set(keys.tolist())) == len(keys)
        for query, seen in zip(range(tile.start, tile.stop), mask, strict=True):
            past = above[query]
            assert sorted(keys[seen].tolist()) == (past if window is None else past[-window:])


@given(sequences_of_tokens)
def test_what_no_virtual_token_stands_before_is_frozen(sequences: list[list[int]]) -> None:
    tree = PrefixTree.build(sequences)
    for row, above in enumerate(ancestors_or_self(tree)):
        assert tree.frozen[row] == (tree.tokens[above] >= 0).all()
    assert tree.cacheable.tolist() in ([False] * len(tree), tree.frozen.tolist())


@given(sequences_of_tokens)
def test_the_frozen_part_is_a_tree_of_the_beginnings(sequences: list[list[int]]) -> None:
    tree = PrefixTree.build(sequences)
    part = tree.part(tree.frozen)
    beginnings = [list(takewhile(lambda token: token >= 0, one)) for one in sequences]
    assume(any(beginnings))
    expected = PrefixTree.build(beginnings)
    assert part.tokens.tolist() == expected.tokens.tolist() == tree.tokens[tree.frozen].tolist()
    assert part.positions.tolist() == expected.positions.tolist()
    assert part.end.tolist() == expected.end.tolist()
    assert [path.tolist() for path in part.paths] == [path.tolist() for path in expected.paths]


def test_a_lone_beginning_is_not_worth_keeping() -> None:
    forms = [[0, -1, -2, 10, 11], [0, -1, -2, 20, 21]]
    assert not PrefixTree.build(forms).cacheable.any()
    assert not PrefixTree.build([[0, 10, 11]]).cacheable.any()
    behind = PrefixTree.build([[0, 10, 11, -1, 12], [0, 20, 21, -1, 12]])
    assert behind.tokens[behind.cacheable].tolist() == [0, 10, 11, 20, 21]


def test_a_family_of_forms_shares_its_frame() -> None:
    frame = [0, -1, -2, 10, 11, 12]
    forms = [[*frame, 20, 21], [*frame, 20, 22], [*frame, 30], frame[:4]]
    tree = PrefixTree.build(forms)
    assert len(tree) == len(frame) + 4
    assert tree.paths[0][:7].tolist() == tree.paths[1][:7].tolist() == list(range(7))
    assert tree.paths[3].tolist() == [0, 1, 2, 3]
    (run, *rest) = tree.tiles(4)
    assert (run.start, run.stop, run.ancestors) == (0, 6, ())
    assert [(tile.start, tile.stop, tile.ancestors) for tile in rest] == [(6, 10, ((0, 6),))]
