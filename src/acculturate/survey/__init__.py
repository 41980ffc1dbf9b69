"""Surveys as data: instruments, the forms that put their items, scoring, and country scores."""

from acculturate.survey.countries import (
    Country,
    CountryTable,
    country_name,
    load_countries,
    table_names,
)
from acculturate.survey.forms import (
    ORDERS,
    Form,
    LabelKind,
    Order,
    all_forms,
    balanced_forms,
    crossed_forms,
    draw_forms,
    fingerprint,
    forms_asked_once,
    with_line,
)
from acculturate.survey.instrument import (
    Aggregate,
    Dimension,
    Instrument,
    Item,
    Scale,
    instrument_names,
    instrument_template,
    load_instrument,
)
from acculturate.survey.language import Frame, LanguageText, Split
from acculturate.survey.scoring import Anchor, Reading, Scoring, item_means, item_values

__all__ = [
    "ORDERS",
    "Aggregate",
    "Anchor",
    "Country",
    "CountryTable",
    "Dimension",
    "Form",
    "Frame",
    "Instrument",
    "Item",
    "LabelKind",
    "LanguageText",
    "Order",
    "Reading",
    "Scale",
    "Scoring",
    "Split",
    "all_forms",
    "balanced_forms",
    "country_name",
    "crossed_forms",
    "draw_forms",
    "fingerprint",
    "forms_asked_once",
    "instrument_names",
    "instrument_template",
    "item_means",
    "item_values",
    "load_countries",
    "load_instrument",
    "table_names",
    "with_line",
]
