"""The command line: parses, calls, prints.

Results go to standard output, as a table or with --json as JSON; progress and errors go to standard
error. Exit code 2 for a wrong request, 1 for a failure; 130 after Ctrl-C, 143 after SIGTERM and 129 after
SIGHUP, which end it in the same way.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from acculturate.commands.chat import chat
from acculturate.commands.check import check
from acculturate.commands.compare import compare
from acculturate.commands.doctor import doctor
from acculturate.commands.evaluate import evaluate
from acculturate.commands.experiment import experiment
from acculturate.commands.measure import measure
from acculturate.commands.options import PanelCommand, PanelGroup, with_options
from acculturate.commands.rate import prepare, rating_report, serve_rating
from acculturate.commands.reports import export, figures, relate, report
from acculturate.commands.score import score
from acculturate.commands.serve import serve
from acculturate.commands.surveys import countries, forms, list_instruments, template
from acculturate.commands.tune import tune
from acculturate.errors import FailureError, UsageError
from acculturate.process import as_known, installed_versions, stop_signals
from acculturate.progress_bars import show_progress
from acculturate.terminal import say_error, standard_streams

app = typer.Typer(
    cls=PanelGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
instrument = typer.Typer(help="List questionnaires, or print one to fill in.", no_args_is_help=True)
rate = typer.Typer(help="Let people judge answers blind, pair by pair.", no_args_is_help=True)
panels = {
    "Measure": (measure, compare, check, score),
    "Tune": (tune, experiment, evaluate),
    "Results": (report, figures, relate),
    "Use": (export, chat, serve),
    "Look up": (countries, forms, doctor),
}
for panel, commands in panels.items():
    for command in commands:
        app.command(cls=PanelCommand, rich_help_panel=panel)(with_options(command))
app.add_typer(rate, name="rate", rich_help_panel="Use")
app.add_typer(instrument, name="instrument", rich_help_panel="Look up")
instrument.command(cls=PanelCommand)(with_options(template))
instrument.command("list", cls=PanelCommand)(with_options(list_instruments))
rate.command(cls=PanelCommand)(with_options(prepare))
rate.command("serve", cls=PanelCommand)(with_options(serve_rating))
rate.command("report", cls=PanelCommand)(with_options(rating_report))


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the versions that matter.")
    ] = False,
) -> None:
    """Measure how a language model answers surveys of values; move its answers without touching a weight."""
    if version:
        known = installed_versions().items()
        print(*(f"{name} {found}" for name, found in known if found), sep="\n")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error becomes one message and an exit code, never a traceback."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    code: object = 0
    show_progress()
    with standard_streams(), stop_signals() as received:
        try:
            _run(given)
        except SystemExit as end:
            code = end.code
        except KeyboardInterrupt:
            code = 130
        except Exception as error:
            known = as_known(error, given)
            say_error(known)
            code = known.exit_code
    if code == 130 and received:
        code = 128 + received[0]
    sys.exit(code)


def _run(given: Sequence[str]) -> None:
    if sys.stdout is None:
        raise FailureError("standard output is closed", "Send it to a file, or to /dev/null.")
    for argument in given:
        if argument != argument.encode(errors="ignore").decode():
            raise UsageError(f"the argument {argument!a} is not UTF-8 text", "Rename the file.")
    try:
        app(args=given, prog_name="acculturate")
    finally:
        sys.stdout.flush()
