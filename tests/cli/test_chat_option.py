"""`--chat`: a model with a chat template is asked with it or without, and a run keeps to its way."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from cli_runs import CommandLine

from tiny_models import CHAT_TEMPLATE, tiny_network, tiny_tokenizer

TABLE = "country,planning,company\nNorway,61,40.5\nChile,30,70\n"
SHORT = ("--budget", "4", "--tokens", "2", "--optimizer", "de", "--population", "4")


@pytest.fixture
def models(cli: CommandLine, tmp_path: Path) -> dict[str, str]:
    """Folders of one model with a chat template, without one, and with one that fails."""
    templates = {"chat": CHAT_TEMPLATE, "base": None, "failing": "{{ raise_exception('no') }}"}
    network = tiny_network("llama")
    for name, template in templates.items():
        network.save_pretrained(tmp_path / name)
        tiny_tokenizer(chat_template=template).save_pretrained(tmp_path / name)
    Path("toy.csv").write_text(TABLE)
    return {name: str(tmp_path / name) for name in templates}


def scores(cli: CommandLine, model: str, chat: str = "auto") -> dict[str, float]:
    given = ("measure", "-m", model, "-i", "toy", "--dtype", "float32", "--chat", chat, "--json")
    return cli(*given).json["scores"]


def test_a_model_is_asked_with_its_template_or_without(
    cli: CommandLine, models: dict[str, str]
) -> None:
    assert scores(cli, models["chat"]) == scores(cli, models["chat"], "template")
    assert scores(cli, models["chat"], "none") == scores(cli, models["base"])
    assert scores(cli, models["failing"], "none") == scores(cli, models["base"])
    assert scores(cli, models["chat"]) != scores(cli, models["base"])


@pytest.mark.parametrize(
    ("model", "chat", "reason"),
    [
        ("base", "template", "has no chat template"),
        ("fake", "template", "has no chat template"),
        ("failing", "auto", "chat template fails: no"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_message(
    cli: CommandLine, models: dict[str, str], model: str, chat: str, reason: str
) -> None:
    name = models.get(model, model)
    assert reason in cli("measure", "-m", name, "-i", "toy", "--chat", chat).message(2)


def test_a_run_keeps_to_its_way_of_asking(cli: CommandLine, models: dict[str, str]) -> None:
    tune = ("tune", "-m", models["chat"], "-i", "toy", "-t", "toy.csv", "-c", "Norway", *SHORT)
    tune = (*tune, "--dtype", "float32", "--out", "run")
    assert cli(*tune, "--chat", "none").code == 0
    assert json.loads(Path("run/provenance.json").read_text())["model"]["chat"] == "none"
    assert tomllib.loads(Path("run/config.toml").read_text())["model"]["chat"] == "none"
    assert "model.chat is 'none' there and 'template' here" in cli(*tune, "--resume").message(2)
    prompted = (
        "measure",
        "-m",
        models["chat"],
        "-i",
        "toy",
        "--dtype",
        "float32",
        "-p",
        "run",
        "--json",
    )
    none, template = (cli(*prompted, "--chat", way).json for way in ("none", "template"))
    assert cli(*prompted).json == none != template
    asked = ("evaluate", "run", "-t", "toy.csv", "--languages", "none", "--no-generated")
    assert cli(*asked).code == 0
    assert cli(*asked, "--model", models["base"]).code == 0
    assert cli(*tune[:-1], "in-template").code == 0
    other = cli(asked[0], "in-template", *asked[2:], "--model", models["base"]).message(2)
    assert "has no chat template" in other
    assert cli("report", "run").code == 0
    assert "<dt>model chat</dt><dd>none</dd>" in Path("run/report.html").read_text()
