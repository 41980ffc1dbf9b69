"""The reference: transformers as anyone would call it, one form and one candidate at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from acculturate.survey import Form


@torch.inference_mode()
def plain_logits(
    network: Any, ids: Sequence[int], prompt: np.ndarray | None, cut: int, last: int = 0
) -> torch.Tensor:
    """Logits behind every token, or the last few, with the soft prompt in the embeddings at `cut`."""
    rows = network.get_input_embeddings()(torch.tensor([list(ids)]))
    if prompt is not None:
        virtual = torch.from_numpy(prompt).to(rows)[None]
        rows = torch.cat([rows[:, :cut], virtual, rows[:, cut:]], dim=1)
    return network(inputs_embeds=rows, use_cache=False, logits_to_keep=last).logits[0].float()


def plain_tokens(tokenizer: Any, form: Form) -> tuple[list[int], list[int]]:
    """A form's tokens up to the answer, and the answer tokens in the item's own order."""
    shown = [tokenizer(f"{form.text}\n{form.cue} {label}")["input_ids"] for label in form.labels]
    answers = {option: ids[-1] for option, ids in zip(form.options, shown, strict=True)}
    return shown[0][:-1], [answers[option] for option in sorted(answers)]


def plain_answers(
    network: Any, tokenizer: Any, forms: Sequence[Form], prompt: np.ndarray | None, placement: str
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `[form, option]` among the options, and the options' mass, from the whole softmax."""
    widest = max(len(form.options) for form in forms)
    probabilities, mass = np.zeros((len(forms), widest)), np.zeros(len(forms))
    for row, form in enumerate(forms):
        question = len(tokenizer(f"{form.text}\n")["input_ids"])
        cut = {"front": 0, "after-bos": 1, "before-answer": question}[placement]
        if form.word_set is None:
            ids, options = plain_tokens(tokenizer, form)
            logits = plain_logits(network, ids, prompt, cut, last=1)[-1]
            chosen = logits.double().softmax(-1)[options].numpy()
        else:
            chosen = np.array(plain_words(network, tokenizer, form, prompt, cut))
        mass[row] = chosen.sum()
        probabilities[row, : len(chosen)] = chosen / chosen.sum()
    return probabilities, mass


def plain_words(
    network: Any, tokenizer: Any, form: Form, prompt: np.ndarray | None, cut: int
) -> list[float]:
    """Probability of each option's words behind the cue, in the item's own order, a forward for each."""
    stem = len(tokenizer(f"{form.text}\n{form.cue}")["input_ids"])
    chosen = [0.0] * len(form.options)
    for option, words in zip(form.options, form.labels, strict=True):
        ids = tokenizer(f"{form.text}\n{form.cue} {words}")["input_ids"]
        count = len(ids) - stem
        logits = plain_logits(network, ids, prompt, cut, last=count + 1)[:-1]
        follows = logits.double().log_softmax(-1)[range(count), ids[stem:]]
        chosen[option] = float(follows.sum().exp())
    return chosen


def plain_guard(
    network: Any, tokenizer: Any, texts: Sequence[str], prompt: np.ndarray | None, placement: str
) -> tuple[float, float]:
    """Divergence KL(untouched || prompted) in nats a token, and perplexity, over all predicted tokens.

    The soft prompt goes behind a third of a text where there is no answer; what stands before it is not read.
    """
    divergences: list[torch.Tensor] = []
    surprises: list[torch.Tensor] = []
    virtual = 0 if prompt is None else len(prompt)
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        third = 1 + max(1, (len(ids) - 1) // 3)
        cut = {"front": 0, "after-bos": 1, "before-answer": third}[placement]
        known = max(cut, 1)
        untouched = plain_logits(network, ids, None, cut)[known - 1 : -1]
        prompted = plain_logits(network, ids, prompt, cut)[virtual + known - 1 : -1]
        untouched, prompted = (rows.double().log_softmax(-1) for rows in (untouched, prompted))
        divergences.append((untouched.exp() * (untouched - prompted)).sum(-1))
        surprises.append(-prompted[torch.arange(len(ids) - known), torch.tensor(ids[known:])])
    return float(torch.cat(divergences).mean()), float(torch.cat(surprises).mean().exp())
