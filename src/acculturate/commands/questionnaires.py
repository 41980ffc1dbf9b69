"""Data that comes with the package: `acculturate countries`, `forms` and `instrument`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from acculturate import display
from acculturate.commands.options import InstrumentOption, JsonOption, LabelsOption, TableOption
from acculturate.commands.shared import print_json

instrument_app = typer.Typer(help="Questionnaires.", no_args_is_help=True)


def countries(
    name: Annotated[str | None, typer.Argument(help="One country; all if left out.")] = None,
    table: TableOption = "hofstede-insights",
    as_json: JsonOption = False,
) -> None:
    """Show published country scores."""
    import acculturate as ac

    read = ac.load_countries(table)
    shown = list(read.countries) if name is None else [read[name]]
    if as_json:
        about = {"key": read.key, "title": read.title, "source": read.source, "terms": read.terms}
        print_json({"table": about, "countries": [_plain(asdict(c)) for c in shown]})
    else:
        display.show_countries(read, shown)


def forms(
    instrument: InstrumentOption = "vsm13",
    split: Annotated[
        Literal["all", "tuning", "held-out"], typer.Option(help="Split of the forms.")
    ] = "all",
    language: Annotated[
        list[str] | None, typer.Option(help="Language code; may be repeated [en].")
    ] = None,
    labels: LabelsOption = "digits",
    as_json: JsonOption = False,
) -> None:
    """Print every form that can be asked: item, wording, frame, language, order, split, labels."""
    import acculturate as ac

    survey = ac.load_instrument(instrument)
    chosen = None if split == "all" else split
    shown = ac.all_forms(survey, tuple(language or ("en",)), chosen, labels)
    if as_json:
        print_json([asdict(form) for form in shown])
    else:
        display.show_forms(shown)


@instrument_app.command()
def template(
    name: Annotated[str, typer.Argument(help="Name of a questionnaire.")] = "vsm13",
) -> None:
    """Print a file to fill in with the official formatting."""
    from acculturate.survey.instrument import instrument_template

    print(instrument_template(name), end="")


@instrument_app.command("list")
def list_instruments(as_json: JsonOption = False) -> None:
    """List the questionnaires that come with the package."""
    import acculturate as ac
    from acculturate.survey.instrument import instrument_names

    read = [ac.load_instrument(name) for name in instrument_names()]
    if as_json:
        print_json([{"key": i.key, "title": i.title, "items": len(i.items)} for i in read])
    else:
        for survey in read:
            print(f"{survey.key}: {survey.title}, {len(survey.items)} items")


def _plain(country: dict[str, Any]) -> dict[str, Any]:
    return {**country, "scores": dict(country["scores"])}
