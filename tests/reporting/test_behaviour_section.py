"""Behaviour in the report: the sentence and its verdicts, the table, what does not count."""

from dataclasses import replace

import pytest
from test_report import Page

from acculturate.record_files import write_record
from acculturate.reporting import checks_narrative, read_run, write_report
from acculturate.reporting.behaviour_narrative import behaviour as told
from fake_run import behaviour, write_fake_run


@pytest.fixture
def said(tmp_path):
    """Writes a run with this behaviour and returns it, read again."""

    def write(record):
        path = tmp_path / "run"
        path.is_dir() or write_fake_run(path)
        write_record(path / "evaluation" / "behaviour.json", record)
        return read_run(path)

    return write


def test_a_model_that_acts_so(said):
    run = said(behaviour(5.0))
    assert told(run) == (
        "In 48 everyday situations the tuned model’s choices moved towards what the target asks for, by 5.0 "
        "(95\xa0%: 4.0 to 6.0) points of probability; dimensions that moved as wanted make up 80\xa0% of the "
        "wanted shift, and the correlation with the survey’s shift is 0.70. A persona line moves them by 0.5 "
        "(95\xa0%: −0.5 to 1.5) points. Its written answers to 24 open questions moved towards what the target "
        "asks for, by 3.0 (95\xa0%: 2.0 to 4.0) points of probability, as the untouched model judges them; of "
        "answers that we wrote for either pole it tells 90\xa0% (95\xa0%: 70\xa0% to 100\xa0%) apart."
    )
    assert told(run) in checks_narrative.sentences(run)


@pytest.mark.parametrize(
    ("towards", "verdict"),
    [
        (
            0.2,
            "did not move beyond what other situations would explain: 0.2 (95\xa0%: −0.8 to 1.2)",
        ),
        (-3.0, "moved away from what the target asks for, by −3.0 (95\xa0%: −4.0 to −2.0)"),
    ],
)
def test_one_that_does_not(said, towards, verdict):
    assert f"the tuned model’s choices {verdict}" in told(said(behaviour(towards)))


def test_what_cannot_be_said(said):
    places = told(said(behaviour(5.0, reliability=0.2)))
    assert "choices say nothing: untouched, they go by the frame" in places
    assert (
        "by the place of an action and not by what it says (both orders correlate −0.90)" in places
    )
    guessing = said(behaviour(5.0, judged=0.6))
    assert "What it writes cannot be judged: the untouched model tells 60\xa0% (" in told(guessing)
    assert '<th scope="col">written' not in write_report([guessing.path]).read_text()
    record = behaviour(5.0)
    nowhere = replace(record.rows[0], towards=None, agreement=None, correlation=None)
    alone = told(said(replace(record, rows=(nowhere,), judge=None, replies=())))
    assert alone == (
        "In 48 everyday situations the tuned model’s choices cannot be compared with what the target asks for."
    )
    assert told(said(replace(record, rows=()))) is None


def test_the_table(said):
    run = said(behaviour(5.0, reliability=0.2))
    text = write_report([run.path]).read_text()
    page = Page(text)
    assert "Does it act so, too?" in page.text and page.open == []
    assert len(page.all("table")) == len(page.all("caption"))
    assert text.count("<small>does not count</small>") == 3
    assert "<b>Therefore" not in text and "Therefore" in page.text
    assert "Towards what is wanted" in page.text


def test_a_run_of_an_earlier_version(tmp_path):
    run = read_run(write_fake_run(tmp_path / "run"))
    assert run.checks.behaviour is None and told(run) is None
    assert "Does it act so" not in write_report([run.path]).read_text()
