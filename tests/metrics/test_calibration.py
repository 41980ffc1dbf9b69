import numpy as np

from acculturate.metrics import calibrate, calibrate_backward, mean_answers
from acculturate.survey import all_forms, draw_forms, item_values, load_instrument

VSM13 = load_instrument("vsm13")
FORMS = draw_forms(
    all_forms(VSM13, split="tuning", labels=("words", "digits")), 96, np.random.default_rng(0)
)
RNG = np.random.default_rng(1)
UNTOUCHED = RNG.dirichlet(np.ones(5), len(FORMS))
MEANS = mean_answers(UNTOUCHED, FORMS, VSM13)


def test_a_preference_for_options_that_all_items_share_is_taken_out():
    """Whatever a questionnaire adds to the log of an option's probability, on one scale."""
    scales = {item.id: item.scale for item in VSM13.items}
    drawn: dict[object, np.ndarray] = {}
    added = np.array(
        [
            drawn.setdefault((f.questionnaire, scales[f.item]), RNG.uniform(0.1, 10, 5))
            for f in FORMS
        ]
    )
    biased = UNTOUCHED * added / (UNTOUCHED * added).sum(1, keepdims=True)
    found = calibrate(biased[None], mean_answers(biased, FORMS, VSM13))
    np.testing.assert_allclose(found, calibrate(UNTOUCHED[None], MEANS), atol=1e-12)
    np.testing.assert_allclose(found.sum(2), 1)


def test_a_scale_with_one_item_keeps_nothing_of_the_untouched_answer():
    values = item_values(calibrate(UNTOUCHED[None], MEANS), "expected")[0]
    health = [place for place, form in enumerate(FORMS) if form.item == "m18"]
    np.testing.assert_allclose(values[health], 3)
    assert np.std(values) > 0.1


def test_options_that_an_item_does_not_have_stay_without_probability():
    padded = np.pad(UNTOUCHED, ((0, 0), (0, 2)))
    found = calibrate(padded[None], mean_answers(padded, FORMS, VSM13))
    assert (found[..., 5:] == 0).all()
    np.testing.assert_allclose(found[..., :5], calibrate(UNTOUCHED[None], MEANS))


def test_the_derivative():
    tuned = RNG.dirichlet(np.ones(5), (1, len(FORMS)))
    gradient = RNG.normal(size=tuned.shape)
    found = calibrate_backward(tuned, MEANS, gradient)
    for option in range(5):
        step = 1e-6 * (np.arange(5) == option)
        ahead, behind = (calibrate(tuned + sign * step, MEANS) for sign in (1, -1))
        expected = (gradient * (ahead - behind)).sum(2) / 2e-6
        np.testing.assert_allclose(found[..., option], expected, rtol=1e-5, atol=1e-6)
