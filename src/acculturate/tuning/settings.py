"""The settings of a tuning run, each said once: name, type, bounds, default and help.

The command line, experiment files and docs/settings.md are made from `Settings`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.metrics.guard import GuardKind
from acculturate.model.answers import Placement
from acculturate.model.start import Init
from acculturate.search import Adam, Optimizer, Sharing, read_name
from acculturate.survey.forms import LabelKind
from acculturate.survey.instrument import Aggregate, Instrument
from acculturate.survey.scoring import MOST_RESPONDENTS, Anchor, Reading
from acculturate.survey.selection import forms_asked_once
from acculturate.tuning.constraints import Constraints
from acculturate.tuning.setting_checks import OWN_STARTS, check_settings

WEIGHT_FOR_GRADIENTS = 30.0
"""Points of loss per nat: with it the descents of research/log.md stay below 0.1 nats per token."""

SPACE_FOR_ANSWERS = "demonstrations"
"""The space in which a search without gradients gets furthest: docs/choosing-an-optimizer.md."""

_SPACE_OF_FEW_TOKENS = "mixture:64"
"""Where demonstrations have no room."""

_TOKENS, _TOKENS_OF_DEMONSTRATIONS = 64, 640
"""The latter hold the 24 questions of VSM13, with 40 tokens to spare in the embedded model's vocabulary."""

_SPREAD_AROUND_WORDS = 0.1
"""So that candidates of a search by answers still begin with its words."""

MOST_TOKENS = 4096
"""Virtual tokens of a soft prompt at most: more fill the context of many models, and memory."""

_LARGEST = 10**18
"""A run keeps its settings in a TOML file, whose whole numbers have 63 bits."""

_KINDS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
}
_Amount = Annotated[float | None, Field(ge=0, allow_inf_nan=False)]
_OptionalCount = Annotated[int | None, Field(ge=1)]

_LABELS: dict[str, Any] = {"enum": [*get_args(LabelKind), "several, such as words,digits"]}

Objective = Literal["scores", "shift", "mean-shift"]


def _split(names: str) -> tuple[str, ...]:
    """Return the different names in a list with commas."""
    return tuple(dict.fromkeys(name.strip() for name in names.split(",")))


def _check_labels(labels: str) -> str:
    kinds = _split(labels)
    if not set(kinds) <= set(get_args(LabelKind)):
        raise ValueError(labels)
    return ",".join(kinds)


_CONFIG = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Settings:
    """The settings of a run beside model, questionnaire, country and optimiser.

    Raises:
        UsageError: A setting does not exist, is of the wrong type, or out of range.
    """

    budget: Annotated[int, Field(le=_LARGEST)] = 400
    """Largest number of evaluations, in whole generations; a candidate with its gradient counts for three."""
    seed: Annotated[int, Field(ge=0, le=_LARGEST)] = 0
    """Random seed for initialisation, search, samples and bootstrap."""
    tokens: Annotated[int | None, Field(ge=1, le=MOST_TOKENS)] = None
    """Number of virtual tokens in the soft prompt; by default 64, and 640 in the space demonstrations."""
    placement: Placement = "after-bos"
    """Place of the soft prompt in the model's context; prefix is after-bos with keys and values of its own in
    every layer, tuned by gradients."""
    space: str | None = None
    """Space that is searched: full, mixture:N, demonstrations (the survey's questions in front of every form,
    with a number an answer), or multitask:DIRECTORY, the part of a new country beside what the countries of
    that directory share; by default full with gradients or an init other than in-context, else demonstrations,
    and mixture:64 where tokens or init is set."""
    together: Sharing | None = None
    """Part of each country where several are tuned together: a shared prompt times it (product) or plus it
    (sum); by default product."""
    init: Literal[Init, "in-context"] | None = None
    """Start of the search: random numbers, real tokens, a text, another run, or in-context, the country's
    scores in words (a text is repeated or cut to the tokens); by default in-context with gradients and in
    mixtures, else gaussian; demonstrations and multitask have starts of their own."""
    init_scale: _Amount = None
    """Spread of the first population, in standard deviations of the embeddings (in options where answers are
    searched); by default 0 with gradients from an init other than gaussian, 0.1 around in-context in mixtures
    or for several candidates, else 1."""
    init_text: str | None = None
    """Text to start from, for init text."""
    init_run: Annotated[
        str | None, BeforeValidator(lambda run: str(run) if isinstance(run, Path) else run)
    ] = None
    """Run directory or soft prompt file to start from, for init run."""
    any_model: bool = False
    """Start from the soft prompt of another model, for init run."""
    persona: bool = False
    """Tune the soft prompt together with the persona line, which then stands in front of every form and
    question wherever the soft prompt is used."""
    max_divergence: _Amount = None
    """Limit on the divergence on ordinary text [nats per token]."""
    min_valid_mass: _Amount = None
    """Lower limit on the share of the next-token probability that the answer options take on average."""
    divergence_weight: _Amount = None
    """Weight of the divergence in the objective [points of loss per nat]; by default 30 with gradients,
    else 0."""
    distillation: _Amount = None
    """Weight of the divergence from a teacher [points of loss per nat]: the same model, told the country's
    values and shown answers of the country, whose own answers to open questions are learned beside the survey;
    none by default."""
    guard: GuardKind = "texts"
    """Ordinary text that the divergence is of: longer texts and the untouched model's own answers, or the short
    sentences of version 0.1."""
    target_loss: _Amount = None
    """Loss at which the search stops early, once within the limits."""
    stall: _OptionalCount = None
    """Evaluations without improvement after which the search stops."""
    anchor: Anchor = "midpoint"
    """Constants C of the scoring formulas: midpoint, zero, or a number for every dimension, as in
    pdi=50,idv=45,..."""
    aggregate: Aggregate | None = None
    """Loss made of the differences to the target's scores; by default the questionnaire's."""
    variant: str | None = None
    """Variant of a dimension's formula that the questionnaire names, such as cat in vsm13."""
    reading: Reading = "expected"
    """Reading of answers as numbers: mean, most likely option, or draws."""
    respondents: Annotated[int, Field(ge=1, le=MOST_RESPONDENTS)] = 100
    """Draws from the answers of each form, for reading sampled."""
    forms: _OptionalCount = None
    """Tuning forms per generation: one per item, or a multiple of twice the items (in words alone, of the
    items); by default every item once in each option order, in words twice with each set
    of option words."""
    measured_forms: _OptionalCount = None
    """Tuning forms that the result is measured on where those of the search are drawn anew, a multiple of twice
    the items; by default every item in every frame, order and set of words, and fewer where that would take
    more than about a quarter of the run."""
    sample: bool | None = None
    """New random tuning forms for every generation; by default with adam, unless forms, stall or
    target-loss is set."""
    objective: Objective | None = None
    """Loss that is minimised: scores, of the mean scores over all forms; shift, of the shift to the target,
    made by every questionnaire (frame, order, set of words) from its own untouched scores; mean-shift, made by
    every order and set of words on the mean of its frames; by default shift, mean-shift in the space
    demonstrations, and scores with other readings than expected."""
    labels: Annotated[str, AfterValidator(_check_labels), Field(json_schema_extra=_LABELS)] = (
        "words"
    )
    """Answers of the forms: digits or letters in front of listed options, or words, without a list; several
    are drawn in turn."""
    also: str | None = None
    """Other questionnaires in the objective, with commas, each of the same weight in units of its wanted shift:
    inglehart-welzel, vsm13, or any with its country table, as in portrait-values=mine.csv."""
    language: str = "en"
    """Language code of the forms: en, ar, es, hi or zh."""
    languages: Annotated[str | None, AfterValidator(lambda x: x and ",".join(_split(x)))] = None
    """Languages of the tuning forms, such as en,es, drawn in turn; by default the language, in which held-out
    forms are asked in any case."""

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, values: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        try:
            return handler(values)
        except ValidationError as error:
            first = error.errors()[0]
            name, kind = str(first["loc"][0]), first["type"]
            if kind == "unexpected_keyword_argument":
                known = suggestion(name, setting_fields(), "The settings are")
                raise UsageError(f"there is no setting {name!r}", known) from error
            value = values.kwargs[name]
            if kind in ("greater_than_equal", "less_than_equal", "finite_number"):
                message = f"{name.replace('_', ' ')} {value} is out of range"
            else:
                message = f"{name} cannot be {value!r}"
            option = name.replace("_", "-")
            raise UsageError(message, f"Use {allowed_values(name)} for --{option}.") from error

    @property
    def label_kinds(self) -> tuple[LabelKind, ...]:
        """The kinds of labels that forms are asked with."""
        return cast("tuple[LabelKind, ...]", _split(self.labels))

    @property
    def language_codes(self) -> tuple[str, ...]:
        """The languages of the tuning forms."""
        return _split(self.languages or self.language)

    @property
    def goal(self) -> Objective:
        """The loss that is minimised: the objective, or its default."""
        if self.objective is not None or self.reading != "expected":
            return self.objective or "scores"
        return "mean-shift" if self._shows_answers else "shift"

    @property
    def constraints(self) -> Constraints:
        """The limits on degradation, and the weight of the divergence."""
        return Constraints(self.max_divergence, self.min_valid_mass, self.divergence_weight or 0.0)

    def sample_size(self, instrument: Instrument) -> int | None:
        """Return the number of forms drawn per generation; None where all are asked the same ones."""
        return self.form_count(instrument) if self.sample else None

    def form_count(self, instrument: Instrument) -> int:
        """Return the number of forms that a generation asks.

        By default the same forms all the time are in every language and with all kinds of labels.
        """
        languages, kinds = self.language_codes, self.label_kinds
        asked_once = forms_asked_once(instrument, languages[0], kinds)
        ways = 1 if self.sample or kinds == ("words",) else len(languages) * len(kinds)
        return self.forms or asked_once * ways

    def resolved(self, optimizer: Optimizer) -> Settings:
        """Fill in what an optimiser leaves open, and check that it can run with the result.

        Raises:
            UsageError: The settings do not fit together or the optimiser; the message names them.
        """
        by_gradients = "gradient" in optimizer.requires
        weight, sample = self.divergence_weight, self.sample
        init, scale = self.init, self.init_scale
        if weight is None:
            weight = WEIGHT_FOR_GRADIENTS if by_gradients else 0.0
        if sample is None:
            fixed = self.forms is not None or self.compares_losses
            sample = isinstance(optimizer, Adam) and not fixed
        space = self.space or self._default_space(by_gradients=by_gradients)
        kind = read_name(space)[0]
        if kind not in OWN_STARTS:
            init = init or ("in-context" if by_gradients or kind == "mixture" else "gaussian")
        if scale is None:
            around = _SPREAD_AROUND_WORDS if init == "in-context" else 1.0
            # Starts at different tokens differ by themselves.
            alone = optimizer.population_size == 1 or init == "tokens"
            exact = by_gradients and kind != "mixture" and init != "gaussian" and alone
            scale = 0.0 if exact else around
        values = {"divergence_weight": weight, "sample": sample, "space": space}
        resolved = replace(self, **values, init=init, init_scale=scale)
        resolved = replace(resolved, objective=resolved.goal, tokens=resolved.token_count)
        check_settings(resolved, optimizer)
        return resolved

    @property
    def token_count(self) -> int:
        """The number of virtual tokens: those asked for, or the default of the space."""
        return self.tokens or (_TOKENS_OF_DEMONSTRATIONS if self._shows_answers else _TOKENS)

    @property
    def shared_directory(self) -> Path | None:
        """Directory of the countries that a new one is tuned beside, or None."""
        kind, _, directory = (self.space or "").strip().partition(":")
        return Path(directory) if kind.lower() == "multitask" else None

    def _default_space(self, *, by_gradients: bool) -> str:
        if by_gradients or self.has_start:
            return "full"
        return _SPACE_OF_FEW_TOKENS if self.tokens or self.init else SPACE_FOR_ANSWERS

    @property
    def _shows_answers(self) -> bool:
        return self.space is not None and read_name(self.space)[0] == "demonstrations"

    @property
    def has_start(self) -> bool:
        """True where the search starts from something of the user's own, such as a text or a run."""
        return self.init not in (None, "in-context") or bool(self.init_text or self.init_run)

    @property
    def compares_losses(self) -> bool:
        """True where losses of different generations are compared with one another or a number."""
        return self.stall is not None or self.target_loss is not None


def setting_fields() -> dict[str, FieldInfo]:
    """Return type, default and description of every setting."""
    fields: dict[str, FieldInfo] = vars(Settings)["__pydantic_fields__"]
    for field in fields.values():
        field.description = " ".join((field.description or "").split())
    return fields


def allowed_values(name: str) -> str:
    """Describe the values that a setting may have, such as "a whole number from 1"."""
    schema = TypeAdapter(Settings).json_schema()["properties"][name]
    kinds = schema.get("anyOf", [schema])
    choices = [choice for kind in kinds for choice in kind.get("enum", ())]
    if any(kind["type"] == "object" for kind in kinds):
        choices.append("numbers such as pdi=50,idv=40")
    if choices:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    kind = kinds[0]
    least = f" from {kind['minimum']}" if "minimum" in kind else ""
    most = f" to {kind['maximum']}" if "maximum" in kind else ""
    return f"{_KINDS[kind['type']]}{least}{most}"
