"""The client that an export brings along, against our server."""

import runpy
import sys

import numpy as np
from serving_apps import server

from acculturate.export import export_prompt
from acculturate.model import LanguageModel, SoftPrompt, load_model
from acculturate.serving import build_app, load_variants
from tiny_models import tiny_network, tiny_tokenizer


def test_the_exported_client_gets_our_continuation(tmp_path, toy_forms, monkeypatch, capsys):
    folder = tmp_path / "tiny"
    tiny_network("llama").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    model = load_model(folder, dtype="float32", device="cpu")
    assert isinstance(model, LanguageModel)
    noise = np.random.default_rng(0).normal(size=(4, 32)) * model.embedding_scale()
    prompt = SoftPrompt(noise.astype(np.float32), "after-bos", model.name)
    out = export_prompt(prompt, model, tmp_path / "prompt", format="vllm", forms=toy_forms)
    text = "How often do you plan your day?"
    with server(build_app(model, load_variants(model, []))) as address:
        monkeypatch.setattr(sys, "argv", ["client.py", text, f"{address}/v1"])
        capsys.readouterr()
        runpy.run_path(str(out / "client.py"), run_name="__main__")
    written = model.continue_text(text, prompt, max_tokens=60)
    assert capsys.readouterr().out.strip() == written.strip()
    assert written != model.continue_text(text, max_tokens=60)
