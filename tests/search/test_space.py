import numpy as np
import pytest

from acculturate.errors import UsageError
from acculturate.search.space import (
    KINDS,
    Ball,
    Convex,
    Full,
    Linear,
    LowRank,
    mixture,
    random_projection,
    read_name,
)

TOKENS, HIDDEN = 3, 40
SPREAD = 0.3


def stream(seed=0):
    return np.random.default_rng(seed)


def base():
    return stream(1).normal(size=(TOKENS, HIDDEN))


def real(count=24):
    """Embeddings of real tokens, with the standard deviation 1."""
    return stream(2).normal(size=(count, HIDDEN))


# Each with the width it must have.
SPACES = {
    "full": (lambda: Full(base(), SPREAD), TOKENS * HIDDEN),
    "ball": (lambda: Ball(base(), 0.2, SPREAD), TOKENS * HIDDEN),
    "projection": (lambda: random_projection(base(), 17, SPREAD, stream(3)), 17),
    "low-rank": (lambda: LowRank(base(), 2, SPREAD), 2 * (TOKENS + HIDDEN)),
    "mixture": (lambda: mixture(TOKENS, real(), SPREAD), TOKENS * 24),
    "mixture of one": (lambda: mixture(1, real(), SPREAD), 24),
    "convex": (lambda: Convex(TOKENS, real(), 3.0), TOKENS * 24),
}
every = pytest.mark.parametrize("name", SPACES)


def made(name):
    return SPACES[name][0]()


@every
def test_widths_shapes_and_types(name):
    space, width = made(name), SPACES[name][1]
    assert space.width == width
    vectors = space.first(5, stream())
    assert (vectors.shape, vectors.dtype) == ((5, width), np.float32)
    tokens = 1 if name == "mixture of one" else TOKENS
    prompts = space.prompts(vectors)
    assert (prompts.shape, prompts.dtype) == ((5, tokens, HIDDEN), np.float32)
    assert space.backward(vectors, np.ones_like(prompts)).shape == (5, width)
    assert np.isfinite(prompts).all()


@every
def test_the_first_population_comes_from_the_stream_alone(name):
    first, again = (made(name).first(4, stream(7)) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, made(name).first(4, stream(8)))
    assert len(np.unique(first, axis=0)) == 4


@every
def test_a_candidate_does_not_feel_the_others(name):
    space = made(name)
    vectors = space.first(4, stream())
    alone = np.concatenate([space.prompts(vector[None]) for vector in vectors])
    np.testing.assert_allclose(space.prompts(vectors), alone, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["full", "projection", "low-rank", "mixture", "mixture of one"])
def test_the_first_prompts_have_the_spread_that_was_asked_for(name):
    space = made(name)
    around = space.prompts(space.first(4000, stream())) - space.base
    # Each prompt's own deviation is drawn once, so that a fixed matrix shows in the entries; the mean
    # square over all entries is what the spread is.
    assert np.sqrt((around**2).mean()) == pytest.approx(SPREAD, rel=0.06)
    assert np.abs(around.mean(axis=0)).max() < SPREAD / 4


@pytest.mark.parametrize("rank", [1, 2, 8])
def test_the_spread_of_a_low_rank_does_not_depend_on_the_rank(rank):
    space = LowRank(base(), rank, SPREAD)
    around = space.prompts(space.first(2000, stream())) - space.base
    assert around.std() == pytest.approx(SPREAD, rel=0.05)


@pytest.mark.parametrize("width", [5, 50, 500])
def test_the_spread_of_a_projection_does_not_depend_on_its_width(width):
    found = [
        (space.prompts(space.first(200, stream())) - space.base).std()
        for space in (random_projection(base(), width, SPREAD, stream(s)) for s in range(5))
    ]
    assert np.mean(found) == pytest.approx(SPREAD, rel=0.05)


@pytest.mark.parametrize("name", [name for name in SPACES if name not in ("full", "convex")])
def test_the_zero_vector_is_the_base(name):
    space = made(name)
    prompt = space.prompts(np.zeros((1, space.width)))
    assert np.array_equal(prompt[0], space.base.astype(np.float32))


@every
@pytest.mark.parametrize("seed", range(3))
def test_the_way_back_equals_finite_differences(name, seed):
    """Of a random linear functional of the prompts."""
    space = made(name)
    vectors = space.first(3, stream(seed)).astype(np.float64)
    weights = stream(seed + 50).normal(size=space.prompts(vectors).shape)
    found = space.backward(vectors, weights)
    step = 1e-4
    for entry in stream(seed).choice(space.width, size=12, replace=False):
        # In double precision: `prompts` itself gives float32.
        moved = np.eye(space.width)[entry] * step
        ahead, behind = (space._prompts(vectors + sign * moved) for sign in (1, -1))
        expected = ((ahead - behind) * weights).sum(axis=(1, 2)) / (2 * step)
        np.testing.assert_allclose(found[:, entry], expected, rtol=1e-5, atol=1e-6)


def test_a_virtual_token_never_leaves_its_ball():
    space = Ball(base(), 0.2, SPREAD)
    for scale in (1e-3, 1.0, 1e6):
        vectors = space.first(200, stream()) * scale
        offset = space.prompts(vectors).astype(np.float64) - space.base
        distance = np.sqrt((offset**2).mean(axis=2))
        assert distance.max() <= 0.2 * (1 + 1e-6)
        if scale > 1:
            assert distance.min() == pytest.approx(0.2, rel=1e-5)  # on the surface, not inside
        elif scale < 1:
            np.testing.assert_allclose(
                offset.reshape(vectors.shape), vectors, rtol=0, atol=1e-6
            )  # within it a vector is the offset itself


def test_both_sides_of_a_balls_surface_are_tested():
    offset = Ball(base(), 0.2, SPREAD).first(3, stream()).reshape(3, TOKENS, HIDDEN)
    outside = Ball(base(), 0.3, SPREAD).first(9, stream()).reshape(9, TOKENS, HIDDEN)
    assert (np.sqrt((offset**2).mean(axis=2)) > 0.2).all()
    inside = np.sqrt((outside**2).mean(axis=2)) < 0.3
    assert inside.any() and not inside.all()


@pytest.mark.parametrize("radius", [0.3, 1.0])
def test_the_way_back_within_a_ball_equals_finite_differences(radius):
    space = Ball(base(), radius, SPREAD)
    vectors = space.first(4, stream(2)).astype(np.float64)
    direction, weights = (
        stream(3).normal(size=vectors.shape),
        stream(4).normal(size=(4, TOKENS, HIDDEN)),
    )
    ahead, behind = (space._prompts(vectors + sign * 1e-6 * direction) for sign in (1, -1))
    expected = ((ahead - behind) * weights).sum(axis=(1, 2)) / 2e-6
    found = (space.backward(vectors, weights) * direction).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_convex_prompts_lie_in_the_convex_hull():
    space = Convex(TOKENS, real(), 3.0)
    vectors = space.first(50, stream())
    weights = space._weights(vectors.astype(np.float64))
    assert weights.shape == (50, TOKENS, 24)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-12)
    np.testing.assert_allclose(space.prompts(vectors), weights @ real(), atol=1e-5)
    # In every direction a hull reaches as far as its corners.
    directions = stream(5).normal(size=(HIDDEN, 100))
    assert ((space.prompts(vectors) @ directions) <= (real() @ directions).max(axis=0) + 1e-5).all()


def test_a_large_logit_is_a_single_token_and_overflows_nothing():
    space = Convex(TOKENS, real(), 3.0)
    vector = np.zeros((1, TOKENS, 24))
    vector[0, [0, 1, 2], [5, 9, 9]] = 1e4
    np.testing.assert_allclose(
        space.prompts(vector.reshape(1, -1))[0], real()[[5, 9, 9]], atol=1e-6
    )


def test_virtual_tokens_of_a_mixture_have_coefficients_of_their_own():
    space = mixture(TOKENS, real(), SPREAD)
    vector = np.zeros((1, TOKENS, 24))
    vector[0, [0, 1, 2], [3, 4, 5]] = 1, 2, -1
    expected = np.array([1, 2, -1])[:, None] * real()[[3, 4, 5]]
    np.testing.assert_allclose(space.prompts(vector.reshape(1, -1))[0], expected, atol=1e-6)


def test_a_matrix_of_one_token_is_the_same_either_way():
    matrix = stream().normal(size=(7, HIDDEN))
    vectors = stream(1).normal(size=(2, 7))
    found = Linear(np.ones((1, HIDDEN)), matrix, 1.0).prompts(vectors)
    np.testing.assert_allclose(found[:, 0], 1 + vectors @ matrix, rtol=1e-5, atol=1e-6)


def test_a_projection_is_drawn_once_and_from_the_stream():
    one, same, other = (random_projection(base(), 9, SPREAD, stream(s)) for s in (0, 0, 1))
    vectors = one.first(2, stream())
    assert np.array_equal(one.prompts(vectors), one.prompts(vectors))
    assert np.array_equal(one.prompts(vectors), same.prompts(vectors))
    assert not np.array_equal(one.prompts(vectors), other.prompts(vectors))


@pytest.mark.parametrize(
    ("name", "kind", "number"),
    [
        ("full", "full", None),
        (" Full ", "full", None),
        ("ball:0.5", "ball", 0.5),
        ("ball:2", "ball", 2.0),
        ("projection:500", "projection", 500.0),
        ("low-rank:2", "low-rank", 2.0),
        ("MIXTURE:64", "mixture", 64.0),
        ("convex:1", "convex", 1.0),
    ],
)
def test_names_are_read(name, kind, number):
    assert read_name(name) == (kind, number)
    assert kind in KINDS


@pytest.mark.parametrize(
    "name",
    [
        *("", "cube", "cube:3", ":3", "full:3", "ball", "ball:", "ball:0", "ball:-1", "ball:nan"),
        *("ball:inf", "projection:2.5", "projection:0", "low-rank:many", "mixture:-4"),
        "convex:1e999",
    ],
)
def test_what_is_no_space_is_refused_with_a_next_step(name):
    with pytest.raises(UsageError) as error:
        read_name(name)
    assert repr(name) in str(error.value)
    assert error.value.hint
