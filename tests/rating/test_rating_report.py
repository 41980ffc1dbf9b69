"""The report of a planted rating: numbers by hand, files that belong together, nothing unescaped."""

import csv
import json

import pytest
from planted import RUN, make_folder, rated, write_ratings

import acculturate as ac
from acculturate.errors import FailureError, UsageError
from acculturate.model import SoftPrompt
from acculturate.rating.folder import AGAIN, NAIVE, PERSONA
from acculturate.rating.report import open_rating, report_ratings
from acculturate.reporting import read_run, write_report
from acculturate.reporting.relate import relate
from fake_run import write_fake_run


@pytest.fixture
def run(tmp_path):
    """A finished run whose soft prompt was rated."""
    import numpy as np

    path = write_fake_run(tmp_path / RUN)
    SoftPrompt(np.ones((2, 3), np.float32), "front", "fake").save(path / "best.safetensors")
    return path


def plant(folder, run=None, extra=()):
    """Raters A and B. A prefers the run wherever it stands, else ties; B always says left."""
    prompt = SoftPrompt.load(run / "best.safetensors", any_model=True).fingerprint if run else ""
    origins = make_folder(folder, 11, str(run or ""), prompt)
    events = []
    for index, (pair, origin) in enumerate(origins.items()):
        left = index % 3 != 0  # whether the pair's first answer stands left
        names = (origin.first, origin.second)
        sides = dict(zip(names, ("left", "right") if left else ("right", "left"), strict=True))
        events.append(rated("A", pair, sides.get(RUN, "tie"), left=left, better="tie"))
        events.append(rated("B", pair, "left", left=left, marked="left"))
    write_ratings(folder, [*events, *extra])
    return origins


def test_numbers_are_those_of_the_hand(tmp_path, run):
    folder = tmp_path / "rating"
    origins = plant(folder, run)
    results = report_ratings(folder).results
    # Pairs 1, 4, 7 are naive and run, 2, 5, 8 persona and run; the sides of B's left choices by index.
    left_of = {
        index: (origin.first if index % 3 else origin.second)
        for index, origin in enumerate(origins.values())
    }
    for other, indices in ((NAIVE, (1, 4, 7)), (PERSONA, (2, 5, 8))):
        wins = next(w for w in results.wins if (w.variant, w.against) == (RUN, other))
        by_b = sum(left_of[index] == RUN for index in indices)
        assert wins.judgements == 6
        assert wins.typical.value == pytest.approx((3 + by_b) / 6)
        assert wins.better.value == pytest.approx((1.5 + by_b) / 6)
    persona = next(w for w in results.wins if w.variant == PERSONA)
    assert persona.judgements == 8 and persona.ties == 0.5
    by_b = sum(left_of[index] == PERSONA for index in (0, 3, 6, 9))
    assert persona.typical.value == pytest.approx((2 + by_b) / 8)
    assert results.floor.judgements == 2
    raters = {rater.rater: rater for rater in results.raters}
    assert raters["B"].side_bias == 1 and raters["B"].ties == 0
    assert raters["A"].ties == pytest.approx(5 / 11)
    # A marks nothing, B every left answer, so half as many as stand left.
    shown = [name for origin in origins.values() for name in (origin.first, origin.second)]
    lefts = list(left_of.values())
    assert results.marked[RUN].value == pytest.approx(lefts.count(RUN) / (2 * shown.count(RUN)))
    assert results.agreement[0].raw == pytest.approx(
        sum(left_of[index] == RUN for index in (1, 2, 4, 5, 7, 8)) / 11
    )
    assert (results.judgements, results.questions) == (22, 11)


def test_files_are_whole_and_open_with_a_spreadsheet(tmp_path, run):
    folder = tmp_path / "rating"
    plant(folder, run, [rated("A", f"{0:012x}", "left", reason="=HYPERLINK(evil)", better="tie")])
    reported = report_ratings(folder)
    rows = list(csv.DictReader((folder / "judgements.csv").read_text().splitlines()))
    assert len(rows) == 22 and {row["rater"] for row in rows} == {"A", "B"}
    changed = next(row for row in rows if row["reason"])
    assert (changed["reason"], changed["typical"]) == ("'=HYPERLINK(evil)", "left")
    assert {row["left"] for row in rows} == {NAIVE, AGAIN, PERSONA, RUN}
    lines = [json.loads(line) for line in (folder / "preferences.jsonl").read_text().splitlines()]
    assert all(line["votes"] > line["votes_against"] for line in lines) and lines
    for line in lines:
        answers = {line["chosen"], line["rejected"]}
        pair = next(p for p in open_rating(folder).pairs.values() if {p.first, p.second} == answers)
        assert pair.question == line["prompt"]
    assert [file.name for file in reported.files] == [
        "report.html",
        "judgements.csv",
        "preferences.jsonl",
    ]


def test_the_report_is_one_page_with_nothing_unescaped(tmp_path, run):
    folder = tmp_path / "rating"
    evil = "<script>alert(1)</script>\u202e"
    plant(folder, run, [rated("<b>x</b>", f"{1:012x}", "left", reason=evil, better="tie")])
    reported = report_ratings(folder)
    html = (folder / "report.html").read_text()
    assert "<script>" not in html and "&lt;script&gt;" in html and "\u202e" not in html
    assert "<b>x</b>" not in html and "default-src 'none'" in html
    for words in (
        "Shares of wins",
        "Krippendorff",
        "against the untouched model",
        *reported.sentences[:1],
    ):
        assert words in html
    assert "A lower loss alone" not in html


def test_the_run_shows_it_and_relate_takes_it_as_a_score(tmp_path, run):
    plant(tmp_path / "rating", run)
    reported = report_ratings(tmp_path / "rating")
    assert not reported.left_out
    wins = next(w for w in reported.results.wins if (w.variant, w.against) == (RUN, NAIVE))
    html = write_report([run]).read_text()
    assert "What do people say?" in html and "judged blind by 2 raters" in html
    related = relate([run])
    (benchmark,) = [b for b in related.benchmarks if b.name == "ratings"]
    point = benchmark.points[0]
    assert point.score == {"wins": wins.typical.value} and point.naive_score == {"wins": 0.5}


def test_a_run_that_changed_is_not_written_to(tmp_path, run):
    plant(tmp_path / "rating", run)
    (run / "best.safetensors").unlink()
    reported = report_ratings(tmp_path / "rating")
    assert "best.safetensors" in reported.left_out[str(run)]
    assert read_run(run).checks.ratings is None


def test_findings_say_what_a_reader_has_to_know(tmp_path):
    turns = [
        rated("B", f"{index:012x}", "left", window=window, left=bool(index % 3), marked="left")
        for index, window in enumerate(("w", "x", "w"))
    ]
    plant(tmp_path, None, turns)
    said = " ".join(report_ratings(tmp_path).sentences)
    assert "A code was used in two places. B:" in said
    assert "Raters agree little." in said
    assert "2 raters made 22 comparisons of answers to 11 questions" in said
    write_ratings(tmp_path, [rated("A", f"{1:012x}", "left")])
    assert "One person judged." in " ".join(report_ratings(tmp_path).sentences)


@pytest.mark.parametrize("difference", [0.0, 0.5, -1.0])
def test_differences_that_a_share_cannot_have_are_refused(tmp_path, difference):
    plant(tmp_path)
    with pytest.raises(UsageError, match="cannot differ"):
        report_ratings(tmp_path, difference=difference)


def test_broken_folders_are_one_message(tmp_path):
    plant(tmp_path)
    ratings = tmp_path / "ratings.jsonl"
    kept = ratings.read_text()
    write_ratings(tmp_path, [rated("A", "nowhere", "left")])
    with pytest.raises(FailureError, match="'nowhere', which is not in this folder"):
        report_ratings(tmp_path)
    ratings.write_text(kept.replace('"typical": "left"', '"typical": "up"', 1))
    with pytest.raises(FailureError, match=r'ratings.jsonl, line \d+: rating.*"up"'):
        report_ratings(tmp_path)
    ratings.unlink()
    with pytest.raises(UsageError, match="nobody has judged"):
        report_ratings(tmp_path)
    assert ac.__version__
