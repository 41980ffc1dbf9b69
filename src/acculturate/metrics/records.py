"""Results as plain data."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    """A result that can be written as JSON."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as dictionaries, lists and numbers."""
        return asdict(self)
