"""Benchmarks in the report: a sentence that follows from the numbers, tables, nothing unescaped."""

import json
from dataclasses import asdict, replace

import pytest
from test_report import Page

from acculturate.benchmarks import Change, Exam, MethodScore, Part, Result, Test, load_benchmarks
from acculturate.errors import FailureError
from acculturate.evaluation.examine import examine
from acculturate.formatting import p_text
from acculturate.model import FakeModel
from acculturate.reporting import read_run, write_report
from acculturate.reporting.benchmarks_narrative import meaning, section
from acculturate.survey import load_countries
from acculturate.tuning import tune
from answering import Oracle, write_csv


def row(method, score, low, high, target, rank=None):
    part = Part(target, low, high, 15)
    return MethodScore(
        method, score, low, high, {"China": part}, part, part, rank=rank, ranked=rank and 9
    )


def result(gained=9, lost=1, p=0.02, kind="choice", **changes):
    change = Change(0.14, 0.03, 0.25, p, gained, lost)
    made = Result(
        benchmark="mine",
        title="Mine",
        kind=kind,
        how="probability",
        questions=60,
        country="China",
        chance=0.25,
        orders=0,
        seed=0,
        interval="Wilson score interval",
        test="exact McNemar test",
        source="here",
        licence="CC0",
        note="",
        left_out={},
        rows=(row("naive", 0.5, 0.4, 0.6, 0.4, 4), row("tuned", 0.64, 0.5, 0.7, 0.6, 2)),
        tests=(Test(against="naive", target=replace(change, p=0.5), **vars(change)),),
        fingerprint="0" * 64,
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (result(), "gets 64 % of the questions right instead of 50 % untouched"),
        (result(), "it gained 9 and lost 1, more than chance would explain (p 0.020)."),
        (result(p=0.4), "which can be chance (p 0.400)"),
        (result(gained=0, lost=0), "gets the same 64 % of the questions right"),
        (result(chance=0.45), "Untouched it cannot be told from guessing, which gets 45 %"),
        (result(), "On the 15 about China it is 60 % instead of 40 % (p 0.500)."),
        (result(kind="opinions"), "opinions are nearer to those of people in China"),
        (
            result(kind="opinions"),
            "0.640 instead of 0.500, more than other questions would explain",
        ),
        (result(kind="opinions"), "China is number 2 of 9 countries; untouched it was number 4."),
        (result(tests=()), "not asked of both models"),
    ],
)
def test_the_sentence_follows_from_the_numbers(made, words):
    assert words.replace(" %", "\N{NO-BREAK SPACE}%") in meaning(made)


def test_sentences_without_the_country_or_a_number():
    rows = tuple(replace(one, target=None, rank=None) for one in result().rows)
    assert "None of them is about China." in meaning(result(rows=rows))
    assert "Nobody from China was asked" in meaning(result(rows=rows, kind="opinions"))
    part = next(iter(rows[0].by_country.values()))
    rows = tuple(replace(row, by_country={"Iran": part, "Chyna": part}) for row in rows)
    text = meaning(result(rows=rows, kind="opinions"))
    assert "known to be from China; in the data are names that are no known country: Chyna" in text
    broken = tuple(replace(one, score=float("nan")) for one in rows)
    assert "answers are not finite" in meaning(result(rows=broken))
    assert section(result(rows=broken)).methods["Untouched"][0][0] == "–"
    assert (p_text(0.0001), p_text(None)) == ("under 0.001", "–")


@pytest.fixture(scope="module")
def made(tmp_path_factory, vsm13):
    """A run with an Easy, a Hard and an opinion benchmark whose words are hostile."""
    folder = tmp_path_factory.mktemp("runs")
    tune(FakeModel(), vsm13, load_countries()["China"], budget=20, tokens=2, out=folder / "cn")
    bad = "<script>alert('x')</script>"
    shares = repr({"China": [0.5, 0.5], f"{bad}": [1, 0], "مصر": [0, 1]})
    columns = ["question", "selections", "options"]
    opinions = write_csv(folder / "o.csv", columns, [["Is it?", shares, "['Yes', 'No']"]])
    write_csv(
        folder / "rows.csv", ["q", "a", "b", "gold", "land"], [["Is it?", "Yes", "No", "A", bad]]
    )
    (folder / "own.toml").write_text(
        f'file = "rows.csv"\ntitle = "{bad}"\nlicence = "{bad}"\n[columns]\nquestion = "q"\n'
        'options = ["a", "b"]\nanswer = "gold"\ncountry = "land"\n'
    )
    names = ["acculturate-culture-hard", f"global-opinions={opinions}", str(folder / "own.toml")]
    exam = Exam(load_benchmarks(names), orders=2)
    examine(folder / "cn", Oracle(lambda _form, tuned: int(tuned)), exam)
    return folder / "cn"


def test_every_benchmark_has_a_section_and_nothing_of_a_file_is_markup(made):
    page = Page(write_report([made]).read_text("utf-8"))
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.elements}
    for words in (
        "Outside the survey: acculturate-culture, true or false",
        "Outside the survey: GlobalOpinionQA",
        "Outside the survey: <script>alert('x')</script>",
        "not for commercial use",
        "not CulturalBench",
        "averaged over 2 random option orders (seed 0)",
        "مصر",
    ):
        assert words in page.text
    assert len(page.all("table")) == len(page.all("caption"))
    assert all("scope" in attrs for attrs in page.all("th"))


def test_what_is_read_is_what_was_written(made):
    found = read_run(made).checks.benchmarks
    for one in found:
        file = made / "evaluation" / "benchmarks" / f"{one.benchmark}.json"
        held = json.dumps(asdict(one))  # a single question has no interval: NaN, in the file null
        assert json.loads(held, parse_constant=lambda _: None) == json.loads(file.read_text())
    assert [one.benchmark for one in found] == [
        "acculturate-culture-hard",
        "global-opinions",
        "own",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.pop("rows"), "rows is missing"),
        (lambda v: v["rows"][0].update(score="high"), r"rows\[1\].score is 'high'"),
        (lambda v: v.pop("fingerprint"), "fingerprint is missing"),
        (lambda v: v["rows"][1].update(by_country=[1]), r"by_country is \[1\], not a table"),
    ],
)
def test_a_damaged_file_is_named(made, tmp_path, change, words):
    import shutil

    copy = shutil.copytree(made, tmp_path / "cn")
    file = copy / "evaluation" / "benchmarks" / "own.json"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))
    with pytest.raises(FailureError, match=words):
        read_run(copy)
