"""Searches compared: cells that are kept, a table by hand, a figure that is XML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from acculturate.bench.search import Cell, Comparison, compare, parse_method
from acculturate.bench.search_figure import figure
from acculturate.bench.search_table import HEADER, markdown, rows
from acculturate.errors import FailureError, UsageError
from acculturate.model.answers import Answers
from acculturate.model.fake import FakeModel
from acculturate.search.adam import Adam
from acculturate.survey.countries import Country
from acculturate.survey.instrument import Instrument
from acculturate.survey.scoring import Scoring, item_means, item_values
from acculturate.tuning.config import Settings
from acculturate.tuning.tune import measured_forms, tune

TOYLAND = Country("Toyland", "toy-table", {"planning": 80.0, "company": 20.0}, None)
OTHER = Country("Other & Co", "toy-table", {"planning": 30.0, "company": 60.0}, None)
METHODS = ("de/rand/1,population=6", "adam")
SMALL = {"tokens": 2}


class Counting(FakeModel):
    """Counts its calls, and stops at one of them; neither is part of its weights."""

    calls = 0
    stop_at: int | None = None

    def ask(self, *arguments: Any, **options: Any) -> Answers:
        type(self).calls += 1
        if type(self).calls == type(self).stop_at:
            raise KeyboardInterrupt
        return super().ask(*arguments, **options)


@pytest.fixture
def model() -> Counting:
    Counting.calls, Counting.stop_at = 0, None
    return Counting(4)


def run(
    model: FakeModel, toy: Instrument, out: Path, methods: Sequence[str] = METHODS, **changes: Any
) -> Comparison:
    given: dict[str, Any] = {"seeds": 2, "budget": 30, "limits": [None], "settings": SMALL}
    given |= {"targets": [TOYLAND]} | changes
    targets = given.pop("targets")
    return compare(model, toy, targets, [parse_method(m) for m in methods], out=out, **given)


def without_times(comparison: Comparison) -> list[dict[str, Any]]:
    cells = comparison.to_dict()["cells"]
    for cell in cells:
        del cell["seconds"], cell["search_seconds"]
    return cells


def test_every_cell_is_there_with_random_search_among_them(
    model: Counting, toy: Instrument, tmp_path: Path
) -> None:
    said: list[str] = []
    result = run(model, toy, tmp_path, progress=said.append)
    assert [(cell.method, cell.seed) for cell in result.cells] == [
        (method, seed) for method in (*METHODS, "random") for seed in (0, 1)
    ]
    assert (result.model, result.budget) == ("fake", 30)
    assert len(list(tmp_path.rglob("cell.json"))) == 6
    assert said[0] == "1 of 6: de/rand/1,population=6, Toyland, seed 0"
    assert len(said) == 6
    for cell in result.cells:
        assert cell.evaluations[-1] <= 30
        assert len(cell.evaluations) == len(cell.best)
        assert cell.loss == pytest.approx(cell.best[-1])
        assert cell.within
        assert cell.valid_mass == 0.9
        assert cell.seconds > 0 and cell.search_seconds > 0
    assert result.cells[2].evaluations == tuple(range(3, 31, 3))  # adam


def test_a_cell_is_the_run_that_tune_makes(
    model: Counting, toy: Instrument, tmp_path: Path
) -> None:
    result = run(model, toy, tmp_path / "cells", ["adam"], seeds=1, limits=[0.1])
    alone = tune(
        FakeModel(4),
        toy,
        TOYLAND,
        out=tmp_path / "alone",
        optimizer=Adam(30),
        budget=30,
        tokens=2,
        sample=False,
        max_divergence=0.1,
    )
    cell = result.cells[0]
    assert cell.loss == pytest.approx(alone.outcome["best_loss"])
    assert cell.held_out == pytest.approx(alone.outcome["held_out_loss"])
    assert cell.divergence == pytest.approx(alone.outcome["held_out_divergence"])
    assert cell.within == (alone.outcome["excess"] == 0)


def test_the_loss_of_a_sampled_run_is_measured_on_the_same_forms(
    model: Counting, toy: Instrument, tmp_path: Path
) -> None:
    """What a run says of itself is of samples, each the luckiest; that would not be compared fairly."""
    made: list[np.ndarray] = []

    class Watching(Counting):
        def ask(self, prompts: Any, *arguments: Any, **options: Any) -> Answers:
            made.append(np.array(prompts))
            return super().ask(prompts, *arguments, **options)

    result = run(Watching(4), toy, tmp_path, ["random,population=6,sample=true"], seeds=1)
    forms = measured_forms(toy, Settings(sample=True))
    answers = FakeModel(4).ask(made[-1], forms)
    means = item_means(item_values(answers.probabilities, "expected"), forms, toy)
    scoring = Scoring(toy)
    expected = scoring.loss(scoring.scores(means), TOYLAND.vector(toy))
    assert result.cells[0].loss == pytest.approx(expected[0])
    assert result.cells[0].loss != pytest.approx(result.cells[0].best[-1])


def test_what_is_finished_is_not_run_again(
    model: Counting, toy: Instrument, tmp_path: Path
) -> None:
    first = run(model, toy, tmp_path)
    Counting.calls = 0
    again = run(model, toy, tmp_path)
    assert Counting.calls == 0
    assert again == first
    # One more seed runs that seed alone.
    more = run(model, toy, tmp_path, ["adam", "random"], seeds=3)
    alone = Counting.calls
    assert len(more.cells) == 6
    Counting.calls = 0
    run(model, toy, tmp_path / "other", ["adam", "random"], seeds=1)
    assert alone == Counting.calls


def test_an_interrupted_comparison_goes_on(
    model: Counting, toy: Instrument, tmp_path: Path
) -> None:
    whole = run(model, toy, tmp_path / "whole")
    calls = Counting.calls
    for stop_at in (1, 4, 9, 20, 31):
        Counting.calls, Counting.stop_at = 0, stop_at
        with pytest.raises(KeyboardInterrupt):
            run(model, toy, tmp_path / str(stop_at))
        Counting.stop_at = None
        result = run(model, toy, tmp_path / str(stop_at))
        assert without_times(result) == without_times(whole)
        # The call that was stopped is made again, and its generation: nothing else.
        assert Counting.calls <= calls + 2


def test_countries_and_limits_have_cells_of_their_own(
    model: Counting, toy: Instrument, tmp_path: Path
) -> None:
    result = run(
        model, toy, tmp_path, ["adam"], seeds=1, targets=[TOYLAND, OTHER], limits=[None, 0.05]
    )
    cells = [(c.method, c.country, c.limit) for c in result.cells]
    assert sorted(set(cells), key=str) == sorted(cells, key=str)
    assert len(cells) == 8
    for cell in result.cells:
        line = tmp_path / ("Toyland" if cell.country == "Toyland" else "Other-Co")
        name = f"{line.name}-{cell.limit}-0"
        assert (tmp_path / name / cell.method / "cell.json").is_file()


def test_another_comparison_in_the_same_folder_is_refused(
    model: Counting, toy: Instrument, tmp_path: Path
) -> None:
    run(model, toy, tmp_path, seeds=1)
    with pytest.raises(UsageError, match=r"another configuration: search\.budget is 30 there"):
        run(model, toy, tmp_path, seeds=1, budget=36)


def test_nothing_runs_where_one_cell_cannot(
    model: Counting, toy: Instrument, tmp_path: Path
) -> None:
    for changes, words in (
        ({"limits": [None, -1.0]}, "max divergence -1"),
        ({"methods": ["adam", "de/rand/1,population=40"]}, "budget of 30"),
        ({"methods": ["adam", "adam,sample=true,forms=7"]}, "7 tuning forms"),
        ({"settings": {"forms": 7}}, "7 tuning forms"),
        ({"targets": [TOYLAND, Country("Nowhere", "t", {"planning": 1.0}, None)]}, "Nowhere"),
    ):
        with pytest.raises(UsageError, match=words):
            run(model, toy, tmp_path, **changes)
    assert Counting.calls == 0
    assert not list(tmp_path.iterdir())


def test_a_method_without_finite_answers_is_named(toy: Instrument, tmp_path: Path) -> None:
    class Broken(FakeModel):
        def ask(self, *arguments: Any, **options: Any) -> Answers:
            answers = super().ask(*arguments, **options)
            answers.probabilities[:] = np.nan
            return answers

    with pytest.raises(FailureError, match="none of 20 candidates of random gave finite answers"):
        run(Broken(4), toy, tmp_path, ["random"], seeds=1)


def test_a_damaged_cell_is_a_clear_error(model: Counting, toy: Instrument, tmp_path: Path) -> None:
    run(model, toy, tmp_path, seeds=1)
    next(tmp_path.rglob("cell.json")).write_text("{")
    with pytest.raises(FailureError, match=r"cell\.json"):
        run(model, toy, tmp_path, seeds=1)


class TestMethods:
    """What stands behind --method."""

    def test_settings_go_where_they_belong(self) -> None:
        method = parse_method("de/rand/1, space=projection:500, F=0.7,reject=false,tokens=16")
        assert method.optimizer == "de/rand/1"
        assert method.own == {"F": 0.7}
        assert method.settings == {"space": "projection:500", "reject": False, "tokens": 16}
        assert parse_method(["adam,step=1", "_tokens=1"][0]).own == {"step": 1}
        assert parse_method("de,placement=before-answer,init_scale=1").settings == {
            "placement": "before-answer",
            "init_scale": 1,
        }

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("adm", "'adm'"),
            ("", "''"),
            ("de/rand/1,FF=0.7", "'FF'"),
            ("de/rand/1,F=7", "F 7"),
            ("de/rand/1,F", "'F' in the method"),
            ("adam,step=0", "step 0"),
            ("adam,budget=100", "budget in the method"),
            ("l-shade,budget=100", "budget in the method"),
            ("de,seed=1", "seed in the method"),
            ("de,max_divergence=0.3", "max_divergence in the method"),
            ("de,tokens=many", "tokens cannot be 'many'"),
            ("de,tokens=1.5", "tokens cannot be 1.5"),
            ("de,placement=below", "placement cannot be 'below'"),
            ("de,reading=guess", "reading cannot be 'guess'"),
            ("de,reject=perhaps", "reject cannot be 'perhaps'"),
            ("de,divergence_weight=much", "divergence_weight cannot be 'much'"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, text: str, words: str) -> None:
        with pytest.raises(UsageError, match=words) as error:
            parse_method(text)
        assert error.value.hint


def cell(method: str = "de", seed: int = 0, loss: float = 5.0, **changes: Any) -> Cell:
    given: dict[str, Any] = {
        "country": "Toyland",
        "limit": None,
        "evaluations": (10, 20, 30),
        "best": (9.0, loss + 1, loss),
        "held_out": loss + 2,
        "divergence": 0.1,
        "valid_mass": 0.9,
        "seconds": 60.0,
        "search_seconds": 0.002,
    }
    return Cell(method=method, seed=seed, loss=loss, **(given | changes))


def test_the_table_by_hand() -> None:
    cells = (
        cell("de", 0, 4.0),
        cell("de", 1, 6.0, seconds=90.0),
        cell("de", 2, 5.0, divergence=0.4, valid_mass=0.5),
        cell("adam", 0, 1.0),
        cell("adam", 1, 2.0, evaluations=(3, 6, 9)),
        cell("adam", 2, 3.0, best=(8.0, 5.0, 3.0)),
        cell("random", 0, 8.0),
        cell("random", 1, 4.5),
        cell("random", 2, 7.0),
    )
    adam, de, random = rows(Comparison("fake", 30, cells), "de")
    assert [row.method for row in (adam, de, random)] == ["adam", "de", "random"]
    assert de.loss == (4.5, 5.0, 5.5)
    assert adam.loss == (1.5, 2.0, 2.5)
    assert {row.goal for row in (adam, de, random)} == {5.0}
    # A loss of 5: seeds 0 and 1 (losses 4 and 6) at 20 and never, seed 2 at 30: the median is 30.
    assert [c.reached(5.0) for c in cells[:3]] == [20, None, 30]
    assert de.to_goal == 30
    assert [c.reached(5.0) for c in cells[3:6]] == [20, 6, 20]
    assert adam.to_goal == 20
    assert [c.reached(5.0) for c in cells[6:]] == [None, 30, None]
    assert random.to_goal is None
    assert (de.held_out, de.divergence, de.valid_mass) == (7.0, 0.1, 0.9)
    assert (de.seeds, de.within, de.seconds, de.search_seconds) == (3, 3, 60.0, 0.002)
    assert dict(zip(HEADER, de.texts(), strict=True)) == {
        "country": "Toyland",
        "limit": "none",
        "method": "de",
        "within limit": "3 of 3",
        "loss [quartiles]": "5.0 [4.5, 5.5]",
        "evaluations to goal": "30 (5.0)",
        "held-out": "7.0",
        "divergence": "0.10",
        "valid mass": "90%",
        "seconds": "60",
        "ask+tell, ms": "2.0",
    }
    assert random.texts()[5] == "not reached (5.0)"
    text = markdown([adam, de, random]).splitlines()
    assert len(text) == 5
    assert text[3].startswith("| Toyland | none | de | 3 of 3 | 5.0 [4.5, 5.5] |")
    assert {line.count("|") for line in text} == {len(HEADER) + 1}


def test_a_loss_beyond_the_limit_is_no_result() -> None:
    """Its row says so and stands behind all others, and it sets no goal."""
    beyond = {"limit": 0.1, "best": (None, None, None)}
    cells = (
        cell("de", 0, 1.0, **beyond),
        cell("adam", 0, 6.0, limit=0.1, best=(None, 7.0, 6.0)),
    )
    adam, de = rows(Comparison("fake", 30, cells), "de")
    assert (adam.method, adam.within, de.within) == ("adam", 1, 0)
    assert de.texts()[3] == "0 of 1"
    assert adam.goal is de.goal is None
    assert de.texts()[5] == ""
    (same, _) = rows(Comparison("fake", 30, cells), "adam")
    assert (same.goal, same.to_goal) == (6.0, 30)


def test_countries_and_limits_are_groups_of_their_own() -> None:
    cells = (
        cell("de", 0, 5.0),
        cell("de", 0, 7.0, limit=0.3),
        cell("de", 0, 9.0, country="Other"),
    )
    table = rows(Comparison("fake", 30, cells), "de")
    assert [(row.country, row.limit, row.goal) for row in table] == [
        ("Toyland", None, 5.0),
        ("Toyland", 0.3, 7.0),
        ("Other", None, 9.0),
    ]
    assert [row.goal for row in rows(Comparison("fake", 30, cells), "nobody")] == [None] * 3


def test_the_best_at_some_evaluations() -> None:
    one = cell(best=(None, 7.0, 5.0))
    assert [one.best_at(count) for count in (0, 9, 10, 19, 20, 29, 30, 99)] == [
        *(None, None, None, None, 7.0, 7.0, 5.0, 5.0)
    ]


def test_the_figure_is_xml_and_shows_names_as_they_are() -> None:
    hostile = 'de,text=<script>alert("1")</script> & more'
    cells = [cell(hostile, seed, 5.0 + seed) for seed in range(3)]
    cells += [cell("adam", seed, 2.0 + seed, limit=0.3, country="A <b> & c") for seed in range(3)]
    drawn = figure(Comparison('fake "model" <x>', 30, tuple(cells)))
    root = ElementTree.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "<script" not in drawn
    texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
    assert f"{hostile}: 6.0" in texts
    assert "adam: 3.0" in texts
    assert "Toyland, no limit" in texts
    assert "A <b> & c, divergence at most 0.3" in texts
    assert '"model" <x>' in root.attrib["aria-label"]
    for element in root.iter():
        if "d" in element.attrib:
            assert "nan" not in element.attrib["d"] and "inf" not in element.attrib["d"]


def test_a_figure_where_nobody_came_within_the_limit() -> None:
    nobody = cell("de", limit=0.1, best=(None, None, None))
    somebody = cell("adam", limit=0.1, best=(None, None, 3.0))
    for cells in ((nobody,), (nobody, somebody)):
        drawn = figure(Comparison("fake", 30, cells))
        ElementTree.fromstring(drawn)
        assert ("de:" in drawn) is False
        assert ("adam: 3.0" in drawn) == (somebody in cells)


def test_many_methods_are_told_apart() -> None:
    cells = tuple(cell(f"method {number}", 0, 5.0 + number) for number in range(10))
    root = ElementTree.fromstring(figure(Comparison("fake", 30, cells)))
    lines = [
        (e.attrib["stroke"], e.attrib["stroke-dasharray"])
        for e in root.iter()
        if "stroke-dasharray" in e.attrib
    ]
    assert len(set(lines)) == len(lines) == 10
    places = [
        float(e.attrib["y"])
        for e in root.iter()
        if "fill" in e.attrib and "method" in (e.text or "")
    ]
    assert np.diff(sorted(places)).min() >= 12, "labels lie on each other"


def test_the_comparison_as_json(model: Counting, toy: Instrument, tmp_path: Path) -> None:
    result = run(model, toy, tmp_path, ["adam"], seeds=1)
    read = json.loads(json.dumps(result.to_dict()))
    assert [cell["method"] for cell in read["cells"]] == ["adam", "random"]
    assert read["cells"][0]["best"] == list(result.cells[0].best)
