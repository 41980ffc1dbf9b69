"""What judgements come to: by hand, against published examples, and on planted strengths."""

import numpy as np
import pandas
import pytest
from planted import VARIANTS, judged, simulated

from acculturate.errors import UsageError
from acculturate.rating.folder import AGAIN, NAIVE, PERSONA
from acculturate.rating.statistics import Judgement, _needed, evaluate_judgements


def by_names(results, one, other):
    return next(w for w in results.wins if (w.variant, w.against) == (one, other))


def test_shares_of_wins_ties_and_marks_by_hand():
    """Two wins, a tie and a loss of china: 2.5 of 4; marks counted where its answer stood."""
    judgements = [
        judged("china", NAIVE, "left", question="a", marked="left"),
        judged("china", NAIVE, "right", question="b", left=False, marked="left"),
        judged(NAIVE, "china", "tie", question="c", marked="both"),
        judged(NAIVE, "china", "left", question="d", better="right"),
        judged("china", NAIVE, "right", question="a", again=True, marked="both"),
        judged(PERSONA, NAIVE, "left", question="a"),
    ]
    results = evaluate_judgements(judgements, VARIANTS)
    wins = by_names(results, "china", NAIVE)
    assert (wins.judgements, wins.ties) == (4, 0.25)
    assert wins.typical.value == pytest.approx(2.5 / 4)
    assert wins.better.value == pytest.approx(3.5 / 4)
    assert by_names(results, PERSONA, NAIVE).typical.value == 1
    assert results.marked["china"].value == pytest.approx(2 / 4)
    assert results.marked[NAIVE].value == pytest.approx(2 / 5)
    assert (results.judgements, results.questions, results.floor) == (5, 4, None)
    # Lefts a, d and the persona's; rights b and the repeated a; c is a tie.
    assert results.side_bias is not None and results.side_bias.value == pytest.approx(1 / 5)
    assert results.agreement[0].self_raw == 0 and results.agreement[0].self_pairs == 1


def test_a_rater_who_always_prefers_left_has_side_bias_one_and_favours_nobody():
    judgements = [
        judged(NAIVE, "china", "left", question=f"q{i}", left=bool(i % 2)) for i in range(20)
    ]
    swapped = [
        judged(NAIVE, "china", "left", question="q1", left=False, again=True),
    ]
    results = evaluate_judgements([*judgements, *swapped], VARIANTS)
    assert results.raters[0].side_bias == 1 == results.side_bias.value
    assert by_names(results, "china", NAIVE).typical.value == 0.5
    assert results.agreement[0].self_raw == 0  # with sides swapped, left is the other answer


def test_planted_strengths_are_recovered_within_their_intervals():
    strengths = {NAIVE: 0.0, PERSONA: 0.4, "china": 1.0}
    rng = np.random.default_rng(4)
    inside = 0
    for seed in range(4):
        judgements = simulated(strengths, 0.4, raters=6, questions=25, rng=rng)
        fitted = evaluate_judgements(judgements, VARIANTS, seed=seed).strengths[0]
        assert fitted.log_odds[NAIVE].value == 0 and fitted.log_odds[NAIVE].interval is None
        assert fitted.tie == pytest.approx(0.4, abs=0.12)
        for name in (PERSONA, "china"):
            found = fitted.log_odds[name]
            assert found.value == pytest.approx(strengths[name], abs=0.35)
            inside += found.interval[0] <= strengths[name] <= found.interval[1]
    assert inside >= 7  # of 8 intervals of 95%


@pytest.mark.parametrize("outcome", ["left", "tie"])
def test_strengths_are_finite_where_one_always_wins_or_all_are_ties(outcome):
    judgements = [judged("china", NAIVE, outcome, question=f"q{i}") for i in range(10)]
    fitted = evaluate_judgements(judgements, VARIANTS).strengths[0]
    found = fitted.log_odds["china"]
    assert np.isfinite([found.value, *found.interval]).all()
    assert found.value == pytest.approx(0, abs=1e-6) if outcome == "tie" else found.value > 1


def test_alpha_of_krippendorffs_example():
    """K. Krippendorff (2011), Computing Krippendorff's alpha-reliability, part C: nominal, 0.743, with gaps."""
    table = [
        [1, 1, None, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
        [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [None, 5, 5, 5], [None, None, 1, 1],
        [None, None, 3, None],
    ]  # fmt: skip
    from evalica import alpha

    found = alpha(pandas.DataFrame(table).T, distance="nominal")
    assert found.alpha == pytest.approx(0.743, abs=5e-4)
    assert 1 - found.observed / 40 == pytest.approx(
        0.80
    )  # 40 values in shared units, 8 coincidences apart


def test_agreement_is_about_answers_not_sides():
    """By hand: three of four pairs alike; of 8 values 5 are first, 3 second: alpha = 1 − 7·1·2 / (2·5·3)."""
    sides = [("left", "left"), ("left", "left"), ("right", "right"), ("left", "right")]
    judgements = []
    for index, (one, other) in enumerate(sides):
        given = {"question": f"q{index}"}
        judgements.append(judged("china", NAIVE, one, rater="a", **given))
        mirrored = {"left": "right", "right": "left"}[other]
        judgements.append(judged("china", NAIVE, mirrored, rater="b", left=False, **given))
    found = evaluate_judgements(judgements, VARIANTS).agreement[0]
    assert (found.raw, found.pairs) == (0.75, 4)
    assert found.alpha == pytest.approx(1 - 7 * 2 / 30)


def test_alpha_says_nothing_where_all_agree_on_everything():
    judgements = [
        judged("china", NAIVE, "left", rater=rater, question=f"q{i}")
        for rater in "ab"
        for i in (1, 2)
    ]
    found = evaluate_judgements(judgements, VARIANTS).agreement[0]
    assert (found.raw, found.alpha) == (1.0, None)


def test_intervals_widen_with_what_raters_share():
    """Raters who differ as persons make the mean less sure than as many independent judgements do."""
    rng = np.random.default_rng(1)
    person = [
        judged(
            "china", NAIVE, "left" if rater % 2 else "right", rater=f"r{rater}", question=f"q{q}"
        )
        for rater in range(6)
        for q in range(20)
    ]
    alone = [
        judged("china", NAIVE, str(rng.choice(["left", "right"])), rater=f"r{r}", question=f"q{q}")
        for r in range(6)
        for q in range(20)
    ]
    wide, narrow = (
        by_names(evaluate_judgements(judgements, VARIANTS), "china", NAIVE)
        for judgements in (person, alone)
    )
    width = [np.subtract(*w.typical.interval[::-1]) for w in (wide, narrow)]
    assert width[0] > 2 * width[1] and wide.needed > 4 * narrow.needed


def test_needed_judgements_are_the_textbooks_for_independent_ones():
    """Of 0 and 1 alike, 10 points at 80% power: 0.25·(2.802/0.1)² = 196.2."""
    samples = np.random.default_rng(0).binomial(400, 0.5, 200_000) / 400
    assert _needed(400, samples, 0.1) == pytest.approx(197, abs=2)
    assert _needed(10, np.ones(5), 0.1) is None


def test_noise_floor_stands_alone_and_a_single_rater_has_intervals_over_questions():
    judgements = [
        judged(NAIVE, AGAIN, side, question=f"q{i}") for i, side in enumerate(["left", "right"] * 4)
    ]
    judgements.append(judged("china", NAIVE, "left", question="q0"))
    results = evaluate_judgements(judgements, VARIANTS)
    assert results.floor.variant == AGAIN and results.floor.typical.value == 0.5
    low, high = results.floor.typical.interval
    assert low < 0.5 < high
    assert [w.variant for w in results.wins] == ["china"]
    assert results.agreement[0].alpha is None


def test_without_a_judgement_there_is_nothing_to_report():
    with pytest.raises(UsageError, match="nobody has judged"):
        evaluate_judgements([], VARIANTS)


def test_a_judgement_scores_its_first_answer():
    won = judged("china", NAIVE, "right", left=False)
    assert isinstance(won, Judgement) and (won.score("typical"), won.floor) == (1.0, False)
