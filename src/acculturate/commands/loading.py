"""Loading the model that a command asks, and the country table that it compares with."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import acculturate as ac
from acculturate import terminal
from acculturate.commands.options import read_anchor
from acculturate.errors import UsageError

if TYPE_CHECKING:
    from acculturate.model import AnswerModel, Chat, LanguageModel
    from acculturate.model.remote.patience import Patience
    from acculturate.serving import Variant
    from acculturate.survey import Country, CountryTable, Instrument, Scoring


def check_server(extra: str) -> None:
    """Refuse to serve without the packages of an extra.

    Raises:
        UsageError: One is not installed.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise UsageError(
            "a server needs starlette and uvicorn", f"pip install 'acculturate[{extra}]'"
        )


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


@contextmanager
def asking(model: AnswerModel) -> Generator[None]:
    """Say at Ctrl-C that what a model behind an endpoint answered is kept."""
    from acculturate.model.remote.model import RemoteModel

    try:
        yield
    except KeyboardInterrupt:
        if isinstance(model, RemoteModel):
            terminal.say("Stopped. What was answered is kept: the same command goes on from there.")
        raise


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
    runs: Sequence[ac.Run],
    model: str | None,
    device: str,
    trust_remote_code: bool,
    dtype: str = "auto",
) -> tuple[LanguageModel, dict[str, Variant]]:
    """Load the model of finished runs, and return it with its variants by name.

    Args:
        runs: The runs.
        model: Name or path of the model; the runs' own if None.
        device: As in the options.
        trust_remote_code: As in the options.
        dtype: As in the options; that of the runs if it is "auto".

    Raises:
        UsageError: The model writes no text, or is not that of the runs.
    """
    from acculturate import serving
    from acculturate.evaluation.evaluate import made_with

    made = made_with(runs[0], model) if runs else (model or "", None, "auto", "auto")
    name, revision, own, chat = made
    precision = own if dtype == "auto" else dtype
    answering = load_local(name, revision, precision, device, trust_remote_code, chat)
    return answering, serving.load_variants(answering, runs)


def load_local(
    name: str, revision: str | None, dtype: str, device: str, trust_remote_code: bool, chat: Chat
) -> LanguageModel:
    """Load a model whose files are here.

    Raises:
        UsageError: It is served elsewhere, or is the fake model.
    """
    from acculturate.model import LanguageModel
    from acculturate.model.load import is_remote

    if is_remote(name):
        raise UsageError(
            f"{name} is served elsewhere, and this needs a model whose files are here",
            "Give --model its folder or hub name, and --any-model for runs that were tuned over an endpoint.",
        )
    answering = load(name, revision, dtype, device, trust_remote_code, chat)
    if not isinstance(answering, LanguageModel):
        raise UsageError(f"{answering.name} writes no text", "Give a language model.")
    return answering


def load_table(name: str, instrument: Instrument | None = None) -> CountryTable:
    """Load the country table of the options, and say what is doubtful about it."""
    table = ac.load_countries(name)
    say_warnings(table.warnings if instrument is None else table.warnings_for(instrument))
    return table


def load_survey(instrument: str, table: str | None) -> tuple[Instrument, CountryTable]:
    """Load the instrument and the country table of the options; without one, that of the instrument."""
    from acculturate.survey.countries import default_table

    survey = ac.load_instrument(instrument)
    if table is None:
        own = default_table(survey, None)
        table = own.key if own else "hofstede-insights"
    return survey, load_table(table, survey)


def read_scoring(survey: Instrument, settings: Mapping[str, Any]) -> Scoring:
    """Return the scoring of the options."""
    anchor = read_anchor(settings["anchor"])
    return ac.Scoring(survey, anchor, settings["aggregate"], settings["variant"])


def load_scored(
    instrument: str, table: str | None, country: str | None, settings: Mapping[str, Any]
) -> tuple[Scoring, CountryTable, Country | None]:
    """Load the questionnaire of the options with its scoring, the country table, and the country.

    Of a country without some scores, the questionnaire is the part that it has them on, which is said.
    """
    survey, countries = load_survey(instrument, table)
    scoring = read_scoring(survey, settings)
    if country is None:
        return scoring, countries, None
    target = countries[country]
    scoring = scoring.towards(target)
    part = scoring.instrument
    target.vector(part)  # refuses scores of another size
    say_warnings(part.warnings[-1:] if part.left_out else ())
    return scoring, countries, target


def say_warnings(warnings: Iterable[str]) -> None:
    """Print warnings on standard error."""
    for warning in warnings:
        terminal.say(f"Warning: {warning}")
