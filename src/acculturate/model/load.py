"""Models by name: a real one, or the fake."""

from __future__ import annotations

from pathlib import Path

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.model.answers import AnswerModel, Chat
from acculturate.model.fake import FakeModel
from acculturate.progress import task


@checked
def load_model(
    name: str | Path,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    chat: Chat = "auto",
) -> AnswerModel:
    """Load a model and freeze it.

    Args:
        name: "embedded" (Gemma 3 270M from the package index), a Hugging Face hub name, a local
            folder, a GGUF file, a PEFT adapter's name or folder, which is merged into its base, or "fake"
            for a formula with a known optimum.
        revision: Branch, tag or commit of a hub name.
        dtype: Precision: "float32", "bfloat16", "float16", or "auto", which takes bfloat16 where the
            processor or GPU computes in it, else float32.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto", which takes a GPU where there is one.
        trust_remote_code: Whether a hub repository may run its own Python code here.
        chat: "template" shows forms in the model's chat template, "none" as plain text; "auto" uses a
            template where there is one.

    Raises:
        UsageError: There is no such model, it is no decoder, a package it needs is not installed, or its
            chat template is missing or unusable.
        FailureError: It is there and cannot be loaded, or lacks weights that its network needs.
    """
    if name == "fake":
        if chat == "template":
            raise UsageError("the fake model has no chat template", "Use --chat auto or none.")
        return FakeModel()
    from acculturate.model.pretrained import load_language_model

    with task("loading the model") as at:
        return load_language_model(
            name,
            revision=revision,
            dtype=dtype,
            device=device,
            trust_remote_code=trust_remote_code,
            chat=chat,
            progress=at.rename,
        )
