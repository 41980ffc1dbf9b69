"""A run from its directory to the clients: the harness through the server says what it says without one."""

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

os.environ["HF_DATASETS_OFFLINE"] = "1"

import numpy as np
import pytest
from serving_apps import server

from acculturate.errors import UsageError
from acculturate.model import LanguageModel, SoftPrompt, load_model
from acculturate.runs import Run
from acculturate.search import DifferentialEvolution
from acculturate.serving import build_app, load_variants
from acculturate.survey import Country, load_instrument
from acculturate.tuning import tune
from tiny_models import tiny_network, tiny_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore")
TOYLAND = Country("Toyland", "toy-table", {"planning": 80.0, "company": 20.0}, None)
QUESTIONS = [
    {"question": f"Question number {k}: which do you like?", "options": options, "answer": k % 3}
    for k, options in enumerate([["tea", "milk", "water"], ["a day", "a page", "a survey"]] * 6)
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of a tiny model, with a random soft prompt that shows in every logit."""
    folder = tmp_path_factory.mktemp("served")
    tiny_network("llama").save_pretrained(folder / "model")
    tiny_tokenizer().save_pretrained(folder / "model")
    made = tune(
        load_model(folder / "model", dtype="float32"), load_instrument("toy"), TOYLAND, budget=4,
        tokens=3, optimizer=DifferentialEvolution(4), placement="after-bos", out=folder / "toyland",
    )  # fmt: skip
    noise = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    best = made.directory / "best.safetensors"
    SoftPrompt(noise, "after-bos", *tuple(vars(SoftPrompt.load(best)).values())[2:]).save(best)
    return Run.load(made.directory)


@pytest.fixture(scope="module")
def served_model(run: Run) -> LanguageModel:
    model = load_model(run.directory.parent / "model", dtype="float32")
    assert isinstance(model, LanguageModel)
    return model


def test_variants_are_named_by_model_run_and_country(run: Run, served_model: LanguageModel) -> None:
    variants = load_variants(served_model, [run])
    assert list(variants) == ["model", "model+toyland", "model+persona:toyland"]
    assert variants["model+persona:toyland"].line == "Answer as a person from Toyland would."
    assert [variant.country for variant in variants.values()] == ["", "Toyland", "Toyland"]


def test_runs_that_do_not_belong_are_refused(
    run: Run, served_model: LanguageModel, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="toyland is named twice"):
        load_variants(served_model, [run, run])
    shutil.copytree(run.directory, tmp_path / "toyland")
    with pytest.raises(UsageError, match="two runs would have the same name"):
        load_variants(served_model, [run, Run.load(tmp_path / "toyland")])
    shutil.copytree(run.directory.parent / "model", tmp_path / "other")
    tiny_network("qwen3").save_pretrained(tmp_path / "other")
    other = load_model(tmp_path / "other", dtype="float32")
    assert isinstance(other, LanguageModel)
    with pytest.raises(UsageError, match="has other weights"):
        load_variants(other, [run])


def test_the_harness_finds_through_the_server_what_it_finds_itself(
    run: Run, served_model: LanguageModel, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lm_eval = pytest.importorskip("lm_eval")
        pytest.importorskip("tenacity")
        from lm_eval.tasks import TaskManager

        import acculturate.harness.model  # noqa: F401
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS))
    shipped = Path(__file__).parents[2] / "docs" / "harness" / "questions.yaml"
    task = shipped.read_text().replace("test: questions.jsonl", f"test: {file}")
    (tmp_path / "questions.yaml").write_text(task)
    manager = TaskManager(include_path=str(tmp_path), include_defaults=False)

    def scores(**options: Any) -> tuple[float, np.ndarray]:
        found = lm_eval.simple_evaluate(
            tasks=["local_questions"], task_manager=manager, bootstrap_iters=0, verbosity="ERROR",
            **options,
        )  # fmt: skip
        samples = sorted(found["samples"]["local_questions"], key=lambda sample: sample["doc_id"])
        logs = [[float(r[0]) for r in sample["filtered_resps"]] for sample in samples]
        return found["results"]["local_questions"]["acc,none"], np.array(logs)

    folder = str(run.directory.parent / "model")
    with server(build_app(served_model, load_variants(served_model, [run]))) as url:
        for name, untouched in (("model", True), ("model+toyland", False)):
            served = {
                "model": name, "base_url": f"{url}/v1/completions", "tokenizer": folder,
                "add_bos_token": True, "max_length": 256, "num_concurrent": 2,
            }  # fmt: skip
            through, logs = scores(model="local-completions", model_args=served, batch_size=3)
            given = {"run": str(run.directory), "untouched": untouched}
            directly, wanted = scores(model="acculturate", model_args=given, batch_size=4)
            assert logs == pytest.approx(wanted, abs=1e-3)
            assert through == directly
