"""A run directory -> one HTML file, and a run directory as checked data."""

from acculturate.reporting.report import render_report, write_report
from acculturate.reporting.run_data import Run
from acculturate.reporting.run_reader import read_run

__all__ = ["Run", "read_run", "render_report", "write_report"]
