"""Surveys as data: instruments, the forms that put their items, scoring, and country scores."""

from acculturate.survey.context import Context, Demonstrations, Line
from acculturate.survey.countries import (
    Country,
    CountryTable,
    load_countries,
    table_names,
)
from acculturate.survey.country_names import country_name, find_name
from acculturate.survey.forms import (
    Example,
    Form,
    LabelKind,
    all_forms,
    crossed_forms,
    fingerprint,
    telling,
    with_line,
)
from acculturate.survey.instrument import (
    Dimension,
    Instrument,
    instrument_names,
    instrument_template,
    load_instrument,
)
from acculturate.survey.respondents import Respondents, read_respondents
from acculturate.survey.scoring import Reading, Scoring, item_means, item_values
from acculturate.survey.selection import balanced_forms, draw_forms, select_forms

__all__ = [
    "Context",
    "Country",
    "CountryTable",
    "Demonstrations",
    "Dimension",
    "Example",
    "Form",
    "Instrument",
    "LabelKind",
    "Line",
    "Reading",
    "Respondents",
    "Scoring",
    "all_forms",
    "balanced_forms",
    "country_name",
    "crossed_forms",
    "draw_forms",
    "find_name",
    "fingerprint",
    "instrument_names",
    "instrument_template",
    "item_means",
    "item_values",
    "load_countries",
    "load_instrument",
    "read_respondents",
    "select_forms",
    "table_names",
    "telling",
    "with_line",
]
