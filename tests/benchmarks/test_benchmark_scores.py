"""Scores against hand-computed ones, tests and distances against scipy."""

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from acculturate.benchmarks import OpinionSet, QuestionSet, Result, load_benchmark
from acculturate.benchmarks.accuracy import chance, likeliest, score_questions
from acculturate.benchmarks.questions import Opinion, Origin, Question
from acculturate.benchmarks.similarity import jensen_shannon_distance, rank, score_opinions
from acculturate.benchmarks.statistics import (
    bootstrap_p,
    draw_questions,
    effective_count,
    mcnemar,
    wilson,
)
from acculturate.metrics.statistics import weighted_means
from acculturate.reporting.benchmarks_narrative import section
from answering import EASY, HARD, easy_row, hard_rows_of, write_csv

ORIGIN = Origin("mine", "Mine", "here", "CC0")


def one_hot(*options, width=4):
    return np.eye(width)[list(options)]


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_two_sided_binomial_test(gained, lost):
    expected = 1.0
    if gained + lost:
        expected = scipy.stats.binomtest(gained, gained + lost, 0.5).pvalue
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 50), st.integers(1, 50))
def test_wilson_is_scipys(right, count):
    right = min(right, count)
    expected = scipy.stats.binomtest(right, count).proportion_ci(method="wilson")
    assert wilson(right / count, count) == pytest.approx(tuple(expected), abs=1e-9)
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_weights_amount_to_fewer_questions():
    assert effective_count(np.ones(7)) == 7
    assert effective_count(np.array([2.0, 1.0, 1.0])) == pytest.approx(16 / 6)


def test_easy_by_hand(tmp_path):
    rows = [easy_row(k, "ABCD"[k % 4], "China" if k < 2 else "India") for k in range(5)]
    found = load_benchmark(f"culturalbench-easy={write_csv(tmp_path / 'e.csv', EASY, rows)}")
    # Right options: 0 1 2 3 0. Naive has questions 0 and 4, tuned 0, 1, 2.
    answered = {"naive": one_hot(0, 0, 0, 0, 0), "tuned": one_hot(0, 1, 2, 0, 1)}
    (naive, tuned), (test,) = score_questions(found, answered, "China", 0)
    assert (naive.score, tuned.score) == (0.4, 0.6)
    assert (naive.target.score, naive.target.questions) == (0.5, 2)
    assert (tuned.target.score, tuned.others.score) == (1.0, 1 / 3)
    assert tuned.by_country["India"].questions == 3
    assert (tuned.low, tuned.high) == wilson(0.6, 5)
    assert (test.gained, test.lost, test.p) == (2, 1, 1.0)
    assert test.gain == pytest.approx(0.2)
    assert (test.target.gained, test.target.lost) == (1, 0)
    assert test.others.gain == pytest.approx(0.0)
    assert test.low <= test.gain <= test.high
    assert chance(found) == 0.25


def test_hard_counts_a_question_only_with_all_its_judgements(tmp_path):
    rows = [*hard_rows_of(1, "TFFF", "China"), *hard_rows_of(2, "FTFF", "India")]
    found = load_benchmark(f"culturalbench-hard={write_csv(tmp_path / 'h.csv', HARD, rows)}")
    # Option 0 of a judgement is True.
    answered = {
        "naive": one_hot(0, 1, 1, 1, 0, 0, 1, 1, width=2),
        "tuned": one_hot(0, 1, 1, 0, 1, 0, 1, 1, width=2),
    }
    (naive, tuned), (test,) = score_questions(found, answered, "India", 0)
    assert (naive.score, naive.judgements) == (0.5, 7 / 8)
    assert (tuned.score, tuned.judgements) == (0.5, 7 / 8)
    assert (tuned.target.score, tuned.others.score) == (1.0, 0.0)
    assert (test.gained, test.lost) == (1, 1)
    assert chance(found) == 1 / 16


def test_what_is_no_answer_is_counted_and_never_right():
    shares = np.array([[0.4, 0.4, 0.2], [0, 0, 0], [np.nan, np.nan, 0], [0.2, 0.5, 0.3]])
    assert likeliest(shares).tolist() == [-1, -1, -1, 1]
    questions = tuple(
        Question(str(k), "?", ("a", "b", "c"), (False, True, False)) for k in range(4)
    )
    found = QuestionSet(ORIGIN, "choice", questions)
    (row, _), _ = score_questions(found, {"naive": shares, "tuned": shares}, "China", 0)
    assert (row.score, row.unanswered) == (0.25, 3)
    assert (row.target, row.others, dict(row.by_country)) == (None, None, {})


def test_weights_count():
    questions = tuple(
        Question(str(k), "?", ("a", "b"), (True, False), "China", weight)
        for k, weight in enumerate((3.0, 1.0))
    )
    found = QuestionSet(ORIGIN, "choice", questions)
    answered = {"naive": one_hot(0, 1, width=2), "tuned": one_hot(1, 0, width=2)}
    (naive, tuned), (test,) = score_questions(found, answered, "China", 0)
    assert (naive.score, tuned.score) == (0.75, 0.25)
    assert (naive.low, naive.high) == wilson(0.75, 1.6)
    assert test.gain == -0.5


def test_the_test_of_a_weighted_gain_is_of_that_gain():
    weights = (10.0, 10.0, *[1.0] * 10)
    questions = tuple(
        Question(str(k), "?", ("a", "b"), (True, False), "China", weight)
        for k, weight in enumerate(weights)
    )
    found = QuestionSet(ORIGIN, "choice", questions)
    answered = {
        "naive": one_hot(*[1] * 2, *[0] * 10, width=2),
        "tuned": one_hot(*[0] * 2, *[1] * 10, width=2),
    }
    _, (test,) = score_questions(found, answered, "China", 0)
    assert test.gain == pytest.approx(1 / 3)
    assert (test.gained, test.lost) == (2, 10)
    assert test.p > 0.1, "McNemar's, which counts the questions alike, has 0.04"


distribution = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda v: sum(v) > 0.1)


@given(distribution, distribution)
def test_the_distance_is_scipys_to_base_two(left, right):
    p, q = (np.array(v) / sum(v) for v in (left, right))
    expected = scipy.spatial.distance.jensenshannon(p, q, base=2)
    found = jensen_shannon_distance(p, np.stack([q, p]))
    assert found == pytest.approx([np.nan_to_num(expected), 0], abs=1e-6)


def test_distances_at_the_ends():
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    np.testing.assert_array_equal(jensen_shannon_distance(a, np.stack([b, a])), [1.0, 0.0])
    assert np.isnan(jensen_shannon_distance(np.full(2, np.nan), np.stack([a, b]))).all()


def opinions():
    return OpinionSet(
        ORIGIN,
        (
            Opinion("1", "?", ("a", "b"), {"China": (1.0, 0.0), "India": (0.0, 1.0)}),
            Opinion("2", "?", ("a", "b", "c"), {"China": (0.0, 0.0, 1.0)}),
        ),
        {},
    )


def test_opinions_by_hand():
    answered = {
        "naive": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        "tuned": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    }
    (naive, tuned), (test,) = score_opinions(opinions(), answered, "China", 0)
    assert {name: part.score for name, part in naive.by_country.items()} == {
        "China": 0.5,
        "India": 1.0,
    }
    assert (naive.score, tuned.score) == (0.5, 1.0)
    assert (naive.rank, tuned.rank, tuned.ranked) == (2, 1, 2)
    assert tuned.by_country["India"].questions == 1
    assert (test.gain, test.target.gain, test.others.gain) == (0.5, 0.5, -1.0)
    elsewhere, _ = score_opinions(opinions(), answered, "Peru", 0)
    assert (elsewhere[1].target, elsewhere[1].rank) == (None, None)
    # The first question is like China and unlike India, the second like China alone was asked.
    assert elsewhere[1].score == pytest.approx((0.5 + 1.0) / 2)


def test_a_rank_compares_on_questions_that_both_were_asked():
    alike = np.array([[0.2, 0.3, np.nan], [0.9, np.nan, 0.8]])
    # The second is nearer on the question shared with the first, the third is not.
    assert rank(alike, 0) == (2, 3)


def test_the_bootstrap_is_of_pairs_and_repeatable():
    drawn = draw_questions(5, 3)
    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    np.testing.assert_array_equal(drawn, draw_questions(5, 3))
    values = np.array([[1.0], [2.0], [np.nan], [4.0], [5.0]])
    # Of five questions four are drawn.
    expected = [
        np.repeat([1, 2, 4, 5], (4 * row[[0, 1, 3, 4]]).round().astype(int)).mean()
        for row in drawn[:50]
    ]
    np.testing.assert_allclose(weighted_means(drawn[:50], values)[:, 0], expected)
    assert bootstrap_p(np.full(999, 0.1), 50) == pytest.approx(2 / 1000)
    assert bootstrap_p(np.full(999, 0.1), 3) == 0.25  # as often as three signs agree
    assert bootstrap_p(np.zeros(9), 50) == 1.0
    assert bootstrap_p(np.array([np.nan]), 1) is None


def test_a_single_question_has_no_interval_and_no_p():
    answered = {
        "naive": np.array([[0.0, 1.0], [0.5, 0.5]]),
        "tuned": np.array([[1.0, 0], [0.5, 0.5]]),
    }
    single = Opinion("2", "?", ("a", "b"), {"India": (1.0, 0.0)})
    asked = OpinionSet(ORIGIN, (*opinions().questions[:1], single), {})
    (_, tuned), (test,) = score_opinions(asked, answered, "China", 0)
    assert (tuned.score, tuned.target.questions) == (1.0, 1)
    assert np.isnan([tuned.low, tuned.high, test.low, test.high]).all()
    assert test.p is None
    result = Result(
        "o", "O", "opinions", "probability", 2, "China", None, 0, 0, "i", "t", "s", "l", "", {},
        score_opinions(asked, answered, "China", 0)[0], (test,), "f",
    )  # fmt: skip
    shown = section(result)
    assert "of a single question. " in shown.meaning and "nan" not in shown.meaning
    assert "people in China" in shown.about and ": 1 questions" in shown.about
