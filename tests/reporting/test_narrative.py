"""The words fit the numbers, and bad news comes as bad news."""

from dataclasses import asdict, replace

import pytest

from acculturate import formatting
from acculturate.reporting import findings, narrative, read_run
from fake_run import NAIVE, TUNED, outcome, shifted, write_fake_run


def told(path, change=None, **options):
    return read_run(write_fake_run(path, change=change, **options))


def tones(run):
    return {finding.head: finding.tone for finding in findings.findings(run)}


def tuned_held_out(scores, mass=0.9, spread=8.0):
    def change(values):
        values["rows"][5]["held_out"] = asdict(outcome(scores, spread, mass))

    return change


def between(share):
    return {key: (1 - share) * NAIVE[key] + share * TUNED[key] for key in NAIVE}


def test_headline_says_before_after_and_cost(tmp_path):
    assert narrative.headline(told(tmp_path / "r")) == (
        "Tuning brought the loss to United States from 21.7 to 4.8 on 48 tuning forms; on forms it never saw "
        "it went from 21.7 to 5.2. Cost on ordinary text: divergence 0.19 nats a token, perplexity 17.1 to "
        "22.2."
    )


def test_a_good_run_has_no_bad_finding(tmp_path):
    run = told(tmp_path / "r")
    assert "bad" not in tones(run).values()
    assert findings.verdict(run).head == "It carries over."


def test_held_out_worse_than_naive(tmp_path):
    run = told(tmp_path / "r", tuned_held_out(shifted(NAIVE, 6.0)))
    assert findings.verdict(run).head == "It does not carry over."
    assert tones(run)["It does not beat a constant answer."] == "bad"
    assert tones(run)["A simpler way does as well."] == "bad"


def test_a_search_that_added_nothing(tmp_path):
    def change(values):
        values["rows"][5]["held_out"] = values["rows"][4]["held_out"]
        values["rows"][2]["held_out"] = values["rows"][0]["held_out"]

    assert tones(told(tmp_path / "r", change))["The search added nothing."] == "bad"


def test_an_interval_beside_its_loss_is_noticed(tmp_path):
    def change(values):
        values["rows"][5]["tuning"]["interval"] = [20.0, 40.0]

    assert narrative.has_odd_interval(told(tmp_path / "odd", change).evaluation)
    assert not narrative.has_odd_interval(told(tmp_path / "r").evaluation)


def test_overlapping_intervals_are_no_proof(tmp_path):
    def change(values):
        tuned_held_out(between(0.1), spread=30.0)(values)
        values["constant_answer_loss"] = 40.0

    assert tones(told(tmp_path / "r", change))["It may carry over."] == "caution"


def test_half_of_the_gain_is_a_part(tmp_path):
    assert (
        tones(told(tmp_path / "r", tuned_held_out(between(0.4))))["It carries over in part."]
        == "caution"
    )


def test_another_country_nearer(tmp_path):
    def change(values):
        values["nearest"]["tuned"][0][0] = "Australia"

    finding = next(f for f in findings.findings(told(tmp_path / "r", change)) if "nearer" in f.head)
    assert finding.tone == "caution"
    assert "nearest to Australia" in finding.text


@pytest.mark.parametrize(
    ("divergence", "tone"), [(0.0, "good"), (0.05, "good"), (0.3, "caution"), (1.4, "bad")]
)
def test_the_writer(tmp_path, divergence, tone):
    def change(values):
        values["rows"][5]["divergence"] = divergence

    found = [
        f for f in findings.findings(told(tmp_path / "r", change)) if "ordinary text" in f.head
    ]
    assert [finding.tone for finding in found] == [tone]


def test_over_the_limit(tmp_path):
    run = told(tmp_path / "r", limit=0.1)
    assert tones(run)["It is over its limit."] == "bad"


def test_few_valid_answers(tmp_path):
    run = told(tmp_path / "r", tuned_held_out(TUNED, mass=0.2))
    assert tones(run)["It hardly answers."] == "bad"
    survey = replace(run.config.survey, labels="words")  # an answer can be said in other words
    in_words = replace(run, config=replace(run.config, survey=survey))
    assert "It hardly answers." not in tones(in_words)


def test_not_measured_on_held_out_forms(tmp_path):
    def change(values):
        for row in values["rows"]:
            row["held_out"] = None
            row["divergence"] = None

    run = told(tmp_path / "r", change)
    assert tones(run)["Not checked on other forms."] == "caution"
    assert "was not measured" in narrative.headline(run)


def test_unfinished(tmp_path):
    run = told(tmp_path / "r", finished=False, evaluated=False, generations=4)
    assert narrative.headline(run).startswith("This run is unfinished: after 80 of 400 evaluations")
    assert findings.findings(run) == ()
    assert narrative.resume_command(run).endswith("--out runs/us --resume")
    by_python = replace(run, provenance=replace(run.provenance, command=""))
    assert narrative.resume_command(by_python).endswith("resume=True)")


def test_nothing_evaluated(tmp_path):
    run = told(tmp_path / "r", finished=False, evaluated=False, generations=0)
    assert "before its first candidates" in narrative.headline(run)


def test_comparison(tmp_path):
    runs = [
        told(tmp_path / "a"),
        told(tmp_path / "b", tuned_held_out(shifted(NAIVE, 6.0))),
        told(tmp_path / "c", finished=False, evaluated=False),
    ]
    assert narrative.comparison_headline(runs).startswith("2 of 3 runs are finished.")
    assert "fell in 1 of them, and 1 of them" in narrative.comparison_headline(runs)


def test_numbers_as_text():
    assert formatting.loss_text(-5.25) == "−5.2"
    assert formatting.loss_text(-0.01) == "0.0"
    assert formatting.loss_text(None) == "–"
    assert formatting.divergence_text(0.001) == "under 0.01"
    assert formatting.perplexity_text(3110.4) == "3,110"
    assert formatting.seconds_text(288.4) == "5 minutes"
    assert formatting.short("a" * 100, 10) == "a" * 9 + "…"
    assert formatting.label_name("Naive: the model as it is") == "Naive"
