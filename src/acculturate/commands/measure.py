"""`acculturate measure`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

import acculturate as ac
from acculturate import display
from acculturate.commands.loading import asking, load, load_scored, say_asked, say_warnings
from acculturate.commands.options import Dtype, Seed, Split, takes_settings
from acculturate.errors import AcculturateError, UsageError
from acculturate.metrics.measure import Profile
from acculturate.model import Chat
from acculturate.model.remote.patience import Patience
from acculturate.survey import LabelKind


@takes_settings("language", "anchor", "aggregate", "variant", "reading", "respondents")
def measure(
    *,
    model: str = "embedded",
    country: str | None = None,
    prompt: Path | None = None,
    forms: Split = "all",
    labels: LabelKind = "words",
    instrument: str = "vsm13",
    table: str | None = None,
    seed: Seed = 0,
    out: Path | None = None,
    device: str = "auto",
    as_json: bool = False,
    revision: str | None = None,
    dtype: Dtype = "auto",
    chat: Chat = "auto",
    trust_remote_code: bool = False,
    any_model: bool = False,
    embeddings: str | None = None,
    dry_run: bool = False,
    max_requests: Annotated[int | None, typer.Option(min=0)] = None,
    max_tokens: Annotated[int | None, typer.Option(min=0)] = None,
    **settings: Any,
) -> None:
    """Measure the values a model shows in a survey.

    The loss to a country is how far the scores are from its published ones: for VSM 2013 the mean over six
    dimensions, in points, by which any two countries are about 25 apart. Below a content of 0.5 the answers
    are not about the questions, and no score counts.

    Options:
        country: Name or ISO code of a country to compare with.
        prompt: Soft prompt to put in the model's context: a run directory, or a .safetensors file.
        forms: Forms to ask: all, those for tuning, or those held out from it.
        seed: Random seed for the bootstrap intervals and for reading sampled.
        out: Folder for the profile as files: JSON, the answer to every form as CSV, a LaTeX table, a figure.
        dry_run: Estimate the requests to an endpoint and their tokens, and send none.
        max_requests: Requests to an endpoint at most; what was answered is kept.
        max_tokens: Tokens of these requests and their answers at most.
    """
    from acculturate.runs import load_prompt, read_config
    from acculturate.survey.selection import choose_forms

    if out is not None:
        from acculturate.reporting.profile_files import check_profile_folder

        check_profile_folder(out)
    scoring, countries, target = load_scored(instrument, table, country, settings)
    survey = scoring.instrument
    asked = choose_forms(survey, forms, settings["language"], labels)
    soft_prompt = None
    if prompt is not None:
        soft_prompt = load_prompt(prompt, any_model=any_model)
        if chat == "auto" and prompt.is_dir():
            chat = read_config(prompt).model.chat
    counting = None
    if dry_run:
        if embeddings is not None:
            raise UsageError(
                "--dry-run counts the requests of forms without embeddings alone",
                "Leave --embeddings and --prompt out: with them every form is a request, in words several.",
            )
        from acculturate.model.remote.estimate import counting_model

        answering, counting = counting_model(model, chat)
    else:
        patience = Patience(max_requests=max_requests, max_tokens=max_tokens)
        answering = load(
            model, revision, dtype, device, trust_remote_code, chat, embeddings, patience
        )
    has_all = {d.key for d in survey.dimensions} <= set(countries.dimensions)
    with asking(answering):
        result = ac.measure(
            answering,
            survey,
            soft_prompt=soft_prompt,
            forms=asked,
            target=target,
            table=countries if has_all else None,
            scoring=scoring,
            reading=settings["reading"],
            respondents=settings["respondents"],
            seed=seed,
        )
        language = settings["language"]
        result = _with_responsiveness(result, answering, scoring, soft_prompt, labels, language)
    if counting is not None:
        counts = {"requests": counting.sent, "tokens": counting.tokens, "known": counting.known}
        display.print_result(as_json, counts, lambda: print(counting.sentence))
        return
    say_asked(answering)
    display.print_result(
        as_json, result.to_dict(), lambda: display.show_profile(result, survey, target)
    )
    if out is not None:
        ac.write_profile(result, survey, out, target)


def _with_responsiveness(
    profile: Profile,
    model: ac.AnswerModel,
    scoring: ac.Scoring,
    soft_prompt: ac.SoftPrompt | None,
    labels: LabelKind,
    language: str,
) -> Profile:
    """Ask, too, whether the model answers as it is told to."""
    from acculturate.metrics.responsiveness import measure_responsiveness

    try:
        found = measure_responsiveness(
            model,
            scoring.instrument,
            soft_prompt=soft_prompt,
            labels=labels,
            language=language,
            scoring=scoring,
        )
    except AcculturateError as error:  # such as a text that is too long for the model
        say_warnings([f"it was not asked whether the model answers as it is told to: {error}"])
        return profile
    return replace(profile, responsiveness=found)
