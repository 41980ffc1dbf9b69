import numpy as np
import pytest
import torch
from search_problems import first_population, rosenbrock, slope, sphere, told

from acculturate.errors import UsageError
from acculturate.search import COST_OF_A_GRADIENT, Adam, Fitness

STEEPNESS = np.array([1.0, 10.0, 0.1, 3.0])


def quadratic(x):
    return (STEEPNESS * x**2).sum(axis=-1)


def descend(optimizer, function, steps):
    """Asks and tells, giving every candidate."""
    seen = []
    for _ in range(steps):
        x = optimizer.ask()
        seen.append(x)
        gradient = 2 * STEEPNESS * x if function is quadratic else slope(function, x)
        optimizer.tell(Fitness(function(x), np.zeros(len(x)), gradient=gradient))
    return np.array(seen)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.99), (0.5, 0.999)])
def test_it_is_torchs_adam_with_half_a_cosine(beta1, beta2):
    steps, starts = 50, 3
    optimizer = Adam(
        COST_OF_A_GRADIENT * starts * steps + 2, starts, step=0.3, beta1=beta1, beta2=beta2
    )
    first = first_population(optimizer, 4)
    optimizer.start(first, np.random.default_rng(0))
    ours = descend(optimizer, quadratic, steps)

    x = torch.tensor(first, requires_grad=True)
    rate = 0.3 * first.std()
    adam = torch.optim.Adam([x], lr=rate, betas=(beta1, beta2), eps=1e-8)
    for step in range(steps):
        np.testing.assert_allclose(ours[step], x.detach().numpy(), rtol=0, atol=1e-10)
        # The step size after the t-th gradient is that of t steps done.
        adam.param_groups[0]["lr"] = rate * 0.5 * (1 + np.cos(np.pi * (step + 1) / steps))
        adam.zero_grad()
        (torch.tensor(STEEPNESS) * x**2).sum().backward()
        adam.step()
    assert np.abs(ours[1:] - ours[:-1]).max(axis=(1, 2)).min() > 0, "a weak test: nothing moves"


def test_a_lone_start_without_spread_steps_in_the_units_of_its_space():
    moved: list[float] = []
    for unit in (1.0, 0.01):
        optimizer = Adam(30)
        optimizer.start(np.zeros((1, 4)), np.random.default_rng(0), unit=unit)
        start = optimizer.ask()
        optimizer.tell(Fitness(np.ones(1), np.zeros(1), gradient=np.ones((1, 4))))
        moved.append(float(np.abs(optimizer.ask() - start).max()))
    assert moved[1] == pytest.approx(0.01 * moved[0])


def test_starts_do_not_touch_each_other():
    together = Adam(300, 3)
    first = first_population(together, 5)
    together.start(first, np.random.default_rng(0))
    streams = descend(together, rosenbrock, 20)
    changed = Adam(300, 3)
    changed.start(first[[0, 2, 1]], np.random.default_rng(0))
    assert np.array_equal(descend(changed, rosenbrock, 20), streams[:, [0, 2, 1]])


def test_it_settles_when_the_budget_is_used_and_stays():
    optimizer = Adam(60)
    optimizer.start(first_population(optimizer, 4), np.random.default_rng(0))
    x = descend(optimizer, sphere, 25)
    moved = np.linalg.norm(np.diff(x[:, 0], axis=0), axis=1)
    assert moved[18] < moved[0] / 20
    assert (moved[20:] == 0).all()


def test_a_candidate_counts_for_three():
    assert Adam(30).evaluations_per_candidate == COST_OF_A_GRADIENT == 3


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_moves_nobody(broken):
    """A slope can overflow where the objective itself is finite."""
    optimizer = Adam(60, 2)
    optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    for step in range(8):
        x = optimizer.ask()
        assert np.isfinite(x).all()
        gradient = 2 * x
        gradient[1, step % 3] = broken
        optimizer.tell(Fitness(sphere(x), np.zeros(2), gradient=gradient))
    assert np.array_equal(x[1], first_population(optimizer, 3)[1])
    assert sphere(x[0]) < sphere(first_population(optimizer, 3)[0])


def test_the_scale_of_the_loss_does_not_matter():
    ends = []
    for scale in (1.0, 1000.0):
        optimizer = Adam(90)
        optimizer.start(first_population(optimizer, 4), np.random.default_rng(0))
        ends.append(descend(optimizer, lambda x, scale=scale: scale * sphere(x), 20)[-1])
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Adam(2), "budget of 2"),
        (lambda: Adam(17, 6), "budget of 17"),
        (lambda: Adam(30, 0), "population 0"),
        (lambda: Adam(30, step=0), "step 0"),
        (lambda: Adam(30, step=np.nan), "step nan"),
        (lambda: Adam(30, beta1=1.0), "beta1 1.0"),
        (lambda: Adam(30, beta2=-0.1), "beta2 -0.1"),
    ],
)
def test_settings_out_of_range_are_named_with_a_next_step(make, named):
    with pytest.raises(UsageError, match=named) as error:
        make()
    assert error.value.hint


def test_it_cannot_go_without_a_gradient():
    optimizer = Adam(30)
    optimizer.start(first_population(optimizer, 3), np.random.default_rng(0))
    x = optimizer.ask()
    with pytest.raises(ValueError, match="adam learns from"):
        optimizer.tell(Fitness.unconstrained(sphere(x)))
    optimizer.tell(told(optimizer, x, sphere(x)))
