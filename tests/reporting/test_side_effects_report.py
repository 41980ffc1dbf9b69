"""What a prompt does to ordinary text, in words, a table and a figure."""

import json
import shutil

import pytest
from test_report import Page

from acculturate.errors import FailureError
from acculturate.evaluation.fluency import evaluate_fluency
from acculturate.metrics import Quantity, Reach
from acculturate.model import FakeModel
from acculturate.reporting import figures, read_run, side_effects_narrative, write_report
from acculturate.survey import load_countries
from acculturate.tuning import tune


@pytest.fixture(scope="module")
def made(tmp_path_factory, vsm13):
    target = load_countries()["United States"]
    out = tmp_path_factory.mktemp("runs") / "us"
    run = tune(FakeModel(), vsm13, target, budget=40, out=out)
    evaluate_fluency(run, FakeModel(), texts=("A text.", "And one more."))
    return run.directory


@pytest.fixture
def edited(made, tmp_path):
    """Writes a copy of the run with its file changed."""

    def edit(change):
        copy = tmp_path / "copy"
        shutil.copytree(made, copy, dirs_exist_ok=True)
        file = copy / "evaluation" / "fluency.json"
        values = json.loads(file.read_text("utf-8"))
        change(values)
        file.write_text(json.dumps(values))
        return copy

    return edit


def shown(path):
    return Page(write_report([path]).read_text(encoding="utf-8"))


def effects(path):
    return read_run(path).checks.side_effects


def test_the_section_is_there(made):
    page = shown(made)
    assert page.open == []
    for words in (
        "What it does to ordinary text",
        "English, longer texts",
        "Own texts",
        "How far into a text the prompt reaches",
        "Answers to everyday questions",
        "How do I get a coffee stain out",
    ):
        assert words in page.text
    assert len(page.all("table")) == len(page.all("caption"))
    html = (made / "report.html").read_text("utf-8")
    assert "How far into a text the prompt reaches: English, longer texts</title>" in html
    named = [attrs["aria-labelledby"].split() for attrs in page.all("svg") if attrs.get("role")]
    ids = {attrs.get("id") for _, attrs in page.elements}
    assert all(name in ids for names in named for name in names)


def test_languages_in_words(edited):
    def change(values):
        for index, one in enumerate(values["sets"][:5]):
            one["divergence"]["value"] = 0.1 * (index + 1)
            one["ratio"] = {"value": 1.5, "interval": [0.9, 2.0]}
        values["sets"][3]["ratio"] = {"value": 2.25, "interval": [1.1, 4.0]}

    assert side_effects_narrative.languages(effects(edited(change))).replace("\xa0", " ") == (
        "On ordinary sentences in 5 languages that no search saw, the prompt moves what the model expects "
        "next by 0.10 (English) to 0.50 (Chinese) nats a token. Perplexity is higher beyond what other "
        "sentences would explain in 1 of them, most in Hindi, 2.25 times the untouched model’s (95 %: 1.10 "
        "to 4.00)."
    )


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ((0.1, 0.3), "On the first 2 tokens behind the prompt the divergence is 0.50 nats a token, on the "
                     "last 2 of 10 0.30: the effect wears off."),
        ((-0.3, -0.1), "the effect grows."),
        ((-0.1, 0.3), "these texts do not tell."),
        (None, "one text alone does not tell"),
    ],
)  # fmt: skip
def test_reach_in_words(interval, words):
    found = Reach("own", "x", 3, (0.4,) * 10, (), (), Quantity(0.5, None), Quantity(0.3, None),
                  Quantity(0.2, interval))  # fmt: skip
    assert words in side_effects_narrative.reach(found)


def test_a_figure_stands_where_the_numbers_are():
    quantity = Quantity(0.5, None)
    found = Reach("own", "x", 3, (0.0, 0.5, 1.0), (0.0, 0.4, 0.8), (0.0, 0.6, 1.0), quantity, quantity,
                  quantity)  # fmt: skip
    chart = figures.reach_chart(found)
    (line,) = chart.series
    assert (list(line.x), line.y) == ([1, 2, 3], (0.0, 0.5, 1.0))
    assert line.bands == (((0.0, 0.4, 0.8), (0.0, 0.6, 1.0)),)
    assert chart.description == "mean over 3 texts: 0.00 nats at token 1; 1.00 nats at token 3."
    one = Reach("own", "x", 3, (0.5,), (), (), quantity, quantity, quantity)
    assert figures.reach_chart(one) is None


def test_answers_in_words(edited):
    def change(values):
        values["tuned"] |= {"words": 40.4, "repetition": 0.25, "refusals": 0.5, "empty": 0.25}
        values["naive"] |= {"words": 30.0, "repetition": 0.1}

    said = side_effects_narrative.replies(effects(edited(change))).replace("\xa0", " ")
    assert said == (
        "The answers to 12 everyday questions are 40 words long on average (30 untouched), and 25 % of their "
        "runs of 4 words were said before (10 % untouched); 50 % refuse and 25 % are empty."
    )


def test_hostile_and_broken_values(edited):
    bad = "<script>alert('x')</script>"

    def change(values):
        values["sets"][0]["label"] = values["reaches"][0]["label"] = bad
        values["replies"][0] = {"question": bad, "naive": bad, "tuned": ""}
        values["sets"][1]["ratio"] = values["sets"][1]["tuned"] = {"value": None, "interval": None}
        values["reaches"][1]["divergence"][0] = None
        values["reaches"][1]["faded"]["value"] = None

    page = shown(edited(change))
    assert "script" not in {tag for tag, _ in page.elements}
    assert "<script>alert" in page.text
    assert "no finite number" in page.text
    assert not {"nan", "inf", "None"} & set(page.text.split())


def test_a_damaged_file_names_its_place(edited):
    path = edited(lambda values: values["sets"][2].pop("ratio"))
    with pytest.raises(FailureError, match=r"sets\[3\].ratio is missing"):
        read_run(path)
