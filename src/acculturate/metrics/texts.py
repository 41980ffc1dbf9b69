"""Ordinary texts of our own and everyday questions, on which side effects are measured: data/texts.toml."""

import tomllib
from pathlib import Path
from typing import Any

_TEXTS: dict[str, Any] = tomllib.loads(
    (Path(__file__).parent / "data" / "texts.toml").read_text("utf-8")
)

TUNING_TEXTS: tuple[str, ...] = tuple(_TEXTS["tuning"])
"""Texts on which a search may see what a soft prompt does."""
HELD_OUT_TEXTS: tuple[str, ...] = tuple(_TEXTS["held_out"])
"""Texts that no search sees."""
OPENINGS: tuple[str, ...] = tuple(_TEXTS["openings"])
"""Beginnings whose continuations a report shows."""
SENTENCES: dict[str, tuple[str, ...]] = {
    "en": HELD_OUT_TEXTS,
    **{code: tuple(texts) for code, texts in _TEXTS["sentences"].items()},
}
"""The held-out texts in every language."""
TUNING_PASSAGES: tuple[str, ...] = tuple(text.strip() for text in _TEXTS["passages_tuning"])
"""English texts of 100 tokens and more, of several registers, on which a search may see what it does."""
HELD_OUT_PASSAGES: tuple[str, ...] = tuple(text.strip() for text in _TEXTS["passages_held_out"])
"""Others of the same registers, which no search sees."""
GUARD_QUESTIONS: tuple[str, ...] = tuple(_TEXTS["guard_questions"])
"""Everyday questions whose answers, by the untouched model, a search may see."""
QUESTIONS: tuple[str, ...] = tuple(_TEXTS["questions"])
"""Everyday questions."""
