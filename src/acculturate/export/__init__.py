"""Export of a run: an adapter that others can serve."""

from acculturate.export.peft import adapter_rows, export_peft

__all__ = ["adapter_rows", "export_peft"]
