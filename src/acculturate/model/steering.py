"""The steering vector: what is added to the states behind one layer of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from acculturate.survey.forms import Form


@dataclass(frozen=True)
class SteeringVector:
    """A direction in the states of one layer, added at every token (A. Turner et al. 2023, arXiv 2308.10248).

    Attributes:
        layer: 0-based index of the layer whose output it is added to.
        direction: The direction, as wide as the states.
        strength: Its multiple that is added.
    """

    layer: int
    direction: tuple[float, ...]
    strength: float

    def before(self, forms: Sequence[Form]) -> tuple[Form, ...]:
        """Return the same forms: nothing stands in front of them."""
        return tuple(forms)
