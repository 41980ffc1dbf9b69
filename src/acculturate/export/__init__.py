"""Export of a run: what others can serve, proved by loading it."""

from acculturate.export.export import FormatName, export_prompt
from acculturate.export.multitask import export_multitask

__all__ = ["FormatName", "export_multitask", "export_prompt"]
