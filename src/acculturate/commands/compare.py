"""`acculturate compare`."""

from __future__ import annotations

from typing import Any

import acculturate as ac
from acculturate import display
from acculturate.commands.loading import asking, load, load_scored, say_asked
from acculturate.commands.options import Dtype, Seed, Split, takes_settings
from acculturate.model import Chat
from acculturate.survey import LabelKind


@takes_settings("language", "anchor", "aggregate", "variant", "reading", "respondents")
def compare(
    first: str,
    second: str,
    *,
    country: str | None = None,
    forms: Split = "all",
    labels: LabelKind = "words",
    instrument: str = "vsm13",
    table: str | None = None,
    seed: Seed = 0,
    device: str = "auto",
    as_json: bool = False,
    dtype: Dtype = "auto",
    chat: Chat = "auto",
    trust_remote_code: bool = False,
    **settings: Any,
) -> None:
    """Compare the values that two models show, asked the same forms.

    A difference is the second model's score less the first's.

    Options:
        first: First of two models, as --model of other commands takes it.
        second: Model to compare with the first.
        country: Name or ISO code of a country; the difference of the losses to it is shown too.
        forms: Forms to ask: all, those for tuning, or those held out from it.
        seed: Random seed for the bootstrap over forms and for reading sampled.
    """
    from acculturate.survey.selection import choose_forms

    scoring, _, target = load_scored(instrument, table, country, settings)
    survey = scoring.instrument
    asked = choose_forms(survey, forms, settings["language"], labels)
    profiles: list[ac.Profile] = []
    for name in (first, second):
        answering = load(name, None, dtype, device, trust_remote_code, chat)
        with asking(answering):
            profiles.append(
                ac.measure(
                    answering,
                    survey,
                    forms=asked,
                    target=target,
                    scoring=scoring,
                    reading=settings["reading"],
                    respondents=settings["respondents"],
                    seed=seed,
                )
            )
        say_asked(answering)
        del answering  # never two at once
    result = ac.compare_profiles(
        profiles[0], profiles[1], survey, target=target, scoring=scoring, seed=seed
    )
    display.print_result(
        as_json, result.to_dict(), lambda: display.show_model_comparison(result, survey)
    )
