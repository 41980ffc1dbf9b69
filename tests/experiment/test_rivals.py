"""Methods that search nothing: each is a baseline of an experiment, asked as a soft prompt is."""

import csv
from pathlib import Path

import numpy as np
import pytest
from experiment_runs import PLAN, run

from acculturate.errors import UsageError
from acculturate.experiment import load_experiment
from acculturate.metrics.behaviour import Behaviour
from acculturate.metrics.treatments import ask_state
from acculturate.model import FakeModel, SoftPrompt
from acculturate.record_files import read_record
from acculturate.survey import Country, Line, load_countries, load_instrument
from acculturate.tuning import (
    TREATMENTS,
    Objective,
    Settings,
    make_demonstrations,
    make_task,
    make_treatments,
    tune,
)

TOY, VSM = load_instrument("toy"), load_instrument("vsm13")
TOYLAND = Country("Toyland", "toys", {"planning": 80.0, "company": 20.0}, None)
IN_FRONT = ("persona-values", "persona-interview", "demonstrations")
STEERED = "steering"


def test_words_are_measured_and_asked_in_other_ways(tmp_path: Path):
    chosen = "".join(f"{name} = {{}}\n" for name in (*IN_FRONT, STEERED))
    text = PLAN.replace("[settings]", "evaluate = true\n[settings]", 1)
    text = text.split("random =")[0] + chosen
    published = run(tmp_path, text=text)
    assert not published.failed
    with (tmp_path / "out" / "results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["country"] == "Toyland"]
    for method in ("persona", *IN_FRONT):
        measures = {row["measure"]: row["value"] for row in rows if row["method"] == method}
        assert float(measures["tokens_in_front"]) > 5
        assert float(measures["divergence"]) > 0
        assert {"held_out_loss", "asked:held-out:attained", "rank"} <= set(measures)
    steered = {row["measure"]: row["value"] for row in rows if row["method"] == STEERED}
    assert {"divergence", "asked:held-out:attained", "rank"} <= set(steered)
    assert (float(steered["tokens_in_front"]), float(steered["evaluations"])) == (0, 15)
    naive = {row["measure"]: row["value"] for row in rows if row["method"] == "naive"}
    assert float(naive["tokens_in_front"]) == 0
    assert "tokens in front" in (tmp_path / "out" / "table.md").read_text()


def test_a_demonstrated_answer_is_the_countrys_own_smallest_change():
    task = make_task(VSM, load_countries()["China"], Settings(forms=48))
    model = FakeModel(form_effect=0.0)
    aim = Objective(model, task).aim
    shown = make_demonstrations(model, task)
    sizes = dict(zip([item.id for item in VSM.items], aim.changes, strict=True))
    means = dict(zip([item.id for item in VSM.items], aim.means, strict=True))
    for item, answer in shown.answers.items():
        assert (answer - means[item]) * sizes[item] >= -1e-6 or abs(sizes[item]) < 1e-3
        assert abs(answer - means[item] - sizes[item]) < 1
    assert list(shown.answers) == sorted(sizes, key=lambda item: -abs(sizes[item]))


def test_words_of_every_kind_speak_of_the_country():
    task = make_task(VSM, load_countries()["China"], Settings(forms=48))
    contexts = make_treatments(
        FakeModel(), task, tuple(name for name in TREATMENTS if name != "steering")
    )
    texts = {name: c.before(task.measured[:1])[0].in_front for name, c in contexts.items()}
    assert all("China" in text for name, text in texts.items() if name != "demonstrations")
    assert isinstance(contexts["persona-values"], Line) and contexts["persona-values"].told
    poles = VSM.language("en").poles
    assert f"This fits you completely: {poles['pdi'].high}" in texts["persona-values"]
    assert poles["pdi"].low not in texts["persona-values"]
    assert f"Is this you? {poles['pdi'].low}\nYou: No, not at all." in texts["persona-interview"]


def test_a_prompt_tuned_with_the_persona_line_is_always_asked_with_it(tmp_path: Path):
    class Listening(FakeModel):
        """Keeps the texts of forms that it is asked under a prompt."""

        def __init__(self) -> None:
            super().__init__()
            self.heard: set[bool] = set()

        def ask(self, prompts, query):
            if prompts is not None:
                line = "Answer as a person from Toyland would.\n"
                self.heard |= {form.text.startswith(line) for form in query.forms}
            return super().ask(prompts, query)

    model = Listening()
    found = tune(
        model, TOY, TOYLAND, out=tmp_path / "r", optimizer="de", budget=60, persona=True, tokens=2
    )
    assert model.heard == {True}
    prompt = found.soft_prompt
    assert prompt.line == "Answer as a person from Toyland would."
    assert "persona = true" in (tmp_path / "r" / "config.toml").read_text()
    form = make_task(TOY, TOYLAND, Settings()).measured[0]
    with_line = ask_state(model, prompt, [form])
    assert with_line.forms == (form,)
    bare = ask_state(model, SoftPrompt(prompt.embeddings, prompt.placement, "fake"), [form])
    assert np.abs(with_line.probabilities - bare.probabilities).max() > 0
    assert SoftPrompt.load(tmp_path / "r" / "best.safetensors").line == prompt.line


def test_a_baseline_takes_no_settings(tmp_path: Path):
    text = PLAN.replace("naive = {}", "demonstrations = { tokens = 3 }")
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(UsageError, match="takes no settings"):
        load_experiment(tmp_path / "a.toml")


def test_behaviour_is_measured_where_there_are_situations(tmp_path: Path):
    text = """\
model = "fake"
instrument = "vsm13"
tables = ["hofstede-insights"]
countries = ["China"]
evaluate = true
languages = []
[methods]
naive = {}
steering = {}
"""
    assert not run(tmp_path, text=text).failed
    with (tmp_path / "out" / "results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["measure"].startswith("behaviour:")]
    assert {row["method"] for row in rows} <= {"steering"}
    assert not list((tmp_path / "out" / "figures").glob("map-*"))  # six dimensions are no map
    folder = "cells/hofstede-insights/china/baselines/evaluation/steering/behaviour.json"
    behaviour = read_record(Behaviour, tmp_path / "out" / folder)
    assert {(row.kind, row.method) for row in behaviour.rows} >= {("words", "tuned")}
    assert set(behaviour.rows[0].survey) == set(behaviour.wanted)
