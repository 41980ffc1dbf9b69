"""A Hugging Face causal language model that answers forms: loading it, and its face to the other rooms.

In: a hub name, a folder, a GGUF file or "embedded". Out: a frozen `LanguageModel`, an `AnswerModel`.
How a population runs through it is `population.py`'s.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.model.answers import Answers, Backward, Placement, Query, TextReading
from acculturate.model.embedded import LICENCE, embedded_folder
from acculturate.model.encoding import EncodedForm, FormEncoder
from acculturate.model.generation import AnswerWriter
from acculturate.model.population import PopulationEvaluator
from acculturate.model.proof import prove
from acculturate.survey.forms import Form

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
_UNTOUCHED_KEPT = 128
"""Sets of forms whose answers without a soft prompt are remembered."""
_MODELS = 'Give "embedded", a Hugging Face hub name, a folder with config.json, or a .gguf file.'


def load_language_model(
    name: str | Path,
    *,
    revision: str | None = None,
    dtype: Dtype = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> LanguageModel:
    """Loads a causal language model and freezes it.

    Args:
        name: "embedded", a Hugging Face hub name, a local folder, or a GGUF file.
        revision: Branch, tag or commit of a hub name.
        dtype: Precision; "auto" takes bfloat16 where the processor or GPU computes in it, else
            float32.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        trust_remote_code: Whether a hub repository may run its own Python code here.
        progress: Called with a sentence at every slow step.

    Raises:
        UsageError: There is no such model, or a package it needs is not installed.
        FailureError: It is there and cannot be loaded.
    """
    chosen_device = resolve_device(device)
    chosen_dtype = resolve_dtype(dtype, chosen_device)
    source, file = str(name), None
    if name == "embedded":
        with _quiet():
            source = str(embedded_folder(progress))
    elif Path(name).suffix == ".gguf":
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"no GGUF file at {name}", "Check the path.")
        source, file = str(path.parent), path.name
    elif Path(name).is_dir() and not (Path(name) / "config.json").is_file():
        raise UsageError(f"the folder {name} has no config.json", _MODELS)
    progress(f"loading {name}")
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    options |= {"gguf_file": file} if file else {}
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            if file:
                from transformers import GgufConfig

                options["quantization_config"] = GgufConfig(dequantize=True)
            network: Any = AutoModelForCausalLM.from_pretrained(
                source, dtype=chosen_dtype, **options
            )
            network = network.to(chosen_device)
    except AcculturateError:
        raise
    except torch.OutOfMemoryError as error:
        raise FailureError(
            f"{name} does not fit into the memory of {chosen_device}",
            "Use --dtype bfloat16, a smaller model, or --device cpu.",
        ) from error
    except ImportError as error:
        raise UsageError(
            f"{name} needs a package that is not installed: {error}",
            "pip install 'acculturate[gguf]'" if file else None,
        ) from error
    except Exception as error:
        raise _load_error(name, revision, error) from error
    return LanguageModel(str(name), revision, network, tokenizer)


class LanguageModel:
    """A frozen causal language model; see `AnswerModel` for what it answers.

    Args:
        name: What it was loaded by.
        revision: Hub revision, if one was asked for.
        network: The transformers model; its gradients are switched off here.
        tokenizer: Its tokenizer.
        rows: Tokens a chunk of candidates holds at most; chosen by device if None.

    Attributes:
        network: The frozen transformers model.
        tokenizer: Its tokenizer.
    """

    def __init__(
        self,
        name: str,
        revision: str | None,
        network: PreTrainedModel,
        tokenizer: Any,
        rows: int | None = None,
    ) -> None:
        self.name = name
        self.network: Any = network.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self._revision = revision
        self._encoder = FormEncoder(tokenizer)
        self._evaluator = PopulationEvaluator(network, self._encoder, rows)
        self._proved = False
        self._untouched = lru_cache(_UNTOUCHED_KEPT)(partial(self._evaluator.ask, None))
        self._embed: Any = network.get_input_embeddings()
        self.hidden_size = int(self._embed.weight.shape[1])

    @property
    def bos(self) -> int | None:
        """The beginning-of-sequence token that every text starts with, or None."""
        return self._encoder.bos

    def provenance(self) -> dict[str, str]:
        """See `AnswerModel.provenance`. Hashes all weights: seconds a gigabyte."""
        commit = getattr(self.network.config, "_commit_hash", None)
        return {
            "name": self.name,
            "revision": commit or self._revision or "",
            "weights_hash": self.weights_hash(),
            "dtype": str(self.network.dtype).removeprefix("torch."),
            "device": str(self.network.device),
            "licence": LICENCE if self.name == "embedded" else "see the model's own card",
        }

    def weights_hash(self) -> str:
        """SHA-256 over the names and bytes of all parameters."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.network.named_parameters()):
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy())
        return digest.hexdigest()

    def encode(self, form: Form) -> EncodedForm:
        """A form's tokens and its options' answer tokens."""
        return self._encoder.encode(form)

    def encode_text(self, text: str) -> tuple[int, ...]:
        """A guard text's tokens."""
        return self._encoder.encode_text(text)

    @torch.inference_mode()
    def embedding_scale(self) -> float:
        """See `AnswerModel.embedding_scale`. From the layer's output: Gemma scales it there."""
        ids = torch.arange(0, self._embed.weight.shape[0], 16, device=self.network.device)
        return float(self._embed(ids).float().std())

    @torch.inference_mode()
    def embed_ids(self, ids: Sequence[int]) -> Float[np.ndarray, "token hidden"]:
        """The embedding layer's output for token ids."""
        tensor = torch.tensor(list(ids), dtype=torch.int64, device=self.network.device)
        return self._embed(tensor).float().cpu().numpy()

    def embed_text(self, text: str) -> Float[np.ndarray, "token hidden"]:
        """See `AnswerModel.embed_text`."""
        return self.embed_ids(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def embed_random_tokens(
        self, count: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "count hidden"]:
        """See `AnswerModel.embed_random_tokens`."""
        special: set[int] = set(self.tokenizer.all_special_ids)
        ordinary = [i for i in range(len(self.tokenizer)) if i not in special]
        return self.embed_ids([int(token) for token in rng.choice(ordinary, size=count)])

    def ask(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"] | None,
        query: Query,
    ) -> Answers:
        """See `AnswerModel.ask`.

        Raises:
            UsageError: The prompts are of another width than the model's, or the placement needs a
                beginning-of-sequence token that the model does not have.
            FailureError: This kind of model cannot be run our way (found out at the first call).
        """
        self._check(None if prompts is None else int(prompts.shape[2]), query.placement)
        if prompts is not None:
            return self._evaluator.ask(prompts, query)
        # The weights are frozen: every cell of an experiment compares with the same untouched answers.
        return self._untouched(query)

    def chunk(
        self,
        virtual_tokens: int,
        query: Query,
        *,
        gradient: bool = False,
    ) -> int:
        """See `ChunkedModel.chunk`.

        Raises:
            UsageError: As `ask`.
            FailureError: As `ask`.
        """
        self._check(None, query.placement)
        return self._evaluator.chunk(virtual_tokens, query, gradient)

    def ask_with_gradient(
        self,
        prompts: Float[np.ndarray, "candidate token hidden"],
        query: Query,
    ) -> tuple[Answers, Backward]:
        """See `DifferentiableModel.ask_with_gradient`.

        Raises:
            UsageError: As `ask`.
            FailureError: As `ask`.
        """
        self._check(int(prompts.shape[2]), query.placement)
        return self._evaluator.ask_with_gradient(prompts, query)

    def _check(self, width: int | None, placement: Placement) -> None:
        """Refuses what this model cannot be asked; proves the first time that it is run rightly."""
        if width is not None and width != self.hidden_size:
            raise UsageError(
                f"the soft prompt is {width} wide, {self.name} needs {self.hidden_size}",
                "A soft prompt works only on the model it was tuned on.",
            )
        if placement == "after-bos" and self._encoder.bos is None:
            raise UsageError(
                f"{self.name} starts no text with a beginning-of-sequence token",
                "Use --placement front.",
            )
        if not self._proved:
            prove(self.name, self.network, self._encoder, self._evaluator)
            self._proved = True

    @torch.inference_mode()
    def continue_text(
        self,
        text: str,
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
        max_tokens: int = 40,
    ) -> str:
        """See `AnswerModel.continue_text`."""
        ids = torch.tensor([self.encode_text(text)], device=self.network.device)
        rows = self._embed(ids)
        if prompt is not None:
            at = {"front": 0, "after-bos": 1, "before-answer": rows.shape[1]}[placement]
            virtual = torch.from_numpy(np.asarray(prompt, np.float32)).to(rows)[None]
            rows = torch.cat([rows[:, :at], virtual, rows[:, at:]], dim=1)
        with _quiet():
            made = self.network.generate(
                inputs_embeds=rows,
                attention_mask=torch.ones(rows.shape[:2], dtype=torch.int64, device=rows.device),
                max_new_tokens=max_tokens,
                do_sample=False,
            )
        return str(self.tokenizer.decode(made[0], skip_special_tokens=True))

    def generate_answers(
        self,
        forms: Sequence[Form],
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
        max_tokens: int = 12,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """See `GeneratingModel.generate_answers`.

        Raises:
            UsageError: As `ask`.
            FailureError: As `ask`.
        """
        self._check(None if prompt is None else int(prompt.shape[1]), placement)
        writer = AnswerWriter(self.network, self.tokenizer, self._encoder)
        return writer.write(forms, prompt, placement, max_tokens, seed)

    def read_texts(
        self,
        texts: Sequence[str],
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
    ) -> tuple[TextReading, ...]:
        """See `ProseModel.read_texts`.

        Raises:
            UsageError: As `ask`.
            FailureError: As `ask`.
        """
        self._check(None if prompt is None else int(prompt.shape[1]), placement)
        return self._evaluator.read_texts(texts, prompt, placement)

    def reply(
        self,
        questions: Sequence[str],
        prompt: Float[np.ndarray, "token hidden"] | None = None,
        *,
        placement: Placement = "front",
        max_tokens: int = 60,
    ) -> tuple[str, ...]:
        """See `ProseModel.reply`.

        Raises:
            UsageError: As `ask`.
            FailureError: As `ask`.
        """
        self._check(None if prompt is None else int(prompt.shape[1]), placement)
        writer = AnswerWriter(self.network, self.tokenizer, self._encoder)
        return writer.reply(questions, prompt, placement, max_tokens)


def resolve_device(asked: str) -> torch.device:
    """The device of a name; "auto" is a GPU where there is one."""
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
        torch.empty(1, device=device)
    except Exception as error:
        raise UsageError(
            f"device {asked!r} is not available here", "Use auto, cpu or cuda."
        ) from error
    return device


def resolve_dtype(asked: str, device: torch.device) -> torch.dtype:
    """The precision of a name; "auto" is bfloat16 where the device multiplies it fast."""
    if asked != "auto":
        known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
        if asked not in known:
            raise UsageError(f"unknown dtype {asked!r}", f"Use auto, {', '.join(known)}.")
        return known[asked]
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def _load_error(name: str | Path, revision: str | None, error: Exception) -> AcculturateError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "trust_remote_code" in str(error):
        return UsageError(
            f"{name} needs Python code of its own from the hub",
            "Read that code first; then pass --trust-remote-code.",
        )
    if isinstance(error, OSError):
        shown = f"{name}@{revision}" if revision else str(name)
        return UsageError(
            f"no usable model {shown!r}: {first}",
            f"{_MODELS} A gated model needs `hf auth login`.",
        )
    return FailureError(
        f"{name} could not be loaded: {first.removesuffix(':')}",
        "Check that it is a causal language model, complete and with its tokenizer.",
    )


@contextmanager
def _quiet() -> Generator[None]:
    """Silences transformers' own bars and hints; ours are the ones a user sees."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
