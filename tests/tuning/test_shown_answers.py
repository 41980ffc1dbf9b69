"""The space of answers to the survey's own questions: what is shown, where it starts, how it tunes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tuning_runs import HIDDEN, optimizer, read_history, resumes, tune_toy

from acculturate import load_countries, load_instrument
from acculturate.errors import UsageError
from acculturate.model import FakeModel
from acculturate.search import Choices
from acculturate.survey import all_forms
from acculturate.tuning import Settings, make_demonstrations, make_task, start_search

VSM = load_instrument("vsm13")
CHINA = load_countries()["China"]
TUNING = all_forms(VSM, ("en",), "tuning", ("words",), words="tuning")


class Reader(FakeModel):
    """A fake model that writes down what is embedded."""

    def embed_text(self, text: str) -> np.ndarray:
        self.read.append(text)
        return super().embed_text(text)

    def __init__(self, width: int) -> None:
        self.read: list[str] = []
        super().__init__(width)


def begun(model: FakeModel, survey: Any = VSM, country: Any = CHINA, **settings: Any) -> Any:
    chosen = Settings(space="demonstrations", **settings).resolved(optimizer("de"))
    task = make_task(survey, country, chosen)
    space, first = start_search(model, task, 4, np.random.default_rng(0))
    assert isinstance(space, Choices)
    return space, first, task


def test_every_question_is_shown_once_with_all_its_answers():
    model = Reader(HIDDEN)
    space, first, task = begun(model)
    assert (space.width, space.base.shape) == (24, (640, HIDDEN))
    for item in VSM.items:
        forms = [form for form in TUNING if form.item == item.id]
        texts = {f"{form.text}\n{form.cue}" for form in forms}
        assert len(texts & set(model.read)) == 1
    shown = make_demonstrations(model, task).answers
    assert first[0].tolist() == [shown[item.id] - 1 for item in VSM.items]
    assert len(np.unique(first, axis=0)) == 4


def test_neighbours_differ_in_wording_and_option_words():
    model = Reader(HIDDEN)
    begun(model)
    beginnings = ["In an ideal job", "If you could choose any job", "How important do you find"]
    for beginning in beginnings:
        assert sum(text.startswith(beginning) for text in model.read) >= 1
    for word in (" Absolutely essential", " Of great importance"):
        assert word in model.read


def test_a_candidate_is_the_text_with_its_answers():
    """Line ends in front, then every question with the words of its answer."""
    model = Reader(HIDDEN)
    space, first, _ = begun(model, tokens=700)
    prompt = space.prompts(first[:1])[0]
    assert np.array_equal(prompt, space.base.astype(np.float32))
    moved = first[:1].copy()
    moved[0, 3] = (moved[0, 3] + 1) % 5
    changed = np.flatnonzero((space.prompts(moved)[0] != prompt).any(axis=1))
    assert 1 <= len(changed) <= 4 and np.ptp(changed) < 4


@pytest.mark.parametrize("tokens", [60, 200])
def test_of_few_tokens_the_questions_that_change_most_are_shown(tokens: int):
    model = Reader(HIDDEN)
    space, first, task = begun(model, tokens=tokens)
    assert 0 < space.width < 24
    assert space.prompts(first).shape == (4, tokens, HIDDEN)
    most = next(iter(make_demonstrations(model, task).answers))
    asked = next(text for text in model.read if "\n" in text.strip())
    assert any(asked == f"{f.text}\n{f.cue}" for f in TUNING if f.item == most)


def test_without_room_for_a_question():
    with pytest.raises(UsageError, match=r"no question of .* fits into 3 virtual tokens") as caught:
        begun(FakeModel(HIDDEN), tokens=3)
    assert "--tokens" in (caught.value.hint or "")


@pytest.mark.parametrize("settings", [{"init": "gaussian"}, {"init": "in-context"}])
def test_no_other_start_fits(settings: dict[str, Any]):
    with pytest.raises(UsageError, match="starts from the answers of the country"):
        Settings(space="demonstrations", **settings).resolved(optimizer("de"))


@pytest.mark.parametrize("labels", ["words", "digits"])
@pytest.mark.parametrize("name", ["de", "l-shade", "adam", "cma-es"])
def test_it_tunes_and_resumes(name: str, labels: str, tmp_path):
    settings = {"space": "demonstrations", "tokens": 120, "labels": labels, "init": None}
    assert resumes(tmp_path, name, 2, budget=45, **settings) > 1


def test_searched_answers_are_no_worse_than_those_of_the_start(tmp_path):
    chosen: dict[str, Any] = {"space": "demonstrations", "tokens": 120, "labels": "words"}
    run = tune_toy(tmp_path, optimizer=optimizer("l-shade", budget=120), budget=120, **chosen)
    assert run.soft_prompt.embeddings.shape == (120, HIDDEN)
    history = read_history(tmp_path)
    assert history[-1]["best_objective"] < history[0]["best_objective"]
