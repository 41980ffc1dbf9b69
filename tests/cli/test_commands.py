"""Every command does what it says: help, tables, JSON."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_runs import CommandLine
from typer.main import get_command

import acculturate as ac
from acculturate import display
from acculturate.cli import app
from acculturate.commands.examples import EXAMPLES
from acculturate.survey import all_forms, load_countries, load_instrument
from acculturate.survey.instrument import DATA

OPTIONS = {
    "measure": "--model --country --prompt --forms --language --labels --instrument --table --anchor "
    "--aggregate --variant --reading --respondents --seed --revision --dtype --device "
    "--trust-remote-code --json",
    "tune": "--country --model --out --resume --budget --seed --optimizer --population --step --tokens "
    "--placement --space --init --init-scale --init-text --init-run --max-divergence --min-valid-mass "
    "--divergence-weight --target-loss --stall --sample "
    "--forms --language --instrument --table --anchor --aggregate"
    " --variant --reading --respondents --revision --dtype "
    "--device --trust-remote-code --json",
    "evaluate": "--languages --respondents --on --texts --no-generated --model --instrument --table --device "
    "--trust-remote-code --json",
    "report": "--out --json",
    "chat": "--plain --temperature --top-p --max-tokens --seed --model --device",
    "compare": "first second --country --forms --labels --instrument --seed --device --json",
    "check": "--instrument --labels --language --device --json",
    "relate": "--out --seed --json",
    "export": "--out --format --model --device --trust-remote-code --json",
    "countries": "--table --json",
    "forms": "--instrument --split --language --labels --json",
    "instrument": "template list",
    "instrument template": "name",
    "instrument list": "--json",
    "": "--version measure check tune report export relate countries forms instrument",
}
MEASURED = {
    "content",
    "responsiveness",
    "model",
    "instrument",
    "table",
    "anchor",
    "reading",
    "forms",
    "scores",
    "intervals",
    "item_means",
    "valid_mass",
    "nearest",
    "warnings",
}
COMPARED = {"loss", "floor", "constant_answer_loss"}


@pytest.mark.parametrize("command", OPTIONS)
def test_help(command: str, cli: CommandLine):
    shown = cli(*command.split(), "--help")
    assert shown.code == 0
    assert shown.err == ""
    for word in OPTIONS[command].split():
        assert word in shown.out, word
    assert "Usage: acculturate" in shown.out


def verbs(group: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from verbs(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


@pytest.mark.parametrize("verb", [verb for verb, _ in verbs()])
def test_every_verb_has_examples_that_are_understood(
    verb: str, cli: CommandLine, tmp_path: Path
) -> None:
    command = dict(verbs())[verb]
    shown = cli(*verb.split(), "--help").out
    assert EXAMPLES[verb]
    for line in EXAMPLES[verb]:
        assert f"  {line}\n" in shown
        words = shlex.split(line.partition(" >")[0])
        assert words[: 1 + len(verb.split())] == ["acculturate", *verb.split()]
        command.make_context(verb, words[1 + len(verb.split()) :])
    assert set(EXAMPLES) == {verb for verb, _ in verbs()}


def test_the_help_groups_the_verbs(cli: CommandLine):
    shown = cli("--help").out
    panels = re.findall(r"^(\w[\w ]*):$", shown, re.M)
    assert panels == ["Options", "Measure", "Tune", "Results", "Use", "Look up"]
    assert "..." not in shown.partition("Measure:")[2], "no sentence is cut"


def test_a_shell_completes_verbs_and_options(cli: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("_ACCULTURATE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "acculturate mea")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert cli().out.split() == ["measure"]


def test_no_command_shows_the_help(cli: CommandLine):
    shown = cli()
    assert shown.code in (0, 2)
    assert "measure" in shown.out + shown.err


def test_version(cli: CommandLine):
    lines = cli("--version").out.splitlines()
    assert lines[0] == f"acculturate {ac.__version__}"
    assert [line.split()[0] for line in lines[1:]] == ["Python", "numpy", "torch", "transformers"]


def test_measure_as_json(cli: CommandLine):
    free = cli("measure", "--model", "fake", "--json").json
    assert set(free) == MEASURED
    assert free["forms"] == len(all_forms(load_instrument("vsm13"), labels="words"))
    assert free["valid_mass"] is None
    assert list(free["scores"]) == list(free["intervals"]) == list(free["anchor"])
    assert len(free["item_means"]) == 24
    assert len(free["nearest"]) == 5
    compared = cli("measure", "--model", "fake", "--json", "--country", "china").json
    assert set(compared) == MEASURED | COMPARED | {"country", "loss_interval"}
    assert compared["country"] == "China"
    assert compared["floor"] is None
    assert compared["loss_interval"][0] <= compared["loss"] <= compared["loss_interval"][1]
    modal = cli("measure", "--model", "fake", "--json", "-c", "china", "--reading", "modal").json
    assert modal["floor"] > 0


def test_measure_as_files(cli: CommandLine, tmp_path: Path):
    shown = cli("measure", "-m", "fake", "--instrument", "toy", "--out", "new/profile", "--json")
    files = {path.name for path in (tmp_path / "new" / "profile").iterdir()}
    assert {"profile.json", "answers.csv", "scores.csv", "profile.tex", "profile.pdf"} <= files
    assert json.loads((tmp_path / "new" / "profile" / "profile.json").read_text()) == shown.json


def test_measure_looks_at_its_folder_before_it_asks(cli: CommandLine, tmp_path: Path):
    (tmp_path / "mine.csv").write_text("mine")
    shown = cli("measure", "-m", "fake", "--out", "mine.csv")
    assert "mine.csv is no folder" in shown.message(2) and "asking" not in shown.err


def test_measure_as_a_table(cli: CommandLine):
    shown = cli(
        "measure", "--model", "fake", "-c", "usa", "-t", "hofstede-2015", "--forms", "tuning"
    )
    assert shown.code == 0
    assert "valid mass" not in shown.out, "of answers in words there is no share to expect"
    shown = cli("measure", "-m", "fake", "-c", "usa", "-t", "hofstede-2015", "--labels", "digits")
    assert shown.code == 0
    for word in (
        "Power distance (pdi)",
        "United States",
        "hofstede-2015",
        "nearest:",
        "valid mass",
    ):
        assert word in shown.out, word


def test_answers_to_no_question_have_no_nearest_country(capsys: pytest.CaptureFixture[str]):
    survey = ac.load_instrument("vsm13")
    profile = ac.measure(ac.FakeModel(), survey, forms="held-out")
    display.show_profile(profile, survey, None)
    assert "nearest" in capsys.readouterr().out
    assert profile.content is not None
    placed = replace(profile.content, coefficient=0.3)
    display.show_profile(replace(profile, content=placed), survey, None)
    shown = capsys.readouterr().out
    assert "nearest" not in shown
    assert "`acculturate check`" in shown


def test_measure_takes_a_soft_prompt(cli: CommandLine):
    naive = cli("measure", "--model", "fake", "-c", "us", "--json").json
    run = cli.tune("--out", "run", "--budget", 120, "--init-scale", 1, "--json").json
    for prompt in ("run", "run/best.safetensors"):
        tuned = cli("measure", "--model", "fake", "-c", "us", "--prompt", prompt, "--json").json
        assert tuned["loss"] < naive["loss"]
    assert run["best_loss"] < run["naive_loss"]


def test_measure_in_another_language_and_with_letters(cli: CommandLine):
    fake = ("measure", "--model", "fake", "--json", "--forms", "held-out")
    asked = [
        cli(*fake, *more).json["scores"]
        for more in ((), ("--language", "ar"), ("--labels", "letters"))
    ]
    assert asked[0] != asked[1] != asked[2]
    assert "has no language" in cli(*fake, "--language", "xx").message(2)


def test_tune_in_another_language(cli: CommandLine):
    cli.tune("--out", "run", "--language", "es")
    assert tomllib.loads(Path("run/config.toml").read_text())["survey"]["language"] == "es"
    shown = cli("evaluate", "run", "--languages", "en", "--json").json
    keys = [row["key"] for row in shown["runs"][0]["held_out"]["rows"]]
    assert keys[-1] == "en"
    assert "es" not in keys


def test_evaluate(cli: CommandLine):
    cli.tune("--out", "a")
    cli.tune("--out", "b", "--seed", 1, "--country", "china")
    shown = cli("evaluate", "a", "b")
    assert shown.code == 0
    for word in ("a: loss", "b: loss", "New wordings and frames", "…in Arabic"):
        assert word in shown.out
    assert "acculturate report a b" in shown.err
    assert "On forms that its search never saw (new wordings and frames) the loss" in shown.out
    assert "of 2 prompts bring the model nearer" in shown.out
    whole = cli("evaluate", "a", "b", "--json").json
    assert whole["confusions"][0]["columns"] == ["United States", "China"]
    Path("a/evaluation/held_out.json").write_text("{")
    assert "makes it again" in cli("report", "a").message(1)
    assert cli("evaluate", "a", "--json").json["runs"][0]["computed"] == ["held_out"]
    again = whole["runs"]
    assert [one["run"] for one in again] == ["a", "b"]
    assert all(one["computed"] == [] for one in again)


def test_evaluate_refuses(cli: CommandLine):
    cli.tune("--out", "run")
    assert "no run in" in cli("evaluate", "other").message(2)
    assert "has no language" in cli("evaluate", "run", "--languages", "en,xx").message(2)
    (Path("run") / "DONE.json").unlink()
    assert "not finished" in cli("evaluate", "run").message(2)


def test_tune_as_json(cli: CommandLine):
    shown = cli.tune("--out", "here/run", "--json")
    assert shown.json == {"run": "here/run", **json.loads(Path("here/run/DONE.json").read_text())}
    for key in (
        "stop_reason",
        "evaluations",
        "naive_loss",
        "best_loss",
        "held_out_naive_loss",
        "held_out_loss",
        "divergence",
        "perplexity",
        "naive_perplexity",
        "seconds",
    ):
        assert key in shown.json
    lines = [line for line in shown.err.splitlines() if "evaluations" in line]
    assert [line.split()[1] for line in lines[:1]] == ["6/12"]
    assert "12/12 evaluations, best loss" in lines[-1]
    assert len(lines) == 2


def test_tune_as_a_table(cli: CommandLine):
    shown = cli.tune()
    assert shown.code == 0
    for word in (
        "Loss to United States (hofstede-insights)",
        "Naive",
        "Persona",
        "In-context",
        "Constant",
        "Random start: best of 6",
        "Tuned soft prompt",
        "12 evaluations",
        "the budget is used up.",
        "It does not",  # the finding to remember: so short a search brings nothing
        "run: runs/united-states-0",
    ):
        assert word in shown.out, word
    record = json.loads(Path("runs/united-states-0/provenance.json").read_text())
    assert record["command"].startswith("acculturate tune --model fake --country us --budget 12")


def test_tune_says_that_no_candidate_was_within_the_limit(cli: CommandLine):
    shown = cli.tune("--max-divergence", 0)
    assert "The soft prompt is past the limits of its search, by 0." in shown.out
    assert "past the limit" in shown.err
    assert "No candidate" not in cli.tune("--max-divergence", 5, "--out", "b").out


@pytest.mark.parametrize(
    "name", ["de", "DE/rand/1", "de/current-to-best/1", "random", "pso", "l-shade"]
)
def test_every_optimiser_by_name(name: str, cli: CommandLine):
    done = cli.tune("--optimizer", name, "--budget", 20, "--json").json
    assert done["evaluations"] <= 20


@pytest.mark.parametrize(
    "arguments",
    [
        ("--init", "tokens", "--init-scale", "0"),
        ("--init", "text", "--init-text", "In Türkiye, [bold] people's `rm -rf` $HOME"),
        ("--reading", "sampled", "--respondents", "9"),
        ("--reading", "modal", "--aggregate", "sum", "--variant", "cat", "--anchor", "zero"),
        ("--anchor", "pdi=50, IDV=1.5,mas=2,uai=3,lto=4,ivr=5e1"),
        ("--placement", "after-bos", "--forms", "96", "--stall", "6", "--target-loss", "1"),
    ],
)
def test_settings_reach_the_run(arguments: tuple[str, ...], cli: CommandLine):
    assert cli.tune("--out", "run", *arguments).code == 0
    again = cli.tune("--out", "run", *arguments, "--resume", "--json")
    assert again.code == 0
    assert again.json["run"] == "run"


def test_a_questionnaire_brings_its_table(cli: CommandLine):
    measured = cli("measure", "-m", "fake", "-i", "inglehart-welzel", "-c", "China", "--json")
    assert measured.json["table"] == "inglehart-welzel-2024"


def test_a_table_and_a_survey_of_ones_own(cli: CommandLine):
    Path("mine.csv").write_text("country,planning,company\nToyland,80,20\n[red]<script>,10,90\n")
    own = ("--table", "mine.csv", "--instrument", "toy")
    assert cli.tune("-c", "TOYLAND", *own).code == 0
    shown = cli("measure", "-m", "fake", "-c", "[red]<script>", *own)
    assert shown.code == 0
    assert "[red]<script>" in shown.out
    assert cli("countries", "--table", "mine.csv").out.count("[red]<script>") == 1
    assert cli("measure", "-m", "fake", "-i", "toy", "--json").json["table"] is None


def test_a_table_of_one_country(cli: CommandLine):
    Path("mine.csv").write_text("country,planning,company\nRuritania,80,20\n")
    own = ("--table", "mine.csv", "--instrument", "toy")
    tuned = cli.tune("-c", "Ruritania", "--out", "run", *own)
    assert "`acculturate evaluate run --table mine.csv` asks" in tuned.err
    cli("report", "run")
    assert "Nearest countries" not in Path("run/report.html").read_text(), "it would be the nearest"
    assert "nearest" not in cli("measure", "-m", "fake", "-c", "Ruritania", *own).out
    assert "--table FILE" in cli("countries", "Atlantis", "-t", "mine.csv").err


def test_figures_of_a_profile_lie_in_it(cli: CommandLine):
    cli("measure", "-m", "fake", "-i", "toy", "--out", "new")
    assert "profile.pdf and profile.tex" in cli("figures", "new").err


def test_the_inglehart_welzel_map(cli: CommandLine):
    free = cli("measure", "-m", "fake", "-i", "inglehart-welzel", "--json").json
    assert set(free["scores"]) == {"expression", "secular"}
    assert free["table"] == "inglehart-welzel-2024"
    own = ("-i", "inglehart-welzel", "--table", "inglehart-welzel-2024")
    near = cli("measure", "-m", "fake", "-c", "Sweden", *own, "--json").json
    place = {"expression": 3.5853, "secular": 0.6324}
    distance = sum((near["scores"][key] - place[key]) ** 2 for key in place) ** 0.5
    assert near["loss"] == pytest.approx(distance)
    assert "3.59" in cli("measure", "-m", "fake", "-c", "Sweden", *own).out
    assert cli.tune("-c", "Sweden", "--out", "map", *own).code == 0
    settings = tomllib.loads(Path("map/config.toml").read_text())
    assert settings["survey"]["aggregate"] == "distance"
    assert cli("report", "map").code == 0
    assert "Distance in a straight line of the scores" in Path("map/report.html").read_text()
    assert "3.59" in cli("countries", "Sweden", "--table", "inglehart-welzel-2024").out
    other = (*own[:2], "--table", "hofstede-insights")
    wrong = cli("measure", "-m", "fake", "-c", "Sweden", *other).message(2)
    assert "Table inglehart-welzel-2024 has them" in wrong


def test_a_survey_without_country_scores_is_for_measuring(cli: CommandLine):
    measured = cli("measure", "-m", "fake", "-i", "portrait-values", "--json").json
    assert len(measured["scores"]) == 10
    assert measured["table"] is None and measured["nearest"] == []
    assert "Benevolence (be)" in cli("measure", "-m", "fake", "-i", "portrait-values").out
    words = cli("measure", "-m", "fake", "-i", "portrait-values", "-c", "India").message(2)
    assert "India has no sd, po" in words


def test_countries(cli: CommandLine):
    table = load_countries("hofstede-2015")
    read = cli("countries", "--json", "--table", "hofstede-2015").json
    assert set(read["table"]) == {"key", "title", "source", "terms"}
    assert [c["name"] for c in read["countries"]] == [c.name for c in table.countries]
    one = cli("countries", "deutschland" if "deutschland" in table else "Germany", "--json").json
    assert [c["iso"] for c in one["countries"]] == ["DE"]
    assert set(one["countries"][0]["scores"]) == {"pdi", "idv", "mas", "uai", "lto", "ivr"}
    assert "Germany" in cli("countries", "DE").out


def test_forms(cli: CommandLine):
    every = cli("forms", "--json").json
    forms = all_forms(load_instrument("vsm13"), labels="words")
    assert len(every) == len(forms)
    for shown, form in zip(every, forms, strict=True):
        assert shown["item"] == form.item
        assert shown["wording"] == form.wording
        assert shown["frame"] == form.frame
        assert shown["language"] == "en"
        assert shown["order"] == form.order
        assert shown["split"] == form.split
        assert shown["labels"] == list(form.labels)
        assert shown["text"] == form.text
    held_out = cli("forms", "--json", "--split", "held-out", "-i", "toy").json
    assert {form["split"] for form in held_out} == {"held-out"}
    arabic = cli("forms", "--json", "--language", "ar", "--split", "tuning").json
    assert {form["language"] for form in arabic} == {"ar"}
    assert len(arabic) == 432
    digits = cli("forms", "--json", "--language", "ar", "--split", "tuning", "--labels", "digits")
    assert len(digits.json) == 864
    letters = cli("forms", "--json", "--labels", "letters", "-i", "toy").json
    assert {form["labels"][0] for form in letters} == {"A"}
    assert "--- plans wording 1 frame plain en unlisted tuning" in cli("forms", "-i", "toy").out


def test_the_template_is_a_file_to_fill_in(cli: CommandLine):
    text = cli("instrument", "template", "vsm13").out
    read = tomllib.loads(text)
    assert len(read["items"]) == 24
    assert set(read["dimensions"]) == {"pdi", "idv", "mas", "uai", "lto", "ivr"}
    Path("mine.toml").write_text(text)
    assert '""' in text
    words = cli.tune("--instrument", "mine.toml").message(2)
    assert "mine.toml" in words
    number = itertools.count()
    Path("mine.toml").write_text(re.sub('""', lambda _: f'"word {next(number)}"', text))
    assert cli.tune("--instrument", "mine.toml").code == 0


def test_the_list_of_instruments(cli: CommandLine):
    assert {one["key"] for one in cli("instrument", "list", "--json").json} == {
        "inglehart-welzel",
        "portrait-values",
        "toy",
        "vsm13",
    }
    assert "vsm13: " in cli("instrument", "list").out


def test_report_of_a_finished_run_of_several_and_of_an_interrupted_one(cli: CommandLine):
    cli.tune("--out", "a")
    cli.tune("--out", "b", "--seed", 1)
    assert cli("report", "a").out == "a/report.html\n"
    page = Path("a/report.html").read_text()
    assert page.startswith("<!doctype html") or page.startswith("<!DOCTYPE html")
    assert "United States" in page
    assert cli("report", "a", "b", "--out", "both.html", "--json").json == {"report": "both.html"}
    Path("b/DONE.json").unlink()
    assert cli("report", "b").code == 0


def test_resuming_a_finished_run_shows_it_again(cli: CommandLine):
    first = cli.tune("--out", "run", "--json").json
    assert cli.tune("--out", "run", "--json", "--resume").json == first


def test_odd_names_of_folders_are_names(cli: CommandLine):
    for out in (
        "[/red]",
        ":smile:",
        "a b; $HOME `x` <script>",
        "../up-and-down",
        "tail\\",
    ):
        shown = cli.tune("--out", out)
        assert shown.code == 0, shown.err
        assert f"run: {out}\n" in shown.out
        assert Path(out, "DONE.json").is_file()
        assert cli("report", out).out == f"{out}/report.html\n"
        assert f"Error: {out} already holds this run" in cli.tune("--out", out).message(2)


def test_one_wording_promises_no_new_ones(cli: CommandLine):
    head, words = (DATA / "toy.toml").read_text().split("[languages.en.wordings]")
    head = head.replace("held_out_wordings = 1", "")
    words = re.sub(r'\[\s*("[^"]*"),[^\]]*\]', r"[\1]", words)
    assert words.count('"') == 8
    Path("one.toml").write_text(f"{head}[languages.en.wordings]{words}")
    Path("mine.csv").write_text("country,planning,company\nToyland,80,20\n")
    own = ("-c", "Toyland", "--table", "mine.csv", "--instrument", "one.toml")
    warning = (
        "Only one wording of each item (en): held-out forms differ from tuning forms in their frame"
    )
    assert warning in cli("measure", "-m", "fake", *own).out
    warnings = cli("measure", "-m", "fake", *own, "--json").json["warnings"]
    assert any(text.startswith(warning) for text in warnings)
    assert cli.tune("--out", "run", "--labels", "digits", *own).code == 0
    shown = cli("evaluate", "run", *own[2:])
    rows = cli("evaluate", "run", *own[2:], "--json").json["runs"][0]["held_out"]["rows"]
    assert [row["label"] for row in rows[:2]] == ["As it was tuned", "New frames"]
    assert "On forms that its search never saw (new frames) the loss is" in shown.out
    assert cli("report", "run").code == 0
    page = Path("run/report.html").read_text()
    assert warning in page
    for text in (shown.out, page):
        for words in ("new wordings", "worded in ways", "those wordings", "nearest to its target"):
            assert words not in text.lower()
