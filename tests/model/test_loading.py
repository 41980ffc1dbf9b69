"""Loading by name, folder or file, and every way that goes wrong; nothing here reaches a network."""

import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from huggingface_hub import constants
from huggingface_hub.errors import RepositoryNotFoundError
from transformers.utils import hub

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.model import (
    AnswerModel,
    FakeModel,
    LanguageModel,
    Query,
    load_model,
    pretrained,
    source,
)
from acculturate.survey import Form
from tiny_models import CHAT_TEMPLATE, shared_model, tiny_network, tiny_tokenizer
from told import Told

NOT_FOUND: Any = SimpleNamespace(headers={}, request=None, status_code=404)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model, complete."""
    path = tmp_path_factory.mktemp("saved")
    tiny_network("gemma3").save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """The same, to be broken."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def load(name: Any, **named: Any) -> LanguageModel:
    model = load_model(name, **{"dtype": "float32", "device": "cpu", **named})
    assert isinstance(model, LanguageModel) and isinstance(model, AnswerModel)
    return model


def test_a_folder_answers_as_the_model_that_was_saved(
    folder: Path, toy_forms: tuple[Form, ...], told: Told
) -> None:
    loaded, saved = load(folder), shared_model("gemma3")
    assert told.began == ["loading the model"]
    assert f"loading {folder}" in told.changed
    assert loaded.weights_hash() == saved.weights_hash()
    assert loaded.ask(None, Query(toy_forms)).probabilities == pytest.approx(
        saved.ask(None, Query(toy_forms)).probabilities, abs=1e-6
    )
    assert (loaded.name, loaded.hidden_size) == (str(folder), 32)
    assert loaded.provenance() == {
        "name": str(folder),
        "revision": "",
        "weights_hash": saved.weights_hash(),
        "dtype": "float32",
        "device": "cpu",
        "licence": "see the model's own card",
    }


def test_a_loaded_model_is_frozen(folder: Path) -> None:
    network = load(str(folder)).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_loading_leaves_transformers_own_messages_as_they_were(folder: Path) -> None:
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(folder)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_the_precision_asked_for(folder: Path, dtype: Any) -> None:
    model = load(folder, dtype=dtype)
    assert {parameter.dtype for parameter in model.network.parameters()} == {getattr(torch, dtype)}
    assert model.provenance()["dtype"] == dtype


def test_the_precision_that_is_fast_here(folder: Path) -> None:
    dtype = load(folder, dtype="auto", device="auto").network.dtype
    assert dtype in (torch.float32, torch.bfloat16)


def test_half_precision_answers_nearly_the_same(folder: Path, toy_forms: tuple[Form, ...]) -> None:
    prompts = np.random.default_rng(0).normal(size=(2, 3, 32)).astype(np.float32)
    exact = load(folder).ask(prompts, Query(toy_forms, texts=("A cat.",), valid_mass=True))
    rounded = load(folder, dtype="bfloat16").ask(
        prompts, Query(toy_forms, texts=("A cat.",), valid_mass=True)
    )
    assert rounded.probabilities == pytest.approx(exact.probabilities, abs=0.1)
    assert rounded.probabilities.dtype == np.float64
    assert rounded.perplexity == pytest.approx(exact.perplexity, rel=0.2)


def test_a_chat_template_in_the_folder_is_used(copied: Path, toy_forms: tuple[Form, ...]) -> None:
    tiny_tokenizer(chat_template=CHAT_TEMPLATE).save_pretrained(copied)
    model = load(copied)
    assert "[user]" in model.tokenizer.decode(model.encode(toy_forms[0]).tokens)


def test_without_a_beginning_a_soft_prompt_stands_in_front(
    copied: Path, toy_forms: tuple[Form, ...]
) -> None:
    assert load(copied).leading
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (copied / file).unlink()
    tiny_tokenizer(bos=False).save_pretrained(copied)
    model = load(copied)
    assert model.leading == ()
    prompts = np.random.default_rng(0).normal(size=(1, 2, model.hidden_size)).astype(np.float32)
    behind, front = (
        model.ask(prompts, Query(toy_forms, placement=placement))
        for placement in ("after-bos", "front")
    )
    np.testing.assert_array_equal(behind.probabilities, front.probabilities)


def test_the_fake_is_loaded_by_name_whatever_else_is_asked() -> None:
    assert isinstance(load_model("fake", dtype="float32", device="cpu"), FakeModel)


def answer_of_the_hub(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> list[str]:
    """Make the hub answer, and return what it is asked."""
    asked: list[str] = []

    def model_info(name: str, **_: Any) -> None:
        asked.append(name)
        if error is not None:
            raise error

    monkeypatch.setattr(source, "model_info", model_info)
    return asked


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, r"Hub cannot be asked \(HF_HUB_OFFLINE is set\)"),
        (OSError("no route\nto it"), r"Hub cannot be asked \(no route\)"),
        (TimeoutError(), r"Hub cannot be asked \(TimeoutError\)"),
        (
            RepositoryNotFoundError("404", response=NOT_FOUND),
            "no such folder, and none of that name on the Hugging Face Hub",
        ),
    ],
)
def test_an_unknown_name_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, said: str
) -> None:
    asked = [""] if error is None else answer_of_the_hub(monkeypatch, error)
    start = time.monotonic()
    with pytest.raises(UsageError, match=f"no model 'nobody/no-such-model'.*{said}") as caught:
        load("nobody/no-such-model")
    assert time.monotonic() - start < 30 and len(asked) == 1
    assert caught.value.hint is not None and "embedded" in caught.value.hint


def test_what_is_in_the_cache_is_loaded_without_the_hub(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0" * 40
    repository = tmp_path / "models--somebody--cached"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "TRANSFORMERS_CACHE", str(tmp_path), raising=False)
    asked = answer_of_the_hub(monkeypatch, OSError("no route"))
    model = load("somebody/cached")
    assert model.provenance()["revision"] == commit and asked == ["somebody/cached"]


@pytest.mark.parametrize("name", ["embeded", "Embedded", "fakes", "embed"])
def test_a_misspelt_name_is_answered_with_the_nearest(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(name)
    meant = "fake" if name == "fakes" else "embedded"
    assert str(caught.value.hint).startswith(f"Did you mean {meant}?")


def test_a_path_that_is_not_there_is_no_name_of_the_hub(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer_of_the_hub(monkeypatch, None)
    missing = folder.with_name(f"{folder.name}x")
    for name in (missing, str(missing), "./models/x", "../x", "a/b/c", "~/x", "models\\x", "x/"):
        with pytest.raises(UsageError, match="there is no folder at"):
            load(name)
    with pytest.raises(UsageError) as caught:
        load(missing)
    assert f"Did you mean {folder}" in str(caught.value.hint)
    assert asked == []


def test_a_run_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    with pytest.raises(UsageError, match=r"has no config\.json") as caught:
        load(tmp_path)
    assert "acculturate measure --prompt RUN" in str(caught.value.hint)


def test_a_file_is_no_model(folder: Path) -> None:
    with pytest.raises(UsageError, match="is a file, and no model"):
        load(folder / "model.safetensors")


def test_an_unknown_revision_is_named() -> None:
    with pytest.raises(UsageError, match="nobody/no-such-model@v9"):
        load("nobody/no-such-model", revision="v9")


def test_what_is_not_on_the_hub_has_no_revisions(folder: Path) -> None:
    with pytest.raises(UsageError, match="no revisions"):
        load_model(folder, revision="v2")


@pytest.mark.parametrize("name", ["not a name", "a/b/c/d", "..", ""])
def test_an_impossible_name_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(name)
    assert caught.value.hint is not None


def test_an_empty_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no config\.json") as caught:
        load(tmp_path)
    assert caught.value.hint is not None and "config.json" in caught.value.hint


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_without_a_file(copied: Path, missing: str) -> None:
    (copied / missing).unlink()
    with pytest.raises(AcculturateError, match=str(copied)) as caught:
        load(copied)
    assert caught.value.hint is not None


@pytest.mark.parametrize("damaged", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_with_a_truncated_file(copied: Path, damaged: str) -> None:
    content = (copied / damaged).read_bytes()
    (copied / damaged).write_bytes(content[: len(content) // 2])
    with pytest.raises(AcculturateError, match=str(copied)):
        load(copied)


def test_weights_of_another_shape(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    with pytest.raises(AcculturateError, match=str(copied)):
        load(copied)


def test_a_model_that_does_not_write(tmp_path: Path) -> None:
    transformers.ViTConfig(hidden_size=32, num_hidden_layers=1).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=rf"{tmp_path} is of a type \(vit\)") as caught:
        load(tmp_path)
    assert caught.value.hint is not None and "causal" in caught.value.hint


def test_code_of_its_own_is_not_run(copied: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    config = json.loads((copied / "config.json").read_text())
    config |= {
        "model_type": "homemade",
        "auto_map": {
            "AutoConfig": "homemade.HomemadeConfig",
            "AutoModelForCausalLM": "homemade.Homemade",
        },
    }
    (copied / "config.json").write_text(json.dumps(config))
    (copied / "homemade.py").write_text(f"import pathlib; pathlib.Path({str(marker)!r}).touch()\n")
    with pytest.raises(UsageError, match="Python code of its own") as caught:
        load(copied)
    assert caught.value.hint is not None and "--trust-remote-code" in caught.value.hint
    assert not marker.exists()


def test_a_missing_gguf_file() -> None:
    with pytest.raises(UsageError, match=r"no GGUF file at models/none\.gguf"):
        load("models/none.gguf")


def test_a_damaged_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(AcculturateError, match=r"broken\.gguf"):
        load(tmp_path / "broken.gguf")


@pytest.mark.parametrize("device", ["cuda:99", "toaster", "meta", "meta:x", ""])
def test_an_unknown_device_is_said_before_loading(device: str) -> None:
    with pytest.raises(UsageError, match=r"device .* (is not available here|computes nothing)"):
        load("nobody/no-such-model", device=device)


def test_an_unknown_precision_is_said_before_loading() -> None:
    with pytest.raises(UsageError, match="unknown dtype 'float8'") as caught:
        pretrained.load_language_model("nobody/no-such-model", dtype="float8")
    assert "bfloat16" in str(caught.value.hint)


def test_no_memory_to_load_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("pretend")

    monkeypatch.setattr(pretrained.AutoModelForCausalLM, "from_pretrained", refuse)
    with pytest.raises(FailureError, match="does not fit into the memory of cpu") as caught:
        load(folder)
    assert caught.value.hint is not None


def test_a_missing_package_is_said_with_its_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ImportError("needs gguf")

    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(pretrained.AutoModelForCausalLM, "from_pretrained", refuse)
    with pytest.raises(UsageError, match="not installed: needs gguf") as caught:
        load(tmp_path / "a.gguf")
    assert caught.value.hint == "pip install 'acculturate[gguf]'"
