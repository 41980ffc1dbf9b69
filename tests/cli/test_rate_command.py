"""`acculturate rate` from prepare to report, and its messages."""

import json
from dataclasses import asdict
from pathlib import Path

from acculturate.rating.folder import read_pairs
from acculturate.rating.log import Event, Rating


def test_prepare_then_report(cli):
    assert cli.tune("--out", "us").code == 0
    made = cli("rate", "prepare", "us", "--pairs", 12, "--out", "rating", "--json").json
    assert made["country"] == "United States" and sum(p["pairs"] for p in made["pairs"]) == 12
    assert "nobody has judged" in cli("rate", "report", "rating").message(2)
    folder = Path("rating")
    ratings = [Rating(p.id, False, True, "left", "tie", "none") for p in read_pairs(folder)]
    lines = [json.dumps(asdict(Event("", "AAAA-AAAA", "w", rating))) for rating in ratings]
    (folder / "ratings.jsonl").write_text("\n".join(lines) + "\n")
    shown = cli("rate", "report", "rating")
    assert shown.code == 0 and "Shares of wins" in shown.out and "report.html" in shown.out
    said = cli("rate", "report", "rating", "--json").json
    assert said["raters"][0]["side_bias"] == 1 and len(said["wins"]) == 3
    assert json.loads(Path("us/evaluation/ratings.json").read_text())["raters"] == 1
    assert "is not empty" in cli("rate", "prepare", "us", "--out", "rating").message(2)


def test_wrong_requests(cli):
    assert "no run in nowhere" in cli("rate", "prepare", "nowhere", "--out", "rating").message(2)
    assert "there are no pairs" in cli("rate", "serve", "nowhere", "--port", 0).message(2)
    assert "no key is set" in cli("rate", "serve", "nowhere", "--host", "0.0.0.0").message(2)
