"""Data that comes with the package: `acculturate countries`, `forms` and `instrument`."""

from __future__ import annotations

from dataclasses import asdict

import acculturate as ac
from acculturate import display
from acculturate.commands.loading import load_table
from acculturate.commands.options import Split
from acculturate.survey import LabelKind, instrument_names, instrument_template


def countries(
    name: str | None = None, *, table: str = "hofstede-insights", as_json: bool = False
) -> None:
    """Show published country scores.

    Options:
        name: Name or ISO code of one country; all if left out.
        table: Table of country scores: its name, or a CSV file of country,pdi,idv,... and a line a country.
    """
    scores = load_table(table)
    shown = list(scores.countries) if name is None else [scores[name]]
    about = {key: getattr(scores, key) for key in ("key", "title", "source", "terms")}
    value = {"table": about, "countries": [asdict(country) for country in shown]}
    display.print_result(as_json, value, lambda: display.show_countries(scores, shown))


def forms(
    *,
    instrument: str = "vsm13",
    split: Split = "all",
    language: list[str] | None = None,
    labels: LabelKind = "words",
    as_json: bool = False,
) -> None:
    """Print every form in which a questionnaire can be asked.

    A form is an item in one wording, frame, language and option order; each is for tuning or held out from it.

    Options:
        split: Forms to print: all, those for tuning, or those held out from it.
        language: Language code of the forms; may be given several times [en].
    """
    chosen = None if split == "all" else split
    languages = tuple(language or ("en",))
    shown = ac.all_forms(ac.load_instrument(instrument), languages, chosen, labels)
    value = [asdict(form) for form in shown]
    display.print_result(as_json, value, lambda: display.show_forms(shown))


def template(name: str = "vsm13", *, language: list[str] | None = None) -> None:
    """Print a questionnaire with blank texts to fill in.

    Items, scales and formulas are there; labels and wordings, such as the official ones, are yours to write.

    Options:
        name: Name of a questionnaire.
        language: Language code of the texts, any; may be given several times [en].
    """
    print(instrument_template(name, *dict.fromkeys(language or ())), end="")


def list_instruments(*, as_json: bool = False) -> None:
    """List the questionnaires that come with the package."""
    listed = [
        {"key": instrument.key, "title": instrument.title, "items": len(instrument.items)}
        for instrument in map(ac.load_instrument, instrument_names())
    ]
    lines = ("{key}: {title}, {items} items".format(**entry) for entry in listed)
    display.print_result(as_json, listed, lambda: print(*lines, sep="\n"))
