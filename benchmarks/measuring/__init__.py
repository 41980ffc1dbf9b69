"""What the benchmark scripts measure with; not part of the package."""

from typing import get_args

from acculturate.model.soft_prompt import Placement

EMBEDDED: tuple[Placement, ...] = tuple(p for p in get_args(Placement) if p != "prefix")
"""Placements of soft prompts that are embeddings, which plain transformers can be given too."""
