"""The task of a run: forms to ask, scores to reach, and settings, made and checked before anything is asked.

In: a questionnaire, a country, settings. Out: a `Task`, for the search and for its result table alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from acculturate.errors import UsageError
from acculturate.metrics.guard import Guard, make_guard
from acculturate.metrics.other_surveys import load_with_table
from acculturate.model.answers import Answers, Query
from acculturate.runs import Lessons
from acculturate.search import Optimizer
from acculturate.survey.countries import Country, CountryTable
from acculturate.survey.forms import ORDERS, Form, all_forms, crossed_forms, with_line
from acculturate.survey.instrument import Instrument
from acculturate.survey.scoring import Scoring, item_values
from acculturate.survey.selection import draw_forms, limit_forms, select_forms, survey_forms
from acculturate.tuning.baselines import persona_line
from acculturate.tuning.losses import questionnaires
from acculturate.tuning.settings import Settings

_SURVEY = (
    *("anchor", "aggregate", "variant", "reading", "respondents", "forms", "sample"),
    *("measured_forms", "objective", "labels", "language", "languages", "also"),
)
"""Settings that config.toml holds in its table survey."""


_SHARE_OF_THE_SEARCH = 5 / 18
"""Forms that a result asks at most, of as many as its search: with the texts that is a third of the search, and
a quarter of the run."""
_ROWS_MEASURED, _ROWS_HELD_OUT = 5, 4
"""Times that a result asks the tuning and the held-out forms: three baselines and the prompt, and on the tuning
forms the leader before."""


@dataclass(frozen=True)
class Task:
    """Everything that a run asks and scores by.

    Attributes:
        settings: The settings of the run.
        scoring: Weights, anchor and loss.
        target: The country.
        scores: Scores to reach, in the instrument's order.
        table: Countries for the nearest ones, or None.
        forms: Forms that the objective may ask: all tuning forms, where it samples from them.
        measured: Tuning forms that candidates of different generations, and the result, are compared on.
        held_out: A balanced part of the forms in wordings and frames that the search never sees, in the
            survey's set of option words.
        guard: Ordinary texts.
        lessons: What a teacher answered, where there is one.
        others: The same country in other questionnaires of the objective.
    """

    settings: Settings
    scoring: Scoring
    target: Country
    scores: Float[np.ndarray, " dimension"]
    table: CountryTable | None
    forms: tuple[Form, ...]
    measured: tuple[Form, ...]
    held_out: tuple[Form, ...]
    guard: Guard
    lessons: Lessons | None = None
    others: tuple[Task, ...] = ()

    @cached_property
    def survey_forms(self) -> tuple[Form, ...]:
        """All tuning forms in the survey's own option words; the wanted shift is counted from them."""
        return survey_forms(self.scoring.instrument, self.forms, self.settings.language)

    @property
    def pool(self) -> tuple[Form, ...]:
        """The forms whose untouched answers calibrate those of the survey."""
        return self.forms if self.settings.sample else self.survey_forms

    @property
    def line(self) -> str:
        """Words in front of every form beside a soft prompt; empty where there are none."""
        return persona_line(self.target.name) if self.settings.persona else ""

    def before(self, forms: Sequence[Form]) -> tuple[Form, ...]:
        """Return forms as soft prompts are asked them: with the line in front, if there is one."""
        return with_line(forms, self.line) if self.line else tuple(forms)

    def values(
        self, answers: Answers, rng: np.random.Generator
    ) -> Float[np.ndarray, "candidate form"]:
        """Read answers as numbers; the stream draws the respondents of reading "sampled"."""
        reading, respondents = self.settings.reading, self.settings.respondents
        return item_values(answers.probabilities, reading, rng, respondents)

    def query(self, forms: Sequence[Form]) -> Query:
        """Return some forms as every row of the result table asks them."""
        return Query(forms, placement=self.settings.placement, valid_mass=True)

    def config(self, model: Mapping[str, str], optimizer: Optimizer) -> dict[str, Any]:
        """Return the effective settings as nested tables, without what is not set or is as it always was.

        Args:
            model: The model's provenance.
            optimizer: Chooses the candidates.
        """
        settings, instrument, target = self.settings, self.scoring.instrument, self.target
        values = vars(settings) | {
            "aggregate": self.scoring.aggregate,
            "respondents": settings.respondents if settings.reading == "sampled" else None,
            "any_model": settings.any_model or None,
            "persona": settings.persona or None,
            "forms": len(self.forms),
            "sample": settings.sample_size(instrument),
            "objective": None if settings.goal == "scores" else settings.goal,
            "labels": None if settings.labels == "digits" else settings.labels,
            "guard": None if settings.guard == "sentences" else settings.guard,
        }
        survey = {"instrument": instrument.key, "table": target.table, "country": target.name}
        tables: dict[str, dict[str, Any]] = {
            "model": {key: model.get(key) for key in ("name", "revision", "dtype", "chat")},
            "survey": survey | {name: values[name] for name in _SURVEY},
            "search": {
                "optimizer": optimizer.name,
                **{name: value for name, value in values.items() if name not in _SURVEY},
                "settings": optimizer.settings(),
            },
        }
        return {
            name: {key: value for key, value in table.items() if value is not None}
            for name, table in tables.items()
        }


def make_task(
    instrument: Instrument,
    target: Country,
    settings: Settings,
    table: CountryTable | None = None,
) -> Task:
    """Return the task of a run.

    A search in words sees several sets of option words, and its result is measured on the first one, as the
    survey is. Where the objective samples forms, the result is measured on each item once in every
    questionnaire and wording, or on fewer after a short search: a balanced part of the pool, as
    asking all of it takes longer than the search. Of a questionnaire, the dimensions count that the target has
    scores on.

    Raises:
        UsageError: The target has no scores, anchor or variant do not fit the instrument, so many forms
            cannot be balanced, or so large a sample cannot be drawn.
    """
    whole = Scoring(instrument, settings.anchor, settings.aggregate, settings.variant)
    scoring = whole.towards(target)
    instrument = scoring.instrument
    scores, labels = target.vector(instrument), settings.label_kinds
    pool = all_forms(instrument, settings.language_codes, "tuning", labels, words="tuning")
    of_survey = [form for form in pool if not form.word_set]
    held_out: tuple[Form, ...] = ()
    for kind in labels:
        new = crossed_forms(instrument, "held-out", "held-out", settings.language, kind)
        held_out += limit_forms(new)
    count = settings.form_count(instrument)
    if settings.sample:
        draw_forms(pool, count, np.random.default_rng(0))  # refuses what cannot be drawn
        forms, affordable = pool, settings.budget * count * _SHARE_OF_THE_SEARCH
        affordable -= _ROWS_HELD_OUT * len(held_out)
        measured = select_forms(
            of_survey, settings.measured_forms or _measured(of_survey, affordable)
        )
    else:
        forms, measured = select_forms(pool, count), select_forms(of_survey, count)
        _check_all_are_asked(pool, forms)
    return Task(
        settings=settings,
        scoring=scoring,
        target=target,
        scores=scores,
        table=table,
        forms=forms,
        measured=measured,
        held_out=held_out,
        guard=make_guard(settings.guard),
        others=_other_tasks(instrument, target, settings),
    )


def _check_all_are_asked(pool: Sequence[Form], forms: Sequence[Form]) -> None:
    """Check that forms which are the same all the time are in all languages and labels of their pool.

    Raises:
        UsageError: They are too few.
    """
    named, asked = ({(form.language, form.label_kind) for form in each} for each in (pool, forms))
    if left_out := named - asked:
        ways = ", ".join(sorted(f"{kind} in {code!r}" for code, kind in left_out))
        least = len(forms) * len(named) // len(asked)
        raise UsageError(
            f"{len(forms)} forms, the same for every generation, leave out {ways}",
            f"Give --forms {least} or more, or --sample.",
        )


def with_first_budget(task: Task, budget: int) -> Task:
    """Return the task of a run that began with a smaller budget: its result is measured on the same forms.

    Args:
        task: With the settings of the larger budget.
        budget: The one that it began with.
    """
    scoring = task.scoring  # of the dimensions that the country has scores on
    settings = replace(task.settings, budget=budget, anchor=scoring.anchor, variant=scoring.variant)
    began = make_task(scoring.instrument, task.target, settings, task.table)
    return replace(task, measured=began.measured, others=began.others)


def _other_tasks(instrument: Instrument, target: Country, settings: Settings) -> tuple[Task, ...]:
    """Return the tasks of the other questionnaires of an objective, which reads ordinary text once.

    Raises:
        UsageError: A questionnaire is there twice or has no table, or the country has no score in one.
    """
    named = [name.strip() for name in (settings.also or "").split(",") if name.strip()]
    surveys = [load_with_table(name) for name in named]
    keys = [instrument.key, *(survey.key for survey, _ in surveys)]
    if len({*keys}) < len(keys):
        raise UsageError(
            f"the objective would hold a questionnaire twice: {', '.join(keys)}",
            "Name each once; the run's own is in it by itself.",
        )
    tasks: list[Task] = []
    for survey, table in surveys:
        own = Settings(
            budget=settings.budget,
            seed=settings.seed,
            placement=settings.placement,
            tokens=settings.tokens,
            persona=settings.persona,
            reading=settings.reading,
            respondents=settings.respondents,
            sample=settings.sample,
            objective=settings.objective,
            labels=settings.labels,
            language=settings.language if settings.language in survey.languages else "en",
            guard=settings.guard,
            divergence_weight=0.0,
        )
        tasks.append(make_task(survey, table[target.name], own, table))
    return tuple(tasks)


def _measured(pool: Sequence[Form], affordable: float) -> int:
    """Return the number of tuning forms that a result is measured on where the search samples them.

    Args:
        pool: All tuning forms.
        affordable: Forms that its rows may ask in all.
    """
    items = len({form.item for form in pool})
    kinds = len({(form.language, form.label_kind) for form in pool})
    asked_once = len(ORDERS) * items
    most = max(len(questionnaires(pool)), len({form.wording for form in pool}))
    whole = most * items // asked_once
    steps = max(kinds, min(whole, int(affordable / _ROWS_MEASURED / asked_once)))
    return min(len(pool), asked_once * steps)
