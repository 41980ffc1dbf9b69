"""What is made of cells: numbers that can be checked by hand, and names that mean something elsewhere."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from experiment_runs import ODD, PLAN, plan, run

from acculturate.cli import main
from acculturate.experiment import collect, differences, paper_table, prepare, publish
from acculturate.formatting import loss_text
from acculturate.metrics import holm, sign_flip_test
from fake_run import write_benchmark


def test_holm_by_hand():
    # 0.01 x 4, 0.03 x 3, 0.04 x 2 (not below the one before), 0.5 x 1
    assert holm([0.03, 0.01, 0.5, 0.04]) == pytest.approx((0.09, 0.04, 0.5, 0.09))
    assert holm([0.8, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


def test_sign_flips_by_hand():
    rng = np.random.default_rng(0)
    assert sign_flip_test(np.array([1.0, 2.0, 3.0]), rng) == 2 / 8
    # |sum| >= 2 of +-1+-2+-3: +-6, +-4, +-2 (1+2-3 = 0 is below): 6 of 8
    assert sign_flip_test(np.array([1.0, -2.0, 3.0]), rng) == 6 / 8
    assert sign_flip_test(np.array([5.0]), rng) is None
    many = sign_flip_test(np.full(20, -1.0), rng)
    assert many is not None and many <= 2e-4


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_number_is_in_the_file_it_names(finished: Path):
    found = rows(finished)
    names = ["experiment", "model", "table", "country", "method", "seed", "measure", "value"]
    assert list(found[0]) == [*names, "low", "high", "source"]
    checked = 0
    for row in found:
        summary = json.loads((finished / row["source"]).read_text())
        key = {"held_out_loss": "held_out", "tuning_loss": "tuning"}.get(row["measure"])
        if key is None:
            continue
        method = "tuned" if row["seed"] else row["method"]
        own = next(line for line in summary["rows"] if line["method"] == method)
        assert float(row["value"]) == own[key]["loss"]
        if row["low"]:
            assert [float(row["low"]), float(row["high"])] == own[key]["interval"]
        checked += 1
    # Two countries, three methods with two seeds, three without.
    assert checked == 2 * 2 * (3 * 2 + 3)


@pytest.mark.parametrize("goal", ['"adam"', "30.5"])
def test_evaluations_to_a_goal_by_hand(goal: str, tmp_path: Path):
    run(tmp_path, text=PLAN.replace("budget = 24", f"budget = 24\ngoal = {goal}"))
    out = tmp_path / "out"
    found = rows(out)

    def values(country: str, method: str, measure: str) -> dict[str, float]:
        where = country, method, measure
        names = ("country", "method", "measure")
        own = [row for row in found if tuple(row[name] for name in names) == where]
        return {row["seed"]: float(row["value"]) for row in own}

    for country, folder in (("Toyland", "toyland"), (ODD, "a-b-i-_-x")):
        losses = list(values(country, "adam", "tuning_loss").values())
        reach = float(np.median(losses)) if goal == '"adam"' else 30.5
        for method in ("adam", "random"):
            expected: dict[str, float] = {}
            for seed in ("0", "1"):
                file = out / "cells" / "toy" / folder / method / f"seed-{seed}" / "history.jsonl"
                for line in map(json.loads, file.read_text().splitlines()):
                    if line["best_loss"] <= reach:
                        expected[seed] = line["evaluations"]
                        break
            assert values(country, method, "evaluations_to_goal") == expected
    assert not values("Toyland", "persona", "evaluations_to_goal")


def test_times_are_in_a_file_of_their_own(finished: Path):
    with (finished / "times.csv").open(newline="") as file:
        times = list(csv.DictReader(file))
    assert list(times[0]) == list(rows(finished)[0])
    assert {row["measure"] for row in times} == {"seconds", "search_seconds"}
    # Two countries, three methods with two seeds, two measures.
    assert len(times) == 2 * 3 * 2 * 2
    for row in times:
        assert float(row["value"]) > 0 and (finished / row["source"]).is_file()
    assert "seconds" not in {row["measure"] for row in rows(finished)}


def test_parquet_holds_the_same(finished: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(finished / "results.parquet").to_pylist()
    assert [row["value"] for row in table] == [float(row["value"]) for row in rows(finished)]
    assert {row["seed"] for row in table} == {None, 0, 1}


def test_the_papers_table_and_the_differences_by_hand(finished: Path):
    prepared = prepare(plan(finished.parent))
    measured = collect(finished, prepared.cells, prepared.experiment.baselines)
    line = next(
        line
        for line in paper_table(measured).lines
        if (line.place, line.method) == ("Toyland", "adam")
    )
    losses = [
        float(row["value"])
        for row in rows(finished)
        if (row["country"], row["method"], row["measure"]) == ("Toyland", "adam", "held_out_loss")
    ]
    assert len(losses) == line.seeds == 2
    assert line.held_out.value == pytest.approx(np.mean(losses))
    assert line.held_out.interval == pytest.approx((min(losses), max(losses)), abs=1e-9)
    adam = next(one for one in differences(measured) if one.method == "adam")
    own = {
        measure: [
            float(row["value"])
            for row in rows(finished)
            if (row["method"], row["measure"]) == ("adam", measure)
        ]
        for measure in ("held_out_loss", "naive_held_out_loss")
    }
    changes = np.array(own["held_out_loss"]) - np.array(own["naive_held_out_loss"])
    assert adam.pairs == 4
    assert adam.mean == pytest.approx(changes.mean())
    assert adam.better == int((changes < 0).sum())
    assert {one.method for one in differences(measured)} == {
        *("persona", "constant", "random", "de <b>&_%", "adam")
    }


def test_names_mean_nothing_elsewhere(finished: Path):
    """The odd country and method are text in HTML, Markdown, LaTeX, SVG and paths."""
    for page in ("report.html", "table.html"):
        html = (finished / page).read_text()
        assert "<i>" not in html.split("</style>")[1]
        assert "A &amp; B &lt;i&gt;&#34;_%$#{x}|*" in html
        assert "de &lt;b&gt;&amp;_%" in html
        assert "<script" not in html and "http://" not in html and "https://" not in html
    latex = (finished / "table.tex").read_text()
    assert r"A \& B \textless{}i\textgreater{}" + '"' + r"\_\%\$\#\{x\}|*" in latex
    assert r"& \shortstack[r]{loss, tuning \\ forms} &" in latex
    markdown = (finished / "table.md").read_text()
    assert r"A &amp; B &lt;i&gt;" + '"' + r"\_%\$\#\{x\}\|\*" in markdown
    lines = markdown.splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    for file in (finished / "figures").iterdir():
        ElementTree.fromstring(file.read_text())
    for path in finished.rglob("*"):
        assert re.fullmatch(r"[\w.+=,-]+", path.name), path


def test_the_figures_as_files_for_a_paper(finished: Path, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(finished.parent)
    with pytest.raises(SystemExit, match="0"):
        main(["figures", str(finished), "--format", "svg", "--out", str(tmp_path)])
    assert len(capsys.readouterr().out.splitlines()) == 8
    for file in (finished / "figures").iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_the_page_is_complete_and_can_be_followed(finished: Path):
    html = (finished / "report.html").read_text()
    for figure in re.findall(r'<svg[^>]*role="img"[^>]*>', html):
        for name in re.findall(r'aria-labelledby="([^"]+)"', figure)[0].split():
            assert html.count(f'id="{name}"') == 1
    links = re.findall(r'href="([^"]+)"', html)
    assert sum(link.endswith("report.html") for link in links) == 12
    from urllib.parse import unquote

    for link in links:
        assert (finished / unquote(link)).exists(), link


def test_benchmarks_that_were_run_are_read(tmp_path: Path):
    run(tmp_path)
    out = tmp_path / "out"
    prepared = prepare(plan(tmp_path))
    for number, cell in enumerate(c for c in prepared.cells if c.seed is not None):
        scores = {"naive": 0.25, "persona": 0.3, "tuned": 0.5 + number / 100}
        write_benchmark(out / cell.folder, "quiz", scores, questions=9)
    publish(prepared, out, {})
    found = {
        (row["method"], row["seed"]): float(row["value"])
        for row in rows(out)
        if row["measure"] == "benchmark:quiz" and row["country"] == "Toyland"
    }
    assert found[("naive", "")] == 0.25 and found[("random", "0")] == 0.5
    assert "quiz" in (out / "table.tex").read_text()
    assert (out / "figures" / "benchmark-0.svg").is_file()
    measured = collect(out, prepared.cells, prepared.experiment.baselines)
    quiz = next(
        one
        for one in differences(measured)
        if (one.method, one.measure) == ("persona", "benchmark:quiz")
    )
    assert quiz.mean == pytest.approx(0.05)
    assert "better answers elsewhere" in (out / "report.html").read_text()


def test_odd_names_are_in_the_plan():
    assert ODD in PLAN


def test_lines_of_words_are_asked_in_the_same_ways_as_prompts(tmp_path: Path):
    text = PLAN.replace("[settings]", "evaluate = true\n[settings]", 1)
    out = tmp_path / "out"
    run(tmp_path, text=text)
    header, _, *lines = (out / "elsewhere.md").read_text().splitlines()
    heads = [cell.strip() for cell in header.strip("|").split("|")]
    assert heads[:3] == ["country", "method", "As it was tuned"]
    assert heads[-2:] == ["Rank of the target", "Divergence"]
    shown = {
        tuple(cells[:2]): dict(zip(heads, cells, strict=True))
        for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        if cells[0] == "Toyland"
    }
    # No constant answer: it has no other ways.
    assert [method for _, method in shown] == [
        "naive",
        "persona",
        "random",
        "de &lt;b&gt;&amp;\\_%",
        "adam",
    ]
    found = rows(out)

    def mean(method: str, measure: str) -> float:
        values = [
            float(row["value"])
            for row in found
            if (row["country"], row["method"], row["measure"]) == ("Toyland", method, measure)
        ]
        return float(np.mean(values))

    for method in ("persona", "adam"):
        line = shown["Toyland", method]
        for head, measure in (
            ("New wordings and frames", "asked:held-out:loss"),
            ("…options shuffled", "asked:shuffled:loss"),
        ):
            assert line[head] == f"{mean(method, measure):.1f}"
        assert line["Rank of the target"].startswith(f"{mean(method, 'rank'):g} of ")
    naive = shown["Toyland", "naive"]["New wordings and frames"]
    assert naive == f"{mean('persona', 'asked:held-out:naive_loss'):.1f}"
    for row in found:
        assert (out / row["source"]).is_file()
    assert "And asked in other ways?" in (out / "report.html").read_text()
    assert (out / "elsewhere.tex").read_text().count("\\midrule") == 2
    shifts_are_in_the_tables(out, found)


def shifts_are_in_the_tables(out: Path, found: list[dict[str, str]]) -> None:
    """A column each in the paper's table, and a table of attained shift by way of asking."""

    def cells(file: str) -> dict[tuple[str, str], dict[str, str]]:
        header, _, *lines = (out / file).read_text().splitlines()
        plain = header, *(line for line in lines if line.startswith("| Toyland"))
        heads, *shown = ([cell.strip() for cell in line.strip("|").split("|")] for line in plain)
        return {(each[0], each[1]): dict(zip(heads, each, strict=True)) for each in shown}

    def mean(method: str, measure: str) -> float:
        keys = "country", "method", "measure"
        wanted = "Toyland", method, measure
        values = [float(row["value"]) for row in found if tuple(row[k] for k in keys) == wanted]
        return float(np.mean(values)) if values else float("nan")

    paper, ways = cells("table.md"), cells("attained.md")
    for method in ("persona", "adam"):
        attained = mean(method, "asked:held-out:attained")
        assert paper["Toyland", method]["attained, held-out forms"].startswith(
            loss_text(attained, 2)
        )
        # Two dimensions have no correlation.
        assert ways["Toyland", method]["New wordings and frames"] == loss_text(attained, 2)
    assert paper["Toyland", "adam"]["carry-over"].split(" ")[0] == loss_text(
        mean("adam", "carry_over"), 2
    )
    assert paper["Toyland", "naive"]["carry-over"] == "–"
    assert ("Toyland", "naive") not in ways
    assert "How much of the wanted shift is attained?" in (out / "report.html").read_text()


def test_what_was_not_asked_elsewhere_has_no_table(finished: Path):
    assert not (finished / "elsewhere.md").exists()
    assert "And asked in other ways?" not in (finished / "report.html").read_text()


def test_a_search_of_a_single_generation_has_its_figures(tmp_path: Path):
    text = PLAN.replace("seeds = [0, 1]", "seeds = [0]").replace("budget = 24", "budget = 6")
    assert run(tmp_path, text=text.replace("adam = {}\n", "")).report.is_file()
