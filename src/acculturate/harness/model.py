"""A run's soft prompt in front of everything that lm-evaluation-harness asks.

In: a run directory. Out: `SoftPromptLM`, the harness's own transformers model with virtual tokens in its
context: requests, tokens, batches and stopping are the harness's; what goes through the network is ours.
Positions are those of plain rows: scored rows are padded on the right, and rows that are continued are
not padded at all.
"""

# The harness is an extra, which types are checked with and without.
# pyright: reportMissingImports=false, reportUntypedClassDecorator=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils_hf import stop_sequences_criteria

from acculturate.errors import UsageError
from acculturate.evaluation.evaluate import made_with
from acculturate.model.embedding import input_embedding
from acculturate.model.language_model import LanguageModel
from acculturate.model.load import load_model
from acculturate.runs import Run, check_model

_Base: Any = HFLM


@register_model("acculturate")
class SoftPromptLM(_Base):
    """The model of a finished run under its soft prompt, or untouched.

    Args:
        run: The run directory.
        model: The run's model, if it is elsewhere now.
        untouched: Whether to leave the soft prompt out, for comparison.
        dtype: Precision; the run's own if None, which its weights' hash asks for.
        device: "auto", "cpu", "cuda", "cuda:1", "mps"; where there is no GPU, "cuda" is "auto" as well.
        trust_remote_code: Whether a hub repository may run its own Python code here.
        any_model: Whether to give the soft prompt to another model than the run's.
        max_length: Tokens of the context, the virtual ones and the run's line among them; the model's own if
            None.
        options: Anything else that the harness's transformers model takes, such as `batch_size`.

    Raises:
        UsageError: The run is not finished, its prompt stands before the answer cue, or the model is
            another one or writes no text.
    """

    def __init__(
        self,
        run: str,
        model: str | None = None,
        untouched: bool = False,
        dtype: str | None = None,
        device: str = "auto",
        trust_remote_code: bool = False,
        any_model: bool = False,
        max_length: int | None = None,
        **options: Any,
    ) -> None:
        loaded = Run.load(run, any_model=any_model)
        prompt = loaded.soft_prompt
        if prompt.placement == "before-answer":
            raise UsageError(
                f"the soft prompt of {run} stands before the answer cue, and a harness's texts have none",
                "Tune one with --placement front or after-bos.",
            )
        if prompt.placement == "prefix":
            raise UsageError(
                f"the prefix of {run} stands in every layer, and the harness is given embeddings",
                "Export it with acculturate export, and give the harness --model hf with peft=FOLDER.",
            )
        name, revision, precision, chat = made_with(loaded, model)
        answering = load_model(
            name,
            revision=revision,
            dtype=cast("Any", dtype or precision),
            device=_device(device),
            trust_remote_code=trust_remote_code,
            chat=chat,
        )
        if not isinstance(answering, LanguageModel):
            raise UsageError(
                f"{answering.name} is no language model", "Give a run that was tuned on one."
            )
        check_model(loaded.directory, prompt, answering)
        self._weights_hash = answering.provenance()["weights_hash"]
        self._leading, self._in_front = answering.leading, prompt.placement == "front"
        embeddings = np.array(prompt.embeddings, np.float32)
        self._virtual = torch.from_numpy(embeddings[: 0 if untouched else None]).to(
            answering.network.device
        )
        line = answering.encode_line("" if untouched else prompt.line)
        self._line = torch.tensor(line, dtype=torch.int64, device=answering.network.device)
        self._embed = input_embedding(answering.network)
        self._about = {
            "run": str(loaded.directory),
            "model": answering.name,
            "virtual_tokens": len(self._virtual),
            "placement": prompt.placement,
            "prompt_sha256": None if untouched else prompt.fingerprint,
        }
        super().__init__(
            pretrained=answering.network,
            tokenizer=answering.tokenizer,
            backend="causal",
            revision=revision or "",
            max_length=max_length,
            **options,
        )

    @property
    def max_length(self) -> int:
        """Tokens of text that the context has room for behind the run's own."""
        return int(super().max_length) - self._ahead

    @property
    def tokenizer_name(self) -> str:
        """A name of the tokenizer that is safe in a path; the harness keeps requests by it."""
        made_from = str(self.tokenizer.name_or_path or self._about["model"])
        return "".join(sign if sign.isalnum() else "_" for sign in made_from)

    def get_model_info(self) -> dict[str, Any]:
        """Return what the harness records of a model; no hub is asked."""
        return {
            "model_num_parameters": int(self.model.num_parameters()),
            "model_dtype": str(self.model.dtype),
            "model_revision": self.revision,
            "model_sha": self._weights_hash,
            "acculturate": self._about,
        }

    def _model_call(self, inps: torch.Tensor, **_: Any) -> torch.Tensor:
        """Return the logits behind every token, `[row, token, vocabulary]`; rows are padded on the right.

        Behind the last token in front of the virtual ones the logits are those behind the last virtual
        one: they predict the token that follows in the text.
        """
        with torch.no_grad():
            logits = self.model(inputs_embeds=self._prompted(inps), use_cache=False).logits
            return logits[:, self._ahead :]

    def _model_generate(
        self, context: torch.Tensor, max_length: int, stop: Sequence[str], **given: Any
    ) -> torch.Tensor:
        """Continue rows of the same length together, each without its padding on the left."""
        lengths = given.pop("attention_mask").sum(dim=1)
        temperature, do_sample = given.pop("temperature", 0.0), given.pop("do_sample", None)
        if temperature > 0 and do_sample is not False:
            given |= {"do_sample": True, "temperature": temperature}
        else:
            given["do_sample"] = bool(do_sample)
        pad, room = int(self.tokenizer.pad_token_id), max_length - context.shape[1]
        made = torch.full((len(context), room), pad, device=context.device)
        for length in lengths.unique().tolist():
            rows = torch.nonzero(lengths == length)[:, 0]
            embeddings = self._prompted(context[rows, context.shape[1] - length :])
            mask = torch.ones(embeddings.shape[:2], dtype=torch.int64, device=context.device)
            with torch.no_grad():
                written = self.model.generate(
                    inputs_embeds=embeddings,
                    attention_mask=mask,
                    max_new_tokens=room,
                    stopping_criteria=stop_sequences_criteria(
                        self.tokenizer, list(stop), 0, len(rows)
                    ),
                    pad_token_id=pad,
                    use_cache=True,
                    **given,
                )
            made[rows, : written.shape[1]] = written
        return torch.cat([context, made], dim=1)

    @property
    def _ahead(self) -> int:
        """Number of the run's own tokens, the virtual ones and those of its line."""
        return len(self._virtual) + len(self._line)

    def _prompted(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embed rows with the virtual tokens in them, and the line that these were tuned with.

        The line stands behind the leading tokens, and the virtual ones before it or in front; a later window of
        a long text has no leading tokens, and takes both in front.
        """
        rows, line = self._embed(tokens), self._embed(self._line)
        virtual, line = (each.to(rows).expand(len(rows), -1, -1) for each in (self._virtual, line))
        front = torch.cat([virtual, line, rows], dim=1)
        cut = len(self._leading)
        if not cut or tokens.shape[1] < cut:
            return front
        leading, rest = rows[:, :cut], rows[:, cut:]
        ahead = [virtual, leading] if self._in_front else [leading, virtual]
        behind = torch.cat([*ahead, line, rest], dim=1)
        starts = tokens[:, :cut] == torch.tensor(self._leading, device=tokens.device)
        return torch.where(starts.all(dim=1)[:, None, None], behind, front)


def _device(asked: str) -> str:
    """Take "cuda:0", the default of the harness's command line, for "auto" without a GPU."""
    return "auto" if asked.startswith("cuda") and not torch.cuda.is_available() else asked
