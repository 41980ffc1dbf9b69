"""What `evaluate` found, in words and tables."""

import json
import re

import pytest
from test_report import Page

from acculturate.drawing import draw
from acculturate.errors import FailureError
from acculturate.evaluation.evaluate import evaluate
from acculturate.model import FakeModel
from acculturate.reporting import checks_narrative, narrative, read_run, write_report
from acculturate.reporting.ways_figure import ways_chart
from acculturate.survey import load_countries, load_instrument
from acculturate.tuning import tune


@pytest.fixture(scope="module")
def made(tmp_path_factory, vsm13):
    """A run of the fake model and everything that `evaluate` writes."""
    target = load_countries()["United States"]
    out = tmp_path_factory.mktemp("runs") / "us"
    run = tune(FakeModel(), vsm13, target, budget=100, out=out)
    evaluate(run, FakeModel(), respondents=20)
    return run.directory


@pytest.fixture
def edited(made, tmp_path):
    """Writes a copy of the run with one of its evaluation files changed."""
    import shutil

    def edit(name, change):
        copy = tmp_path / f"copy-{name}"
        shutil.copytree(made, copy, dirs_exist_ok=True)
        file = copy / "evaluation" / f"{name}.json"
        values = json.loads(file.read_text())
        change(values)
        file.write_text(json.dumps(values))
        return copy

    return edit


def shown(path):
    return Page(write_report([str(path)]).read_text(encoding="utf-8"))


def test_the_sections_are_there(made):
    page = shown(made)
    assert page.open == []
    for words in (
        "Asked in other ways",
        "That country, or any?",
        "Did extremes move inward?",
        "…options lettered",
        "…in Arabic",
    ):
        assert words in page.text
    assert len(page.all("table")) == len(page.all("caption"))
    assert "script" not in {tag for tag, _ in page.elements}


def set_losses(values, key, naive, tuned, interval):
    (row,) = (row for row in values["rows"] if row["key"] == key)
    row["naive"]["loss"], row["tuned"]["loss"] = naive, tuned
    row["gain"] = None if tuned is None else naive - tuned
    row["gain_interval"] = interval


@pytest.mark.parametrize(
    ("tuned", "interval", "words"),
    [
        (12.3, [4.0, 8.0], "loss is 12.3 instead of 18.6 untouched"),
        (12.3, [4.0, 8.0], "it is 6.9: a gap of 5.4"),
        (12.3, [4.0, 8.0], "The gain of 6.3 is larger than other forms would explain"),
        (17.6, [-2.0, 3.0], "Other forms could undo the difference of 1.0 (95 %: −2.0 to 3.0)"),
        (25.6, [-9.0, -3.0], "The loss of ground is larger than"),
        (6.92, [4.0, 8.0], "no gap between the two"),
        (6.0, [4.0, 8.0], "it is 6.9: 0.9 more than on new ones"),
        (None, None, "answers that are not finite"),
    ],
)
def test_the_headline_row_in_words(edited, tuned, interval, words):
    def change(values):
        set_losses(values, "tuning", 20.7, 6.9, None)
        set_losses(values, "held-out", 18.6, tuned, interval)

    path = edited("held_out", change)
    assert words in checks_narrative.held_out(read_run(path)).replace("\xa0", " ")
    assert words in shown(path).text


def test_the_least_of_the_other_ways(edited):
    def change(values):
        for row in values["rows"]:
            set_losses(values, row["key"], 20.0, 10.0, None)
        set_losses(values, "letters", 20.0, 24.0, None)

    said = checks_narrative.other_ways(read_run(edited("held_out", change)))
    assert said == (
        "Asked in 11 other ways, the loss is lower than untouched in 10. The least gain is with “options "
        "lettered”, where the loss rose by 4.0."
    )


@pytest.mark.parametrize(
    ("naive", "tuned", "words"),
    [
        (18, 1, "Of 96 countries United States is the nearest, untouched it was number 18;"),
        (1, 1, "is the nearest, as it was before tuning;"),
        (
            41,
            2,
            "1 of 96 countries is nearer to the tuned model than United States; untouched it was 40",
        ),
        (1, 9, "8 of 96 countries are nearer"),
    ],
)
def test_the_rank_in_words(edited, naive, tuned, words):
    def change(values):
        values["naive"]["rank"], values["tuned"]["rank"] = naive, tuned

    assert words in checks_narrative.specificity(read_run(edited("specificity", change)))


def test_extremes_in_words(edited):
    def change(values):
        values["held_out"] = [
            {
                "key": k,
                "name": k,
                "middle": 50.0,
                "target": t,
                "naive": n,
                "tuned": u,
                "inward": i,
                "inward_interval": None,
            }
            for k, t, n, u, i in (
                ("a", 60.0, 90.0, 70.0, 20.0),
                ("b", 95.0, 60.0, 55.0, 5.0),
                ("c", 50.0, 40.0, 20.0, -20.0),
            )
        ]

    assert checks_narrative.extremes(read_run(edited("extremes", change))) == (
        "On forms it never saw the scores lie 18.3 from the middle of the scale on average, instead of 20.0 "
        "untouched; the target’s lie 18.3 from it. 2 of 3 went inward, 1 of these where the target is "
        "nearer the middle too."
    )


@pytest.mark.parametrize(
    ("valid", "agreement", "kappa", "words"),
    [
        (
            23,
            0.92,
            0.85,
            "23 of 24 answers of the tuned model name an option (24 untouched); of these 92\xa0%",
        ),
        (23, 0.92, -0.1, "like best, a kappa of −0.10."),
        (23, 1.0, None, "like best."),
        (0, None, None, "what it writes is no answer"),
    ],
)
def test_written_answers_in_words(edited, valid, agreement, kappa, words):
    def change(values):
        values["tuned"] |= {
            "counts": {"valid": valid, "refusal": 1, "unparsable": 23 - valid},
            "agreement": agreement,
            "kappa": kappa,
            "unread": ["<b>Well"],
        }

    path = edited("generated", change)
    assert words in checks_narrative.generated(read_run(path))
    assert "“<b>Well”" in shown(path).text


@pytest.mark.parametrize(
    ("naive", "tuned", "interval", "words"),
    [
        (
            1.8,
            1.23,
            [0.2, 0.9],
            "is 1.23 from United States instead of 1.80 untouched: it moved towards",
        ),
        (1.2, 1.5, [-0.4, -0.1], "it moved away from it, more than other forms would explain."),
        (1.8, 1.7, [-0.2, 0.3], "it moved towards it, and other forms could undo that."),
        (None, 1.7, None, "not finite"),
    ],
)
def test_another_survey_in_words(edited, naive, tuned, interval, words):
    def change(values):
        (check,) = values["checks"]
        check["naive"]["loss"], check["tuned"]["loss"] = naive, tuned
        check["gain"] = None if naive is None else naive - tuned
        check["gain_interval"] = interval

    path = edited("other_surveys", change)
    assert words in checks_narrative.other_surveys(read_run(path))
    assert "Inglehart-Welzel cultural map" in shown(path).text


def test_a_country_that_the_other_table_lacks(tmp_path, vsm13):
    target = load_countries()["Saudi Arabia"]
    run = tune(FakeModel(), vsm13, target, budget=40, out=tmp_path / "sa")
    evaluate(run, FakeModel(), languages=[])
    assert "Saudi Arabia is not in the table inglehart-welzel-2024" in shown(run.directory).text


@pytest.mark.parametrize(
    ("gain", "interval", "words"),
    [
        (3.0, [1.0, 5.0], "So many respondents are enough"),
        (3.0, [-1.0, 5.0], "So many respondents are not enough"),
        (None, None, "not finite"),
    ],
)
def test_respondents_in_words(edited, gain, interval, words):
    path = edited("respondents", lambda values: values.update(gain=gain, gain_interval=interval))
    assert words in checks_narrative.respondents(read_run(path))
    assert "A survey of 20 respondents" in shown(path).text or gain is None


def test_several_runs_together(made, tmp_path, vsm13):
    china = load_countries()["China"]
    paths = [made]
    for seed in (0, 1):
        run = tune(FakeModel(), vsm13, china, budget=60, seed=seed, out=tmp_path / f"china-{seed}")
        evaluate(run, FakeModel(), languages=[], generated=False)
        paths.append(run.directory)
    page = Page(write_report(paths, tmp_path / "all.html").read_text(encoding="utf-8"))
    assert page.open == []
    for words in (
        "of 3 prompts bring the model nearer to their own country",
        "2 runs towards China that differ in their seed alone have a mean held-out loss of",
        "95 % over seeds and forms",
    ):
        assert words in page.text
    assert len([attrs for attrs in page.all("span") if attrs.get("class") == "own"]) == 3
    assert len(page.all("table")) == len(page.all("caption"))
    alone = write_report(paths[1:], tmp_path / "china.html").read_text(encoding="utf-8")
    assert "Whose prompt moves where" not in alone


def test_hostile_text_is_shown_as_text(edited):
    bad = "<script>alert('x')</script>"

    def rows(values):
        for row in values["rows"]:
            row["label"] = bad * 5

    def names(values):
        values["tuned"]["losses"][0][0] = bad * 9

    for name, change in (("held_out", rows), ("specificity", names)):
        page = shown(edited(name, change))
        assert "script" not in {tag for tag, _ in page.elements}
        assert "<script>alert" in page.text


def test_a_prompt_that_breaks_the_model_on_other_forms(tmp_path, vsm13):
    class Breaking(FakeModel):
        def ask(self, prompts, query):
            answers = super().ask(prompts, query)
            if prompts is not None and any(form.split == "held-out" for form in query.forms):
                answers.probabilities[:] = float("nan")
            return answers

        def generate_answers(self, forms, *args, **options):
            return ("?",) * len(forms)

        def provenance(self):
            return FakeModel().provenance()

    target = load_countries()["United States"]
    run = tune(FakeModel(), vsm13, target, budget=40, out=tmp_path / "us")
    found = evaluate(run, Breaking(), languages=[], respondents=4)
    assert found.parts["specificity"]["tuned"] == {"rank": 96, "nearest_share": None, "losses": []}
    page = shown(run.directory)
    assert "answers that are not finite" in page.text
    assert "cannot be said: answers are not finite" in page.text
    assert not {"nan", "inf", "None"} & set(page.text.split())


def test_a_damaged_file_names_its_place(edited):
    path = edited("held_out", lambda values: values["rows"][2].pop("naive"))
    with pytest.raises(FailureError, match=re.escape("rows[3].naive is missing")) as caught:
        read_run(path)
    assert "makes it again" in caught.value.hint


def test_a_map_has_two_decimals(tmp_path):
    sweden = load_countries("inglehart-welzel-2024")["Sweden"]
    survey = load_instrument("inglehart-welzel")
    run = tune(FakeModel(), survey, sweden, budget=40, out=tmp_path / "map")
    evaluate(run, FakeModel(), languages=[])
    text = shown(run.directory).text
    loss = read_run(run.directory).checks.row("held-out").tuned.loss
    assert f"the loss is {loss:.2f} instead of" in text
    assert re.search(r"loss to Sweden from \d\.\d\d to \d\.\d\d on \d+ tuning forms;", text)


def test_a_model_that_does_not_answer_as_told(edited):
    """The fake model does not react to statements; one that does is believed more."""

    def change(values):
        values["value"] = 0.4

    path = edited("responsiveness", lambda values: None)
    page = shown(path)
    assert "The fake model: answers moved towards United States" in page.text
    assert "All this is about answers, not about a culture." in page.text
    page = shown(edited("responsiveness", change))
    assert "The fake model, moved towards United States" in page.text
    assert "The untouched model answers as it is told to." in page.text
    (path / "evaluation" / "responsiveness.json").unlink()
    assert "as it is told to" not in shown(path).text


def content(coefficient: float) -> dict:
    return {
        "coefficient": coefficient,
        "interval": [0.0, 0.2],
        "one_form": 0.0,
        "components": {"item": 0.0},
        "order_correlation": None,
        "rival": "places in the list of options",
    }


def set_shift(values, key, attained, coefficient, correlation=0.9):
    (row,) = (row for row in values["rows"] if row["key"] == key)
    row["shift"] = {
        "attained": attained,
        "interval": [attained - 0.1, attained + 0.1],
        "correlation": correlation,
        "correlation_interval": None,
        "content": content(coefficient),
        "counts": coefficient >= 0.5,
    }


def test_one_number_for_one_thing_or_a_sentence_why_there_are_two(made):
    text, run = shown(made).text, read_run(made)
    (row,) = [row for row in run.checks.rows if row.key == "tuning"]
    asked = run.evaluation.forms.tuning
    assert row.naive.loss != run.method("naive").tuning.loss
    assert (
        f"asks {row.forms} tuning forms and the first table {asked}, not all of them the same"
        in text
    )
    assert "of the gain on the tuning forms" not in text  # beside the carry-over of the shift
    assert text.count("the forms it was tuned on it is") == 1
    assert "the gap to the forms it was tuned on" not in text


def test_the_first_sentences_say_what_carries_over(edited):
    def change(values):
        for row in values["rows"]:
            set_shift(values, row["key"], 0.6, 0.9)
        set_shift(values, "held-out", 0.45, 0.9, 0.88)
        set_shift(values, "letters", -0.05, 0.9)
        values |= {"carry_over": 0.75, "carry_over_interval": [0.5, 1.04]}

    path = edited("held_out", change)
    said = (
        "Of the wanted shift of scores the prompt attains 0.60 (95 %: 0.50 to 0.70; correlation 0.90) on the "
        "forms it was tuned on and 0.45 (95 %: 0.35 to 0.55; correlation 0.88) on held-out ones: a carry-over "
        "of 75 % (95 %: 50 % to 104 %)."
    )
    run = read_run(path)
    assert narrative.headline(run).replace("\xa0", " ").startswith(said)
    assert checks_narrative.sentences(run)[0].replace("\xa0", " ") == said
    assert checks_narrative.sentences(run)[1] == (
        "Of 11 other ways of asking that count, 10 attain half of the wanted shift; the least is −0.05, with "
        "“options lettered”."
    )
    page = shown(path)
    assert said in page.text and ", does not count" not in page.text


def test_answers_that_are_not_about_the_question_count_for_nothing(edited):
    def change(values):
        for row in values["rows"]:
            set_shift(values, row["key"], 0.6, 0.9)
        for key in ("tuning", "letters"):
            set_shift(values, key, 0.6, 0.03)
        values["carry_over"] = values["carry_over_interval"] = None

    path = edited("held_out", change)
    run = read_run(path)
    warning = (
        "These answers are about places in the list of options, not about the question: content 0.03 (95 %: "
        "0.00 to 0.20), where 0.5 is the least that says something."
    )
    first, second, *_ = (each.replace("\xa0", " ") for each in checks_narrative.sentences(run))
    assert (
        first == f"What carries over cannot be said by the answers to the tuning forms. {warning}"
    )
    assert "Of 10 other ways of asking that count" in second
    assert "One other way does not count" in second
    assert "with “options lettered”" not in checks_narrative.other_ways(run)
    assert ", does not count" in shown(path).text


def test_a_row_in_one_wording_is_marked_where_its_content_stands(edited, capsys):
    from acculturate.display import show_evaluation

    def change(values):
        for row in values["rows"]:
            set_shift(values, row["key"], 0.6, 0.9)
        set_shift(values, "digits", 0.6, 0.1)
        (row,) = (row for row in values["rows"] if row["key"] == "letters")
        row["shift"]["content"]["one_wording"] = True

    path = edited("held_out", change)
    run = read_run(path)
    assert "1 of them was asked in one wording an item" in checks_narrative.sentences(run)[1]
    assert shown(path).text.count("one wording") == 2
    show_evaluation(run, {"held_out": {}, "refused": []})
    out = capsys.readouterr().out
    assert "0.90†" in out and "0.10*" in out
    assert "† One wording an item" in out and "* Not about the question" in out


def test_a_single_set_of_words_is_told(edited):
    def change(values):
        rows = values["rows"]
        values["rows"] = [
            row for row in rows if not row["key"].endswith(("option-words", "all-new"))
        ]

    said = " ".join(checks_narrative.sentences(read_run(edited("held_out", change))))
    assert "has a single set of option words" in said


def test_files_of_earlier_versions_are_read_without_a_shift(made, edited, capsys):
    from acculturate.display import show_evaluation

    def change(values):
        del values["carry_over"], values["carry_over_interval"]
        for row in values["rows"]:
            del row["shift"]

    path = edited("held_out", change)
    run = read_run(path)
    assert run.checks.carry_over is None and all(row.shift is None for row in run.checks.rows)
    assert narrative.headline(run).startswith("Tuning ")
    assert "attained" not in shown(path).text
    show_evaluation(run, {"held_out": {}, "refused": []})
    assert "As it was" in capsys.readouterr().out


def test_the_ways_of_asking_are_drawn_the_tuning_forms_first_and_what_does_not_count_grey(edited):
    def change(values):
        for row in values["rows"]:
            set_shift(values, row["key"], 0.6, 0.9)
        set_shift(values, "tuning", 0.9, 0.9)
        set_shift(values, "letters", -0.05, 0.03)
        values["rows"] = values["rows"][::-1]

    path = edited("held_out", change)
    chart = ways_chart(read_run(path))
    assert chart is not None and chart.rows[0].name == "As it was tuned"
    assert {row.name: row.note for row in chart.rows}["Options lettered"] == "content 0.03"
    series = {series.name: series for series in chart.series if series.look.marker}
    grey = series["does not count: not about the question"]
    assert (grey.look.colour, grey.look.hollow) == ("grey", True)
    assert grey.texts == ["Options lettered −0.05 (95\xa0%: −0.15 to 0.05)"]
    assert series["as it was tuned"].x[0] == 0.9 and len(series) == 3
    assert "Options lettered −0.05" in chart.description
    assert draw([chart], "pdf").startswith(b"%PDF") and chart.title in shown(path).text
    places = [place for each in series.values() for place in each.y if place == place]
    assert len(set(places)) == len(chart.rows)


def test_without_a_shift_there_is_no_figure_of_ways(edited):
    def change(values):
        for row in values["rows"]:
            row["shift"] = None

    assert ways_chart(read_run(edited("held_out", change))) is None
