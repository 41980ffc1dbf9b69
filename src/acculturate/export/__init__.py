"""Export of a run: what others can serve, proved by loading it."""

from acculturate.export.export import FormatName, export_prompt

__all__ = ["FormatName", "export_prompt"]
