"""A run directory -> one HTML file, and a run directory as checked data."""

from acculturate.reporting.report import render_report, write_report
from acculturate.runs import RunRecords, read_run

__all__ = ["RunRecords", "read_run", "render_report", "write_report"]
