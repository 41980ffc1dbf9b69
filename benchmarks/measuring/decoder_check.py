"""One type of decoder, asked by acculturate and by plain transformers.

In: a type's name. Out: a `Check`: how acculturate ran it, and how far it was off. The reference is the
model's own forward, one form at a time and one pass for every word that it writes: no cache, no batch.
"""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from acculturate.errors import AcculturateError
from acculturate.model import LanguageModel, Query, SoftPrompt
from acculturate.model.answers import Cotangent
from acculturate.model.embedding import input_embedding
from acculturate.model.encoding import EncodedForm
from acculturate.survey.forms import Form
from acculturate.survey.instrument import load_instrument
from acculturate.survey.selection import balanced_forms
from measuring import EMBEDDED
from measuring.random_weights import survey_tokenizer
from measuring.small_decoders import small_network

_VIRTUAL_TOKENS = 3
_NEW_TOKENS = 5
_LARGEST = {"answers": 1e-4, "gradient": 1e-3}
"""In float32: of a probability; and of a gradient, as a share of its length."""
_ROUNDING = 0.03
"""In bfloat16, beyond twice what plain transformers are off themselves."""


@dataclass
class Check:
    """What came of one type in one precision.

    Attributes:
        name: The type.
        result: `LanguageModel.path`, or "refused", "cannot be built small" or "WRONG".
        answers: Largest difference of an option's probability, or of their mass.
        gradient: Length of the difference of gradients over the length of the gradient.
        written: What came of the written answers: "same words", or what was wrong.
        reason: Why it was refused or cannot be built; what is wrong.
        seconds: Time of all of it.
    """

    name: str
    result: str = ""
    answers: float | None = None
    gradient: float | None = None
    written: str = ""
    reason: str = ""
    seconds: float = 0.0


def check_decoder(name: str, dtype: torch.dtype = torch.float32) -> Check:
    """Compare one type, untouched and under a random soft prompt in every placement."""
    started, check = time.perf_counter(), Check(name)
    instrument = load_instrument("vsm13")
    tokenizer = survey_tokenizer(instrument)
    forms = balanced_forms(instrument, "tuning")[::13]
    try:
        plain = _Plain(small_network(name, len(tokenizer), dtype))
        exact = plain if dtype == torch.float32 else _Plain(small_network(name, len(tokenizer)))
        exact.logits(torch.tensor([[3, 4, 5, 6]]))
    except Exception as error:
        check.result, check.reason = "cannot be built small", _sentence(error)
        return check
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LanguageModel(name, None, plain.network, tokenizer)
        try:
            model.ask(None, Query(forms))
        except AcculturateError as error:
            check.result = "refused"
            check.reason = _sentence(error).removeprefix(
                f"{name} ({type(plain.network).__name__}) "
            )
        else:
            wrong = _compare(check, model, plain, exact, forms)
            check.result, check.reason = "WRONG" if wrong else model.path, "; ".join(wrong)
    check.seconds = time.perf_counter() - started
    return check


def _compare(
    check: Check, model: LanguageModel, plain: _Plain, exact: _Plain, forms: Sequence[Form]
) -> list[str]:
    """Compare all that is compared, and say what is wrong."""
    encoded = [model.encode(form) for form in forms]
    drawn = np.random.default_rng(0).normal(size=(_VIRTUAL_TOKENS, model.hidden_size))
    virtual = (drawn * model.embedding_scale()).astype(np.float32)
    wrong: list[str] = []
    check.answers = check.gradient = 0.0
    for placement in (None, *EMBEDDED):
        place = placement or "untouched"
        soft = None if placement is None else SoftPrompt(virtual, placement, model.name)
        try:
            ours, gradient = _ours(model, soft, forms)
        except AcculturateError as error:
            wrong.append(f"{place} fails later: {_sentence(error)}")
            continue
        truths = [exact.answer(form, soft) for form in encoded]
        off = max(float(np.abs(a - b[0]).max()) for a, b in zip(ours, truths, strict=True))
        check.answers = max(check.answers, off)
        allowed = _LARGEST["answers"]
        if exact is not plain:
            rough = [plain.answer(form, soft)[0] for form in encoded]
            own = max(float(np.abs(a - b[0]).max()) for a, b in zip(rough, truths, strict=True))
            allowed = _ROUNDING + 2 * own
        if not off <= allowed:
            wrong.append(f"{place}: a probability by {off:.2g}")
        if soft is not None and exact is plain:
            truth = np.sum([gradient for _, gradient in truths], axis=0)
            off = float(np.linalg.norm(gradient - truth) / max(np.linalg.norm(truth), 1e-9))
            check.gradient = max(check.gradient, off)
            if not off <= _LARGEST["gradient"]:
                wrong.append(f"{place}: the gradient by {off:.2g} of it")
    if exact is plain:
        check.written = _written(model, plain, forms, virtual)
        if check.written.startswith("other"):
            wrong.append(check.written)
    return list(dict.fromkeys(wrong))


def _ours(
    model: LanguageModel, soft: SoftPrompt | None, forms: Sequence[Form]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Ask acculturate; also pull a sum over all answers back to the soft prompt."""
    query = Query(forms, placement="front" if soft is None else soft.placement, valid_mass=True)
    prompts = None if soft is None else soft.embeddings[None]
    answers, gradient = model.ask(prompts, query), np.empty(0)
    if prompts is not None:
        learnt, backward = model.ask_with_gradient(prompts, query)
        options = np.arange(learnt.probabilities.shape[2], dtype=np.float64)
        weights = np.broadcast_to(options, learnt.probabilities.shape)
        gradient = backward(Cotangent(weights, np.ones(weights.shape[:2])))[0]
    assert answers.valid_mass is not None
    rows = zip(answers.probabilities[0], answers.valid_mass[0], forms, strict=True)
    return [np.append(row[: len(form.options)], mass) for row, mass, form in rows], gradient


def _written(
    model: LanguageModel, plain: _Plain, forms: Sequence[Form], virtual: np.ndarray
) -> str:
    """Compare written answers with a pass for every word, and with transformers' own generation."""
    different = generated = 0
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for placement in (None, *EMBEDDED):
            soft = None if placement is None else SoftPrompt(virtual, placement, model.name)
            try:
                ours = model.generate_answers(forms, soft, max_tokens=_NEW_TOKENS)
            except AcculturateError as error:
                return f"refused: {_sentence(error)}"
            for form, text in zip(forms, ours, strict=True):
                given = plain.rows(model.encode(form), soft)
                theirs = plain.write(given)
                # Ours ends behind the first line.
                if not model.tokenizer.decode(theirs, skip_special_tokens=True).startswith(text):
                    different += 1
                    again = plain.generate(given) or theirs
                    decoded = model.tokenizer.decode(again, skip_special_tokens=True)
                    generated += decoded.startswith(text)
    how = " by whole passes" if any("whole text" in str(one.message) for one in said) else ""
    if not different:
        return f"same words{how}"
    if different == generated == 1:
        return f"same words{how} but one, where generate() writes ours"
    return f"other words{how} for {different} of {4 * len(forms)}, {generated} of them generate()'s"


class _Plain:
    """Plain transformers: a model's own forward and nothing else."""

    def __init__(self, network: Any) -> None:
        self.network, self._layer = network, input_embedding(network)
        known = inspect.signature(network.forward).parameters
        self._options = {"use_cache": False} if "use_cache" in known else {}

    def logits(self, given: torch.Tensor) -> torch.Tensor:
        """Return the logits behind the last position of token ids or of embeddings."""
        name = "inputs_embeds" if given.is_floating_point() else "input_ids"
        # A copy: some models scale their embeddings, or add positions to them, in place.
        return self.network(**{name: given.clone()}, **self._options).logits[0, -1]

    def rows(self, form: EncodedForm, soft: SoftPrompt | None) -> torch.Tensor:
        """Return a form's token ids, or its embeddings with the soft prompt among them."""
        ids = torch.tensor([form.tokens])
        if soft is None:
            return ids
        return self._embed(ids, soft, torch.from_numpy(soft.embeddings), form)

    def _embed(
        self, ids: torch.Tensor, soft: SoftPrompt, virtual: torch.Tensor, form: EncodedForm
    ) -> torch.Tensor:
        rows, cut = self._layer(ids), form.prompt_at(soft.placement)
        return torch.cat([rows[:, :cut], virtual.to(rows)[None], rows[:, cut:]], dim=1)

    def answer(self, form: EncodedForm, soft: SoftPrompt | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the options' probabilities, their mass behind them, and a gradient in the soft prompt."""
        virtual, gradient = None, np.empty(0)
        given = torch.tensor([form.tokens])
        with torch.set_grad_enabled(soft is not None):
            if soft is not None:
                virtual = torch.from_numpy(soft.embeddings).clone().requires_grad_()
                given = self._embed(given, soft, virtual, form)
            chosen = self.logits(given).double().softmax(-1)[[option for (option,) in form.options]]
            mass, among = chosen.sum(), chosen / chosen.sum()
            if virtual is not None:
                total = (among * torch.arange(len(among))).sum() + mass
                gradient = torch.autograd.grad(total, virtual)[0].double().numpy()
        return torch.cat([among, mass[None]]).detach().numpy(), gradient

    @torch.no_grad()
    def write(self, given: torch.Tensor) -> list[int]:
        """Write the likeliest tokens, each by a pass over all that stands before it."""
        made: list[int] = []
        for _ in range(_NEW_TOKENS):
            made.append(int(self.logits(given).argmax()))
            if made[-1] == 1:
                break
            more = torch.tensor([made[-1:]])
            if given.is_floating_point():
                more = self._layer(more)
            given = torch.cat([given, more], dim=1)
        return made

    @torch.no_grad()
    def generate(self, given: torch.Tensor) -> list[int] | None:
        """Write the same by transformers' own generation, or return None where it does not."""
        embedded = given.is_floating_point()
        mask = torch.ones(given.shape[:2], dtype=torch.int64)
        try:
            made = self.network.generate(
                **{"inputs_embeds" if embedded else "input_ids": given.clone()},
                attention_mask=mask,
                max_new_tokens=_NEW_TOKENS,
                do_sample=False,
            )
        except Exception:
            return None
        tokens = made[0].tolist()[0 if embedded else given.shape[1] :]
        return tokens[: tokens.index(1) + 1] if 1 in tokens else tokens


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
