"""`acculturate chat` on a tiny model, as a program for a terminal of its own."""

from __future__ import annotations

from typing import Any

import pytest
from serving_apps import tiny_chat_model, tiny_variants

from acculturate.commands import chat


def on_tiny_model(patch: pytest.MonkeyPatch, model: Any = None) -> None:
    """Let the command load a tiny model with three variants."""
    loaded = model or tiny_chat_model()
    names = "tiny", "tiny+china", "tiny+persona:china"
    variants = {name: tiny_variants(loaded)[name] for name in names}
    patch.setattr(chat, "load_variants", lambda *_: (loaded, variants))
    patch.setattr(chat.ac.Run, "load", lambda *_, **__: None)


if __name__ == "__main__":
    from acculturate.cli import main

    on_tiny_model(pytest.MonkeyPatch())
    main()
