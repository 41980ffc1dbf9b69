"""Loading the model that a command asks, and the country table that it compares with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import acculturate as ac
from acculturate import terminal

if TYPE_CHECKING:
    from acculturate.model import AnswerModel, Chat
    from acculturate.survey import CountryTable, Instrument


def load(
    name: str,
    revision: str | None,
    dtype: str,
    device: str,
    trust_remote_code: bool,
    chat: Chat,
) -> AnswerModel:
    """Load the model of the options."""
    return ac.load_model(
        name,
        revision=revision,
        dtype=dtype,
        device=device,
        trust_remote_code=trust_remote_code,
        chat=chat,
    )


def load_table(name: str, instrument: Instrument | None = None) -> CountryTable:
    """Load the country table of the options, and say what is doubtful about it."""
    table = ac.load_countries(name)
    say_warnings(table.warnings if instrument is None else table.warnings_for(instrument))
    return table


def load_survey(instrument: str, table: str) -> tuple[Instrument, CountryTable]:
    """Load the instrument and the country table of the options."""
    survey = ac.load_instrument(instrument)
    return survey, load_table(table, survey)


def say_warnings(warnings: Iterable[str]) -> None:
    """Print warnings on standard error."""
    for warning in warnings:
        terminal.say(f"Warning: {warning}")
