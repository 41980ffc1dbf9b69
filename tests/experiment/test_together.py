"""Countries tuned together are cells of an experiment like any other."""

import csv
import shutil
from pathlib import Path

import pytest
from experiment_runs import PLAN, plan, run

from acculturate.errors import UsageError
from acculturate.experiment import prepare
from acculturate.runs import load_multitask, load_prompt

METHODS = """together = { optimizer = "adam", together = "product" }
"together, sum" = { optimizer = "adam", together = "sum" }
"""
COUNTRIES = '["Toyland", "Elsewhere", "Nowhere"]'
BEGINNING = PLAN.split("random =")[0]
TEXT = BEGINNING.replace("seeds = [0, 1]", "seeds = [0]") + METHODS


def with_three(folder: Path, text: str) -> str:
    """The plan with three countries; its table is written with the file, so two more rows come after."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "country,planning,company\nToyland,80,20\nElsewhere,30,60\nNowhere,50,90\n"
    (folder / "three.csv").write_text(rows)
    before, after = text.split("countries = ")
    rest = after.partition("\n")[2]
    return f"{before}countries = {COUNTRIES}\n{rest}".replace('"toy.csv"', '"three.csv"')


def test_cells_are_runs_of_one_tuning(tmp_path: Path):
    published = run(tmp_path, text=with_three(tmp_path, TEXT))
    assert not published.failed
    out = tmp_path / "out"
    shared = load_multitask(out / "together" / "three" / "together" / "seed-0")
    assert shared.names == ("Toyland", "Elsewhere", "Nowhere")
    cell = out / "cells" / "three" / "toyland" / "together" / "seed-0"
    assert load_prompt(cell).embeddings == pytest.approx(shared.prompts[0].embeddings, abs=1e-5)
    with (out / "results.csv").open() as file:
        rows = [*csv.DictReader(file)]
    methods = {row["method"] for row in rows if row["measure"] == "held_out_loss"}
    assert {"together", "together, sum"} <= methods
    assert "times as far apart as their targets" in (out / "report.html").read_text()
    # What is there is not tuned again, and a cell whose last file is missing is finished alone.
    (cell / "cell.json").unlink()
    before = (cell / "best.safetensors").read_bytes()
    assert not run(tmp_path, text=with_three(tmp_path, TEXT)).failed
    assert (cell / "best.safetensors").read_bytes() == before
    assert (cell / "cell.json").is_file()


def test_a_lost_cell_is_made_again_from_the_state_of_all(tmp_path: Path):
    text = with_three(tmp_path, TEXT)
    run(tmp_path, text=text)
    cell = tmp_path / "out" / "cells" / "three" / "nowhere" / "together" / "seed-0"
    before = (cell / "best.safetensors").read_bytes()
    shutil.rmtree(cell)
    assert not run(tmp_path, text=text).failed
    assert (cell / "best.safetensors").read_bytes() == before


def test_one_country_alone_is_refused(tmp_path: Path):
    one = TEXT.replace(TEXT.split("countries = ")[1].partition("\n")[0], '["Toyland"]')
    with pytest.raises(UsageError, match="Toyland alone is not tuned together"):
        prepare(plan(tmp_path, one))
