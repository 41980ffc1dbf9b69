"""The tensor that prompt_embeds takes, and the client that builds the whole prompt."""

import importlib.util
import json

import numpy as np
import pytest
from exporting import soft_prompt
from safetensors.numpy import load_file

from acculturate.export import export_prompt
from tiny_models import tiny_model


def client_of(folder):
    spec = importlib.util.spec_from_file_location("client", folder / "client.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("placement", ["front", "after-bos", "before-answer"])
@pytest.mark.parametrize("name", ["llama", "gemma3", "granite"])
def test_the_client_builds_the_whole_prompt(tmp_path, toy_forms, name, placement):
    model = tiny_model(name)
    prompt = soft_prompt(model, placement)
    out = export_prompt(prompt, model, tmp_path / "prompt", format="vllm", forms=toy_forms)
    assert {path.name for path in out.iterdir()} == {
        "README.md",
        "client.py",
        "prompt_embeds.safetensors",
    }
    (tensor,) = load_file(out / "prompt_embeds.safetensors").values()
    np.testing.assert_array_equal(tensor, prompt.embeddings)
    ids = model.encode_text("Plan your day")
    client = client_of(out)
    for given in (ids, ids[1:]):  # with the leading token and without it
        rows = client.prompt_embeds(given, model.network.get_input_embeddings())
        at = {"front": 0, "after-bos": 1, "before-answer": len(ids)}[placement]
        text = model.embed_ids(ids)
        whole = np.concatenate([text[:at], prompt.embeddings, text[at:]])
        np.testing.assert_array_equal(rows.numpy(), whole)
    source = (out / "client.py").read_text()
    assert len(source.split("__main__")[0].splitlines()) <= 24
    assert f"LEADING = {json.dumps(name)}, [0]" in source
    assert "--enable-prompt-embeds" in (out / "README.md").read_text()


def test_into_the_folder_one_stands_in(tmp_path, toy_forms, monkeypatch):
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    model = tiny_model("llama")
    out = export_prompt(soft_prompt(model, "front"), model, ".", format="vllm", forms=toy_forms)
    assert (folder / "client.py").is_file()
    assert (folder / out).name == "empty"
    assert "empty/client.py" in (folder / "README.md").read_text()
