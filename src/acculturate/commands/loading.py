"""Loading the model that a command asks, and the country table that it compares with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import acculturate as ac
from acculturate import terminal
from acculturate.errors import UsageError

if TYPE_CHECKING:
    from acculturate.model import AnswerModel, Chat, LanguageModel
    from acculturate.model.remote.patience import Patience
    from acculturate.serving import Variant
    from acculturate.survey import CountryTable, Instrument


def load(
    name: str,
    revision: str | None,
    dtype: str,
    device: str,
    trust_remote_code: bool,
    chat: Chat,
    embeddings: str | None = None,
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
        embeddings=embeddings,
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


def load_variants(
    runs: Sequence[ac.Run], model: str | None, device: str, trust_remote_code: bool
) -> tuple[LanguageModel, dict[str, Variant]]:
    """Load the model of finished runs, and return it with its variants by name.

    Args:
        runs: The runs.
        model: Name or path of the model; the runs' own if None.
        device: As in the options.
        trust_remote_code: As in the options.

    Raises:
        UsageError: The model writes no text, or is not that of the runs.
    """
    from acculturate import serving
    from acculturate.evaluation.evaluate import made_with
    from acculturate.model import LanguageModel

    name, revision, dtype, chat = made_with(runs[0]) if runs else ("", None, "auto", "auto")
    answering = load(model or name, revision, dtype, device, trust_remote_code, chat)
    if not isinstance(answering, LanguageModel):
        raise UsageError(f"{answering.name} writes no text", "Give a language model.")
    return answering, serving.load_variants(answering, runs)


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
