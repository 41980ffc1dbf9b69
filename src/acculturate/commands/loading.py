"""Loading the model that a command asks, and the country table that it compares with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import acculturate as ac
from acculturate import terminal

if TYPE_CHECKING:
    from acculturate.model import AnswerModel, Chat
    from acculturate.model.remote.patience import Patience
    from acculturate.survey import CountryTable, Instrument


def load(
    name: str,
    revision: str | None,
    dtype: str,
    device: str,
    trust_remote_code: bool,
    chat: Chat,
    patience: Patience | None = None,
) -> AnswerModel:
    """Load the model of the options."""
    return ac.load_model(
        name,
        revision=revision,
        dtype=dtype,
        device=device,
        trust_remote_code=trust_remote_code,
        chat=chat,
        patience=patience,
    )


def say_asked(model: AnswerModel) -> None:
    """Say what a model behind an endpoint was asked, and what a reader of its answers has to know."""
    from acculturate.model.remote.model import RemoteModel

    if isinstance(model, RemoteModel):
        say_warnings(model.tally.sentences)
        sent, tokens = model.transport.sent, model.transport.tokens
        terminal.say(
            f"{sent:,} requests were sent, with {tokens:,} tokens; known answers cost nothing."
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
