import numpy as np
import pytest

from acculturate.errors import UsageError
from acculturate.search import SPACES as NAMES
from acculturate.search import Choices, Full, Mixture, read_name

TOKENS, HIDDEN = 3, 40
SPREAD = 0.3


def stream(seed=0):
    return np.random.default_rng(seed)


def base():
    return stream(1).normal(size=(TOKENS, HIDDEN))


def real(count=24):
    """Embeddings of real tokens, with the standard deviation 1."""
    return stream(2).normal(size=(count, HIDDEN))


def alternatives():
    """Three for the first token, five for the two after it."""
    return [(0, real(3)[:, None]), (1, real(10).reshape(5, 2, HIDDEN))]


# Each with the width it must have.
SPACES = {
    "full": (lambda: Full(base(), SPREAD), TOKENS * HIDDEN),
    "mixture": (lambda: Mixture(np.zeros((TOKENS, HIDDEN)), real(), SPREAD), TOKENS * 24),
    "mixture of one": (lambda: Mixture(np.zeros((1, HIDDEN)), real(), SPREAD), 24),
}
AROUND_A_BASE = list(SPACES)
SPACES["choices"] = lambda: Choices(base(), alternatives(), np.array([1.0, 3.0]), SPREAD), 2
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


@pytest.mark.parametrize("name", AROUND_A_BASE)
def test_the_first_prompts_have_the_spread_that_was_asked_for(name):
    space = made(name)
    around = space.prompts(space.first(4000, stream())) - space.base
    # Each prompt's own deviation is drawn once, so that a fixed matrix shows in the entries; the mean
    # square over all entries is what the spread is.
    assert np.sqrt((around**2).mean()) == pytest.approx(SPREAD, rel=0.06)
    assert np.abs(around.mean(axis=0)).max() < SPREAD / 4


@pytest.mark.parametrize("name", [name for name in AROUND_A_BASE if name != "full"])
def test_the_zero_vector_is_the_base(name):
    space = made(name)
    prompt = space.prompts(np.zeros((1, space.width)))
    assert np.array_equal(prompt[0], space.base.astype(np.float32))


@every
@pytest.mark.parametrize("seed", range(3))
def test_the_way_back_equals_finite_differences(name, seed):
    """Of a random linear functional of the prompts."""
    space = made(name)
    # The first vector of choices is at a kink.
    vectors = space.first(4, stream(seed))[1:].astype(np.float64)
    weights = stream(seed + 50).normal(size=space.prompts(vectors).shape)
    found = space.backward(vectors, weights)
    step = 1e-4
    for entry in stream(seed).permutation(space.width)[:12]:
        # In double precision: `prompts` itself gives float32.
        moved = np.eye(space.width)[entry] * step
        ahead, behind = (space._prompts(vectors + sign * moved) for sign in (1, -1))
        expected = ((ahead - behind) * weights).sum(axis=(1, 2)) / (2 * step)
        np.testing.assert_allclose(found[:, entry], expected, rtol=1e-5, atol=1e-6)


def test_a_choice_is_an_alternative_or_between_two_of_them():
    space = SPACES["choices"][0]()
    vectors = np.array([[0, 4], [2, 0], [1, 2.25], [-3, 9], [0.5, 1]])
    first, second = (rows for _, rows in alternatives())
    prompts = space.prompts(vectors)
    for prompt, (a, b) in zip(
        prompts,
        [
            (first[0], second[4]),
            (first[2], second[0]),
            (first[1], 0.75 * second[2] + 0.25 * second[3]),
            (first[0], second[4]),  # beyond the ends
            ((first[0] + first[1]) / 2, second[1]),
        ],
        strict=True,
    ):
        np.testing.assert_allclose(prompt, np.concatenate([a, b]), atol=1e-6)
    ends = space.backward(vectors[3:4], np.ones((1, TOKENS, HIDDEN)))
    assert not ends.any()


def test_the_first_choices_are_around_the_start():
    space = SPACES["choices"][0]()
    first = space.first(4000, stream())
    assert first[0].tolist() == [1, 3]
    np.testing.assert_allclose(first.mean(axis=0), [1, 3], atol=SPREAD / 10)
    np.testing.assert_allclose(first.std(axis=0), SPREAD, rtol=0.05)


def test_virtual_tokens_of_a_mixture_have_coefficients_of_their_own():
    space = Mixture(np.zeros((TOKENS, HIDDEN)), real(), SPREAD)
    vector = np.zeros((1, TOKENS, 24))
    vector[0, [0, 1, 2], [3, 4, 5]] = 1, 2, -1
    expected = np.array([1, 2, -1])[:, None] * real()[[3, 4, 5]]
    np.testing.assert_allclose(space.prompts(vector.reshape(1, -1))[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "kind", "number"),
    [
        ("full", "full", 0),
        (" Full ", "full", 0),
        ("MIXTURE:64", "mixture", 64),
        ("demonstrations", "demonstrations", 0),
    ],
)
def test_names_are_read(name, kind, number):
    assert read_name(name) == (kind, number)
    assert kind in NAMES


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "cube",
            "cube:3",
            ":3",
            "full:3",
            "demonstrations:3",
            "mixture",
            "mixture:",
            "mixture:0",
            "mixture:nan",
        ),
        *("mixture:100000", "mixture:" + "9" * 5000),
        *("mixture:inf", "mixture:2.5", "mixture:many", "mixture:-4", "mixture:1e999"),
        *("ball:0.5", "projection:500", "convex:64", "convex", "low-rank:2"),
    ],
)
def test_what_is_no_space_is_refused_with_a_next_step(name):
    with pytest.raises(UsageError) as error:
        read_name(name)
    assert repr(name) in str(error.value)
    assert error.value.hint


@pytest.mark.parametrize("name", ["ball:0.5", "projection:500", "Convex:64", "low-rank:2"])
def test_a_removed_space_is_refused_with_what_to_use_instead(name):
    with pytest.raises(UsageError, match=r"was removed in version 0\.2") as error:
        read_name(name)
    assert error.value.hint and error.value.hint.startswith("Use ")
