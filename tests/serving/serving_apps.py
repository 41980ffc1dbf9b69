"""A tiny model behind the API, and a real server of it on a port of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import uvicorn

from acculturate.model import LanguageModel, SoftPrompt
from acculturate.serving import Variant, build_app, open_socket
from tiny_models import CHAT_TEMPLATE, tiny_network, tiny_tokenizer


def tiny_chat_model(chat_template: str | None = None) -> LanguageModel:
    return LanguageModel(
        "tiny", None, tiny_network("llama"), tiny_tokenizer(chat_template=chat_template)
    )


def tuned(model: LanguageModel, name: str, seed: int, placement: Any = "after-bos") -> Variant:
    embeddings = np.random.default_rng(seed).normal(size=(4, 32)).astype(np.float32)
    return Variant(f"tiny+{name}", "China", SoftPrompt(embeddings, placement, "tiny"))


def tiny_variants(model: LanguageModel) -> dict[str, Variant]:
    line = "Answer as a person from China would."
    persona = SoftPrompt(model.embed_text(f"{line}\n"), "after-bos", "tiny")
    variants = [
        Variant("tiny"),
        tuned(model, "china", 0),
        tuned(model, "spain", 1, "front"),
        tuned(model, "late", 2, "before-answer"),
        Variant("tiny+persona:china", "China", persona, line),
    ]
    return {variant.name: variant for variant in variants}


@contextlib.contextmanager
def server(app: Any) -> Iterator[str]:
    """Serve an app on a free port while the body runs, and give its address."""
    listening = open_socket("127.0.0.1", 0)
    running = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on")
    )
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    ends = time.monotonic() + 60
    while not running.started and time.monotonic() < ends:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(30)
        listening.close()


__all__ = ["CHAT_TEMPLATE", "build_app", "server", "tiny_chat_model", "tiny_variants", "tuned"]
