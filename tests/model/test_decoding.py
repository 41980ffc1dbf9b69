"""Texts written side by side: each as transformers alone gives it, whatever is written beside it."""

import numpy as np
import pytest
import torch

from acculturate.model import Decoder, LanguageModel, choose
from tiny_models import ARCHITECTURES, shared_model

PROMPTS = (
    (0, 5, 9, 40, 41),
    (0, 17, 33),
    (0, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83),
)


def virtual_tokens(seed: int, count: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 32)).astype(np.float32)


def write(model: LanguageModel, prompts, virtual=None, at=1, count=5, rows=4, name=None):
    """Tokens and logits of texts that are written together."""
    decoder = model.decoder(rows)
    texts = [decoder.text(tokens, virtual, at, name) for tokens in prompts]
    logits = []
    for text in texts:
        while len(text.unread):
            states = decoder.read(text)
        logits.append(decoder.logits(states[-1:])[0])
    steps = [torch.stack(logits)]
    for _ in range(count):
        states = decoder.write(texts, steps[-1].argmax(-1).tolist())
        steps.append(decoder.logits(states)[: len(texts)])
    made = torch.stack(steps)
    return made.argmax(-1).T.tolist(), made


def whole_passes(model: LanguageModel, tokens, virtual=None, at=1, count=5):
    """The same by a pass of plain transformers over the whole text for every token."""
    rows = model._embed(torch.tensor(tokens))
    if virtual is not None:
        rows = torch.cat([rows[:at], torch.from_numpy(virtual), rows[at:]])
    made = []
    with torch.no_grad():
        for _ in range(count + 1):
            made.append(model.network(inputs_embeds=rows[None].clone()).logits[0, -1].float())
            rows = torch.cat([rows, model._embed(made[-1].argmax(keepdim=True))])
    return torch.stack(made)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("is_virtual", [False, True])
def test_a_text_is_written_as_by_plain_passes(name: str, is_virtual: bool) -> None:
    model = shared_model(name)
    virtual = virtual_tokens(0) if is_virtual else None
    _, made = write(model, PROMPTS, virtual, name="one")
    for index, tokens in enumerate(PROMPTS):
        wanted = whole_passes(model, tokens, virtual)
        torch.testing.assert_close(made[:, index], wanted, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_what_is_written_beside_a_text_changes_no_bit(name: str) -> None:
    model = shared_model(name)
    _, together = write(model, [*PROMPTS, PROMPTS[0]])
    for index, tokens in enumerate(PROMPTS):
        _, alone = write(model, [tokens])
        assert torch.equal(together[:, index], alone[:, 0])


def test_a_long_text_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = shared_model("gemma3")
    monkeypatch.setattr("acculturate.model.decoding._CHUNK", 4)
    _, made = write(model, PROMPTS[2:], virtual_tokens(1))
    torch.testing.assert_close(
        made[:, 0], whole_passes(model, PROMPTS[2], virtual_tokens(1)), atol=2e-4, rtol=1e-4
    )


def test_draws_follow_the_tempered_distribution() -> None:
    logits = torch.tensor([1.0, 3.0, 2.0])
    shares = (logits / 2).softmax(-1)
    steps = np.linspace(0, 1, 2001)[:-1] + 1 / 4000
    drawn = np.bincount([choose(logits, 2.0, 1.0, u) for u in steps], minlength=3) / len(steps)
    assert drawn == pytest.approx(shares.numpy(), abs=1e-3)
    assert choose(logits, 0.0, 1.0, 0.99) == 1
    assert {choose(logits, 1.0, 0.5, u) for u in steps} == {1}
    assert choose(torch.tensor([0.0, -torch.inf]), 1.0, 1.0, 1.0) == 0
    assert choose(logits, 1e-320, 1.0, 0.5) == 1


def test_a_model_that_packed_rows_lead_elsewhere_writes_by_whole_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, run = shared_model("llama"), Decoder._run
    monkeypatch.setattr(Decoder, "_run", lambda *given: -run(*given))
    with pytest.warns(UserWarning, match="one by one"):
        _, made = write(model, PROMPTS, virtual_tokens(0), name="one")
    for index, tokens in enumerate(PROMPTS):
        wanted = whole_passes(model, tokens, virtual_tokens(0))
        torch.testing.assert_close(made[:, index], wanted, atol=2e-4, rtol=1e-4)
