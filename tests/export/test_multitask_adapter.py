"""Countries that were tuned together as one PEFT adapter, proved for every task."""

import json

import numpy as np
import peft
import pytest
import torch
from safetensors.numpy import load_file

from acculturate.errors import FailureError, UsageError
from acculturate.export import export_multitask, proof
from acculturate.metrics.treatments import ask_state
from acculturate.runs import MULTITASK, MultitaskPrompt, load_multitask
from acculturate.search import SharedPrompt
from tiny_models import tiny_model, tiny_network

NAMES = "Toyland <&>", "Elsewhere", "Nowhere"


def share(folder, model, placement="after-bos", sharing="product", lines=("", "", "")):
    """Three countries with parts that differ much."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(4, model.hidden_size)) * model.embedding_scale()
    cols, rows = 1 + rng.normal(size=(3, 4)), 1 + rng.normal(size=(3, model.hidden_size))
    parts = SharedPrompt(shared, cols, rows, sharing)
    known = MultitaskPrompt(parts, NAMES, lines, placement, model.name, model.model_hash())
    known.save(folder / MULTITASK)
    settings = f'[model]\nname = {json.dumps(model.name)}\nrevision = "a1b2c3"\n'
    (folder / "multitask.toml").write_text(settings)
    return known


@pytest.mark.parametrize("placement", ["front", "after-bos"])
@pytest.mark.parametrize("name", ["llama", "gemma3"])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_every_task_gives_the_answers_of_its_country(tmp_path, toy_forms, name, placement):
    model = tiny_model(name)
    share(tmp_path, model, placement)
    out = export_multitask(tmp_path, model, tmp_path / "adapter", forms=toy_forms)
    tensors = load_file(out / "adapter_model.safetensors")
    carried = int(placement == "after-bos")
    assert {key: value.shape for key, value in tensors.items()} == {
        "prompt_embeddings": (4 + carried, model.hidden_size),
        "prefix_task_cols": (3, 4 + carried, 1 + carried),
        "prefix_task_rows": (3, 1 + carried, model.hidden_size),
    }
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["peft_type"] == "MULTITASK_PROMPT_TUNING"
    assert (config["num_tasks"], config["num_ranks"]) == (3, 1 + carried)
    assert config["revision"] == "a1b2c3"

    adapted = peft.PeftModel.from_pretrained(tiny_network(name), str(out)).eval()
    form, answers = toy_forms[0], []
    encoded = model.encode(form)
    for number, prompt in enumerate(load_multitask(tmp_path).prompts):
        ids = torch.tensor([encoded.tokens[carried:]])
        with torch.inference_mode():
            logits = adapted(ids, task_ids=torch.tensor([number])).logits[0, -1]
        theirs = torch.softmax(logits[[option for (option,) in encoded.options]], 0).numpy()
        ours = ask_state(model, prompt, [form]).probabilities[0, 0, : len(theirs)]
        np.testing.assert_allclose(theirs, ours, atol=1e-5)
        answers.append(theirs)
    assert np.abs(answers[0] - answers[1]).max() > 1e-3
    card = (out / "README.md").read_text()
    assert "| 0 | Toyland &lt;&amp;&gt; |" in card
    assert f'from_pretrained("{model.name}", revision="a1b2c3")' in card
    assert ("add_special_tokens=False" in card) == bool(carried)


def test_it_is_there_whole_or_not_at_all(tmp_path, toy_forms, monkeypatch):
    model = tiny_model("llama")
    share(tmp_path, model)
    monkeypatch.setattr(proof, "TOLERANCE", -1.0)
    with pytest.raises(FailureError, match="through PEFT as Toyland"):
        export_multitask(tmp_path, model, tmp_path / "out" / "adapter", forms=toy_forms)
    assert not [*(tmp_path / "out").iterdir()]


def test_what_peft_cannot_hold(tmp_path, toy_forms):
    model = tiny_model("llama")
    out = tmp_path / "adapter"
    with pytest.raises(UsageError, match="no countries were tuned together"):
        export_multitask(tmp_path, model, out, forms=toy_forms)
    share(tmp_path, model, sharing="sum")
    with pytest.raises(UsageError, match="add theirs to it") as caught:
        export_multitask(tmp_path, model, out, forms=toy_forms)
    assert caught.value.hint == "Export each country's run directory by itself."
    share(tmp_path, model, "before-answer")
    with pytest.raises(UsageError, match="before-answer"):
        export_multitask(tmp_path, model, out, forms=toy_forms)
    share(tmp_path, tiny_model("gemma3"))
    with pytest.raises(UsageError, match="has other weights"):
        export_multitask(tmp_path, model, out, forms=toy_forms)


def test_lines_stand_in_the_card(tmp_path, toy_forms):
    model = tiny_model("llama")
    share(tmp_path, model, lines=("Answer as a person from Toyland would.", "b", "c"))
    out = export_multitask(tmp_path, model, tmp_path / "adapter", forms=toy_forms)
    assert "Answer as a person from Toyland would. |" in (out / "README.md").read_text()
