"""A run says, before it spends its budget, where the untouched answers are not about the questions."""

import json
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from acculturate.errors import UsageError
from acculturate.metrics.content import ENOUGH
from acculturate.model import Answers, FakeModel, Prompts, Query, ask_untouched
from acculturate.reporting import narrative
from acculturate.runs import Run, read_run
from acculturate.survey import Form, all_forms, load_countries, load_instrument
from acculturate.tuning import Progress, tune
from acculturate.tuning.remembering import RememberingModel

VSM13, CHINA = load_instrument("vsm13"), load_countries()["China"]
OF_PLACES = {"item_effect": 0.2, "order_effect": 1.0}
SETTINGS: dict[str, Any] = {
    **{"budget": 20, "tokens": 1, "optimizer": "random"},
    **{"forms": 96, "labels": "digits", "objective": "scores", "guard": "sentences"},
}
CONTENT = "evaluation/content.json"


class Listening(FakeModel):
    """Notes every question to the untouched model, and the first of a candidate."""

    def __init__(self, **effects: float) -> None:
        super().__init__(4, **effects)  # pyright: ignore[reportArgumentType]
        self.asked: list[tuple[str, ...] | None] = []

    def ask(self, prompts: Prompts | None, query: Query) -> Answers:
        kinds = tuple(sorted({form.label_kind for form in query.forms}))
        self.asked.append(kinds if prompts is None else None)
        return super().ask(prompts, query)


def _stop(at: Progress) -> None:
    raise KeyboardInterrupt


def run(out: Path, model: FakeModel) -> Run:
    return tune(model, VSM13, CHINA, out=out, **SETTINGS)


def test_little_content_is_said_before_the_search_with_what_does_better(tmp_path: Path):
    model = Listening(**OF_PLACES)
    with pytest.warns(UserWarning, match=r"places in the list .* Read by words they have 0\."):
        run(tmp_path / "run", model)
    kinds = [kinds for kinds, _ in groupby(model.asked)]
    assert kinds[:4] == [("digits",), ("letters",), ("words",), None]
    records = read_run(tmp_path / "run")
    found = records.content
    assert found is not None and found.asked is not None and found.warning is not None
    assert found.asked.coefficient < ENOUGH < found.others["words"].coefficient
    assert narrative.headline(records).startswith(found.warning)


def test_with_content_nothing_is_said_and_nothing_else_asked(tmp_path: Path):
    model = Listening()
    run(tmp_path / "run", model)
    records = read_run(tmp_path / "run")
    assert records.content is not None and records.content.asked is not None
    assert (records.content.others, records.content.warning) == ({}, None)
    # Four questionnaires, and three rows of the result table on two sets of forms.
    forms = [asked for asked in model.asked if asked == ("digits",)]
    naive = records.method("naive")
    assert naive is not None and naive.tuning is not None
    told, asked = naive.tuning.content, records.content.asked
    for name in ("coefficient", "interval", "one_form", "components", "order_correlation"):
        assert getattr(told, name) == pytest.approx(getattr(asked, name))
    assert told.rival == asked.rival
    assert len(forms) == 4 + 6


def test_untouched_questionnaires_are_asked_once_for_search_and_result(tmp_path: Path):
    settings: dict[str, Any] = SETTINGS | {"labels": "words", "objective": "shift", "forms": 24}
    settings |= {"optimizer": "adam", "sample": True, "budget": 60, "init": "gaussian"}

    class Counting(FakeModel):
        def ask(self, prompts: Prompts | None, query: Query) -> Answers:
            if prompts is None and query.forms:
                asked.append((tuple(query.forms), query.valid_mass))
            return super().ask(prompts, query)

    asked: list[tuple[tuple[Form, ...], bool]] = []
    with suppress(KeyboardInterrupt):
        tune(Counting(4), VSM13, CHINA, out=tmp_path / "run", on_generation=_stop, **settings)
    before = len(asked)
    tune(Counting(4), VSM13, CHINA, out=tmp_path / "run", resume=True, **settings)
    assert 0 < before < len(asked)
    assert len(set(asked)) == len(asked)


def test_answers_that_something_was_asked_beside_are_not_taken_for_untouched_ones(tmp_path: Path):
    forms = all_forms(load_instrument("toy"), labels="words", words="first")
    forms = [form for form in forms if form.questionnaire == forms[0].questionnaire]
    model = Listening()
    for query, more in ((Query(forms, valid_mass=True), 1), (Query(forms), 0)):
        RememberingModel(model, tmp_path / f"{more}").ask(None, replace(query, calibrated=False))
        before = len(model.asked)
        ask_untouched(model, forms[:1], forms)
        assert (len(model.asked) > before) == more


def test_a_reading_that_is_no_better_is_no_advice(tmp_path: Path):
    model = FakeModel(4, item_effect=0.0, form_effect=1.0)
    with pytest.warns(UserWarning, match="Read by letters or words they have too little"):
        run(tmp_path / "run", model)


def test_a_reading_that_a_model_refuses_is_left_out(tmp_path: Path):
    class Wordless(FakeModel):
        def ask(self, prompts: Prompts | None, query: Query) -> Answers:
            if any(form.word_set is not None for form in query.forms):
                raise UsageError("no words")
            return super().ask(prompts, query)

    with pytest.warns(UserWarning, match="letters"):
        run(tmp_path / "run", Wordless(4, item_effect=0.0, form_effect=1.0))
    found = read_run(tmp_path / "run").content
    assert found is not None and set(found.others) == {"letters"}


def test_a_resumed_run_says_it_again_and_asks_nothing(tmp_path: Path):
    with pytest.warns(UserWarning, match="about places"):
        run(tmp_path / "run", Listening(**OF_PLACES))
    (tmp_path / "run" / "DONE.json").unlink()
    model = Listening(**OF_PLACES)
    with pytest.warns(UserWarning, match="about places"):
        tune(model, VSM13, CHINA, out=tmp_path / "run", resume=True, **SETTINGS)
    assert ("words",) not in model.asked


def test_a_run_of_an_earlier_version_has_none(tmp_path: Path):
    run(tmp_path / "run", FakeModel(4))
    (tmp_path / "run" / CONTENT).unlink()
    summary = tmp_path / "run" / "evaluation/summary.json"
    values = json.loads(summary.read_text())
    for row in values["rows"]:
        for forms in ("tuning", "held_out"):
            row[forms].pop("content")
    summary.write_text(json.dumps(values))
    records = read_run(tmp_path / "run")
    assert records.content is None
    assert narrative.headline(records).startswith("Tuning ")


def test_a_request_that_fails_at_first_leaves_an_empty_directory(tmp_path: Path):
    class Picky(FakeModel):
        def ask(self, prompts: Prompts | None, query: Query) -> Answers:
            if prompts is not None:
                raise UsageError("no prompts today")
            return super().ask(prompts, query)

    with pytest.raises(UsageError, match="no prompts today"):
        run(tmp_path / "run", Picky(4))
    run(tmp_path / "run", FakeModel(4))
