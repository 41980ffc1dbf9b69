"""The page: whole, alone, without scripts, and showing hostile text as text."""

import re
from html.parser import HTMLParser

import pytest

from acculturate.errors import FailureError, UsageError
from acculturate.model import FakeModel
from acculturate.reporting import read_run, write_report
from acculturate.survey import load_countries, load_instrument
from acculturate.tuning import tune
from fake_run import TUNED, write_fake_run

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects elements and checks that every one is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def page(path, **options):
    return Page(write_report([write_fake_run(path, **options)]).read_text(encoding="utf-8"))


def test_a_terminal_shows_the_losses_of_the_report(tmp_path):
    china = load_countries()["China"]
    run = tune(
        FakeModel(), load_instrument("vsm13"), china, budget=6, tokens=4, out=tmp_path / "run"
    )
    shown = Page(write_report([run.directory]).read_text(encoding="utf-8")).text
    for _, tuning, held_out, *_ in run.summary.texts()[1]:
        assert f" {tuning} " in shown
        assert f" {held_out} " in shown
        assert "." in tuning and len(tuning.partition(".")[2]) == run.summary.digits


def test_one_run(tmp_path):
    shown = page(tmp_path / "us")
    assert (tmp_path / "us" / "report.html").is_file()
    assert shown.open == []
    for words in (
        "Gemma 3 270M, moved towards United States",
        "brought the loss to United States from 21.7 to 4.8",
        "Random start",
        "best of 20 candidates",
        "VSM 2013 scores are not comparable to published scores.",
        "Nations are not cultures.",
        "Word for word the same.",
        "the budget is used up",
        "5f2b5f2b",
        "Answer as a person from United States would.",
    ):
        assert words in shown.text


def test_it_needs_nothing_else(tmp_path):
    shown = page(tmp_path / "us")
    tags = {tag for tag, _ in shown.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "form"}
    for _, attrs in shown.elements:
        assert not any(name.startswith("on") for name in attrs)
        assert not {"src", "srcset", "xlink:href"} & set(attrs)
        assert attrs.get("href", "#").startswith("#")
    html = (tmp_path / "us" / "report.html").read_text(encoding="utf-8")
    assert "url(" not in html
    assert "@import" not in html


def test_figures_have_names_and_tables_captions(tmp_path):
    shown = page(tmp_path / "us", limit=0.3)
    ids = [attrs["id"] for _, attrs in shown.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    images = [attrs for attrs in shown.all("svg") if attrs.get("role") == "img"]
    assert len(images) == 1 + 2
    for attrs in images:
        assert set(attrs["aria-labelledby"].split()) <= set(ids)
    assert len(shown.all("table")) == len(shown.all("caption")) == 3
    assert all("scope" in attrs for attrs in shown.all("th"))


def test_hostile_and_long_text_is_shown_as_text(tmp_path):
    bad = "<script>alert('x')</script>"

    def change(values):
        values["rows"][1]["label"] = bad * 9
        values["dimensions"][0]["name"] = bad
        values["nearest"]["tuned"][0][0] = bad
        values["continuations"][0] = {"text": bad, "naive": "\x00\ud800" + bad, "tuned": "x" * 9999}

    shown = page(tmp_path / "r", country=bad + "é" * 900, change=change)
    assert "script" not in {tag for tag, _ in shown.elements}
    assert shown.open == []
    assert "<script>alert" in shown.text
    assert max(len(word) for word in shown.text.split()) < 1300


def test_right_to_left_text_finds_its_own_direction(tmp_path):
    def change(values):
        values["continuations"][0] = {"text": "قال", "naive": "مرحبا", "tuned": "hello"}

    shown = page(tmp_path / "r", change=change)
    quotes = shown.all("blockquote")
    assert len(quotes) == 6
    assert all(attrs["dir"] == "auto" for attrs in quotes)


def test_an_unfinished_run_says_how_to_go_on(tmp_path):
    shown = page(tmp_path / "r", finished=False, evaluated=False, generations=3)
    assert "This run is unfinished: after 60 of 400 evaluations" in shown.text
    assert "--out runs/us --resume" in shown.text


@pytest.mark.parametrize("generations", [0, 1])
def test_a_run_with_hardly_any_history(tmp_path, generations):
    shown = page(tmp_path / "r", finished=False, evaluated=False, generations=generations)
    assert shown.open == []


def test_a_run_without_its_evaluation(tmp_path):
    assert "delete DONE.json" in page(tmp_path / "r", evaluated=False).text


def test_values_that_are_null(tmp_path):
    def change(values):
        for row in values["rows"]:
            row.update(held_out=None, divergence=None, perplexity=None)
            row["tuning"].update(interval=None, valid_mass=None, intervals={})
            row["tuning"]["scores"].pop("ivr", None)
        values["target"]["scores"].pop("lto")
        values.update(
            nearest={"naive": [], "tuned": []}, continuations=[], constant_answer_loss=None
        )

    assert "was not measured" in page(tmp_path / "r", change=change).text


def test_scores_far_off_the_scale(tmp_path):
    def change(values):
        values["rows"][5]["tuning"]["scores"] = {key: 50 + 9 * (x - 50) for key, x in TUNED.items()}

    assert "−121.0" in page(tmp_path / "r", change=change).text


def test_several_runs(tmp_path):
    paths = [
        write_fake_run(tmp_path / "us"),
        write_fake_run(tmp_path / "in", country="India", seed=1),
        write_fake_run(tmp_path / "open", finished=False, evaluated=False),
    ]
    out = write_report(paths)
    assert out == tmp_path.resolve() / "report.html"
    shown = Page(out.read_text(encoding="utf-8"))
    assert "2 of 3 runs are finished." in shown.text
    assert [attrs["id"] for attrs in shown.all("article")] == ["run-1", "run-2", "run-3"]
    assert [attrs["href"] for attrs in shown.all("a")] == ["#run-1", "#run-2", "#run-3"]
    ids = [attrs["id"] for _, attrs in shown.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert len(shown.all("h1")) == 1


def test_every_class_is_styled_and_the_page_is_the_same_twice(tmp_path):
    out = write_report([write_fake_run(tmp_path / "us")])
    html = out.read_text(encoding="utf-8")
    style = html[html.index("<style>") : html.index("</style>")]
    used = {name for names in re.findall(r'class="([^"]*)"', html) for name in names.split()}
    assert {name for name in used if f".{name}" not in style} <= {"best", "label", "given", "naive"}
    assert write_report([tmp_path / "us"]).read_text(encoding="utf-8") == html


def test_where_it_cannot_go(tmp_path):
    run = write_fake_run(tmp_path / "a" / "us")
    other = write_fake_run(tmp_path / "b" / "us")
    with pytest.raises(UsageError, match="no run to report"):
        write_report([])
    with pytest.raises(UsageError, match="different folders"):
        write_report([run, other])
    with pytest.raises(UsageError, match="is a folder"):
        write_report([run], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FailureError):
        write_report([run], tmp_path / "file" / "report.html")
    assert write_report([run, other], tmp_path / "new" / "two.html").is_file()


def test_a_run_that_was_really_made(tmp_path, vsm13):
    target = load_countries()["India"]
    run = tune(FakeModel(), vsm13, target, budget=60, out=tmp_path / "in", max_divergence=0.3)
    read = read_run(run.directory)
    assert read.done.evaluations == 60
    assert [row.method for row in read.evaluation.rows][-1] == "tuned"
    shown = Page(write_report([run.directory]).read_text(encoding="utf-8"))
    assert shown.open == []
    assert "loss to India from" in shown.text
    assert "Answer as a person from India would." in shown.text
    assert len([attrs for attrs in shown.all("svg") if attrs.get("role") == "img"]) == 3
