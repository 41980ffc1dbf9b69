"""Data that comes with the package: `acculturate countries`, `forms` and `instrument`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

import acculturate as ac
from acculturate import display
from acculturate.commands.options import InstrumentOption, JsonOption, LabelsOption, TableOption
from acculturate.survey import instrument_names, instrument_template

instrument_app = typer.Typer(
    help="List questionnaires, or print one to fill in.", no_args_is_help=True
)


def countries(
    name: Annotated[
        str | None, typer.Argument(help="Name or ISO code of one country; all if left out.")
    ] = None,
    table: TableOption = "hofstede-insights",
    as_json: JsonOption = False,
) -> None:
    """Show published country scores."""
    scores = ac.load_countries(table)
    shown = list(scores.countries) if name is None else [scores[name]]
    about = {key: getattr(scores, key) for key in ("key", "title", "source", "terms")}
    value = {"table": about, "countries": [asdict(country) for country in shown]}
    display.print_result(as_json, value, lambda: display.show_countries(scores, shown))


def forms(
    instrument: InstrumentOption = "vsm13",
    split: Annotated[
        Literal["all", "tuning", "held-out"],
        typer.Option(help="Forms to print: all, or those of one split."),
    ] = "all",
    language: Annotated[
        list[str] | None,
        typer.Option(help="Language code of the forms; may be given several times [en]."),
    ] = None,
    labels: LabelsOption = "digits",
    as_json: JsonOption = False,
) -> None:
    """Print every form in which a questionnaire can be asked.

    A form is an item in one wording, frame, language and option order; each belongs to a split.
    """
    chosen = None if split == "all" else split
    languages = tuple(language or ("en",))
    shown = ac.all_forms(ac.load_instrument(instrument), languages, chosen, labels)
    value = [asdict(form) for form in shown]
    display.print_result(as_json, value, lambda: display.show_forms(shown))


@instrument_app.command()
def template(
    name: Annotated[str, typer.Argument(help="Name of a questionnaire.")] = "vsm13",
) -> None:
    """Print a questionnaire without its texts, to fill in the official ones."""
    print(instrument_template(name), end="")


@instrument_app.command("list")
def list_instruments(as_json: JsonOption = False) -> None:
    """List the questionnaires that come with the package."""
    listed = [
        {"key": instrument.key, "title": instrument.title, "items": len(instrument.items)}
        for instrument in map(ac.load_instrument, instrument_names())
    ]
    lines = ("{key}: {title}, {items} items".format(**entry) for entry in listed)
    display.print_result(as_json, listed, lambda: print(*lines, sep="\n"))
