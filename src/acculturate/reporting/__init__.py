"""A run directory -> one HTML file, and a run directory as checked data."""

from acculturate.reporting.report import render_report, write_report
from acculturate.runs.reader import read_run
from acculturate.runs.records import Run

__all__ = ["Run", "read_run", "render_report", "write_report"]
