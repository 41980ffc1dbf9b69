"""Models by name: a real one, or the fake."""

from __future__ import annotations

import re
from pathlib import Path

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.formatting import short, visible
from acculturate.model.answers import AnswerModel, Chat
from acculturate.model.fake import FakeModel
from acculturate.model.remote.patience import Patience
from acculturate.progress import task


def is_remote(name: object) -> bool:
    """Return whether a name is that of a model behind an endpoint."""
    return isinstance(name, str) and re.match(r"openai(@\w*)?:", name) is not None


@checked
def load_model(
    name: str | Path,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    chat: Chat = "auto",
    embeddings: str | None = None,
    patience: Patience | None = None,
) -> AnswerModel:
    """Load a model and freeze it.

    Args:
        name: "embedded" (Gemma 3 270M from the package index), a Hugging Face hub name, a local
            folder, a GGUF file, a PEFT adapter's name or folder, which is merged into its base,
            "openai:BASE_URL#NAME" for one behind an endpoint, or "fake" for a formula with a known optimum.
        revision: Branch, tag or commit of a hub name.
        dtype: Precision: "float32", "bfloat16", "float16", or "auto", which takes bfloat16 where the
            processor or GPU computes in it, else float32.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto", which takes a GPU where there is one.
        trust_remote_code: Whether a hub repository may run its own Python code here.
        chat: "template" shows forms in the model's chat template, "none" as plain text; "auto" uses a
            template where there is one.
        embeddings: Folder or name of the model that an endpoint serves, for soft prompts: its tokenizer and
            embeddings are read from there. The endpoint has to take `prompt_embeds`.
        patience: Limits to what an endpoint is asked and waited for.

    Raises:
        UsageError: There is no such model, it is no decoder, a package it needs is not installed, or its
            chat template is missing or unusable.
        FailureError: It is there and cannot be loaded, or lacks weights that its network needs.
    """
    if embeddings is not None and not is_remote(name):
        raise UsageError(
            f"{name} has its own embeddings", "Give --embeddings with openai:BASE_URL#NAME."
        )
    if name == "fake":
        if chat == "template":
            raise UsageError("the fake model has no chat template", "Use --chat auto or none.")
        return FakeModel()
    if is_remote(name):
        from acculturate.model.remote.model import RemoteModel

        if revision is not None:
            raise UsageError("an endpoint has no revisions", "Leave --revision out.")
        with task("asking what the endpoint can do"):
            if embeddings is None:
                return RemoteModel.open(str(name), chat, patience)
            from acculturate.model.remote.promptable import PromptableModel

            return PromptableModel.load(str(name), embeddings, dtype, chat, patience)
    if re.match(r"(?i)(https?|openai)(@\w*)?:", str(name)):
        raise UsageError(
            f"{visible(short(str(name), 200))} is no name of a model",
            "Write openai:BASE_URL#NAME for one behind an endpoint.",
        )
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
