"""What an experiment's findings call good, and what not."""

from dataclasses import replace
from pathlib import Path

import pytest

from acculturate.experiment import Cell, Difference, Measured, ModelChoice, findings
from acculturate.metrics.content import Content
from acculturate.metrics.responsiveness import Reaction, Responsiveness
from acculturate.runs import (
    Checks,
    Evaluation,
    FormCounts,
    Method,
    Outcome,
    RunRecords,
    SurveySettings,
    Target,
    UntouchedContent,
    inputs,
)

LOSS = "held_out_loss"


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
    one = Difference("de", measure, 6, better, mean, p, p, None, None)
    (found,) = findings((), (one,), 0)
    assert (found.tone, found.head) == (tone, f"de: {words}")


@pytest.mark.parametrize(
    ("mean", "p", "tone", "words"),
    [
        (-2.7, 0.01, "good", "a lower held-out loss than with a."),
        (2.7, 0.01, "good", "a higher held-out loss than with a."),
        (2.7, 0.2, "caution", "a higher held-out loss than with a, by no more than chance may."),
        (2.7, None, "caution", "a higher held-out loss than with a."),
    ],
)
def test_a_model_is_told_beside_the_first_one(mean, p, tone, words):
    models = ModelChoice(name="org/b"), ModelChoice(name="org/a")
    one = Difference("de", LOSS, 6, 4, mean, p, p, None, None, *models)
    (found,) = findings((), (one,), 0)
    assert (found.tone, found.head) == (tone, f"de, b: {words}")


@pytest.mark.parametrize(
    ("held_out", "tone"), [(12.0, "good"), (19.0, "good"), (21.0, "caution"), (28.0, "caution")]
)
def test_what_carries_over_is_good_only_below_the_same_answer_to_everything(held_out, tone):
    runs = [measured(held_out - 1, held_out), measured(held_out, held_out)]
    (found,) = findings(runs, (), 0)
    assert (found.tone, "carries over" in found.head) == (tone, True)


@pytest.mark.parametrize(("value", "tone"), [(0.1, "caution"), (0.6, "good")])
def test_whether_the_model_answers_as_told_is_said_once(value, tone):
    reaction = Reaction(60.0, (50.0, 70.0), 0.6, 5.0, 1.0, 0.1)
    told = Responsiveness(value, (0.0, 0.7), 4, {"pdi": reaction})
    runs = [replace(measured(9, 9), checks=Checks(responsiveness=told)) for _ in range(3)]
    first, _ = findings(runs, (), 0)
    assert first.tone == tone
    assert ("about answers, not about a culture" in first.head) == (value < 0.25)


def test_answers_about_places_are_said_first_and_once():
    content = Content(0.1, (0.0, 0.4), 0.0, {"item": 0.0, "rest": 1.0}, None, "places in a list")
    cells = [measured(9, 9) for _ in range(3)]
    runs = [
        replace(cell, run=replace(cell.run, content=UntouchedContent(content)))
        for cell in cells
        if cell.run is not None
    ]
    first, *others = findings(runs, (), 0)
    assert (first.tone, first.head) == ("bad", "de: not about the questions.")
    assert "about places in a list" in first.text and len(others) == 1


def measured(tuning: float, held_out: float) -> Measured:
    """A run whose untouched model has 30 and whose same answer to everything has 20."""

    def row(method: str, *losses: float) -> Method:
        return Method(method, method, *(Outcome(loss, None, {}, {}, None) for loss in losses))

    naive, tuned = row("naive", 30.0, 30.0), row("tuned", tuning, held_out)
    evaluation = Evaluation(
        target=Target("China", {}, "t"),
        dimensions=(),
        rows=(naive, tuned),
        floor=None,
        constant_answer_loss=20.0,
        baselines={},
        reading="expected",
        aggregate="mean",
        forms=FormCounts(1, 1),
    )
    cell = Cell("t", "China", "de", 0)
    survey = SurveySettings("China", "t", "vsm13", "mean", "expected", 1, "en")
    config = inputs.Config(
        inputs.ModelSettings("fake"), survey, inputs.SearchSettings(10, 1, "front")
    )
    run = RunRecords(Path(), config, None, (), evaluation, None)
    return Measured(cell, tuned, naive, evaluation, run, Checks(), {}, Path())
