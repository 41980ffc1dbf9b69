"""What an experiment's findings call good, and what not."""

import pytest

from acculturate.experiment.comparisons import LOSS, Difference
from acculturate.experiment.story import findings


@pytest.mark.parametrize(
    ("measure", "mean", "better", "p", "tone", "words"),
    [
        (LOSS, -2.7, 6, 0.01, "good", "the held-out loss fell in 6 of 6 cells."),
        (LOSS, -2.7, 6, 0.25, "caution", "the held-out loss fell in 6 of 6 cells."),
        (LOSS, 0.5, 4, 0.01, "bad", "the held-out loss fell in 4 of 6 cells, and not on average."),
        (LOSS, 0.5, 0, 0.01, "bad", "the held-out loss fell in 0 of 6 cells."),
        ("benchmark:quiz", 0.04, 6, 0.01, "caution", "quiz rose."),
        ("benchmark:quiz", 0.04, 6, 0.25, "caution", "quiz rose, by no more than chance may."),
        ("benchmark:quiz", -0.04, 1, 0.25, "caution", "quiz did not rise."),
        ("benchmark:quiz", -0.04, 1, 0.01, "bad", "quiz did not rise."),
    ],
)
def test_only_what_is_more_than_chance_is_good(measure, mean, better, p, tone, words):
    one = Difference("de", measure, 6, better, mean, None, p, p)
    (found,) = findings((), (one,), 0)
    assert (found.tone, found.head) == (tone, f"de: {words}")
