"""The command line: parses, calls, prints.

Results go to standard output, as a table or with --json as JSON; progress and errors go to standard
error. Exit code 2 for a wrong request, 1 for a failure, 130 after Ctrl-C.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Annotated

import typer

import acculturate
from acculturate import display
from acculturate.commands.evaluate import evaluate
from acculturate.commands.experiment import experiment
from acculturate.commands.measure import measure
from acculturate.commands.options import PanelCommand, with_options
from acculturate.commands.reports import export, figures, relate, report
from acculturate.commands.surveys import countries, forms, list_instruments, template
from acculturate.commands.tune import tune
from acculturate.errors import AcculturateError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
instrument = typer.Typer(help="List questionnaires, or print one to fill in.", no_args_is_help=True)
app.add_typer(instrument, name="instrument")
commands = measure, tune, experiment, evaluate, report, figures, export, relate, countries, forms
for command in commands:
    app.command(cls=PanelCommand)(with_options(command))
instrument.command(cls=PanelCommand)(with_options(template))
instrument.command("list", cls=PanelCommand)(with_options(list_instruments))


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Measure the cultural values a language model shows, and move them without touching a weight."""
    if version:
        print(acculturate.__version__)
        raise typer.Exit


_PLAIN = "acculturate.plain"
_IN_ASCII = str.maketrans("−–’“”\N{NO-BREAK SPACE}", '--\'"" ')


def _write_plainly(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII for what an output's encoding lacks: signs that are like it, numbers of all others."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end].translate(_IN_ASCII)
    return lacking.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(_PLAIN, _write_plainly)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error becomes one message and an exit code, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        for argument in given:
            if argument != argument.encode(errors="ignore").decode():
                raise UsageError(f"the argument {argument!a} is not UTF-8 text", "Rename the file.")
        try:
            app(args=given, prog_name="acculturate")
        finally:
            sys.stdout.flush()
    except AcculturateError as error:
        display.say(f"Error: {error}", "bold red")
        if error.hint:
            display.say(error.hint)
        sys.exit(error.exit_code)
    except OSError as error:
        # What is left in the buffer of a broken or full output would fail once more at exit.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            display.say(f"Error: cannot write the output: {error.strerror or error}", "bold red")
            display.say("Check where it goes and that there is space.")
        sys.exit(1)
