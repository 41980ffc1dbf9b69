"""An experiment as its TOML file says it, checked and frozen.

In: a path, or the name of a preset. Out: an `Experiment`. Whether countries, languages and settings fit the
questionnaire is checked by `prepare`.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_serializer, model_validator

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.formatting import suggestion, visible
from acculturate.io import is_path, parse_toml, read_bytes
from acculturate.model.answers import AnswerModel, Chat
from acculturate.model.load import is_remote, load_model
from acculturate.schema import Flag, Section, Text, Whole, fault, validated
from acculturate.survey.countries import default_table
from acculturate.survey.instrument import load_instrument
from acculturate.tuning import TREATMENTS, Method, Settings, make_method, setting_fields

T = TypeVar("T")

PRESETS = Path(__file__).parent / "presets"
PLAN = "experiment.toml"
"""What was asked for, in the experiment's directory."""

BASELINES = ("naive", *TREATMENTS, "constant")
"""Methods without a search; each is measured once a country."""

_LONGEST_NAME = 100


def _printable(text: str) -> str:
    if visible(text) != text or any(letter in text for letter in "\t\r\n"):
        raise fault(f"holds a control character: {text!a}", "Take it out.")
    if len(text) > _LONGEST_NAME:
        raise fault(f"is {len(text)} letters long", f"Use 1 to {_LONGEST_NAME}.")
    return text


def _different(values: tuple[T, ...]) -> tuple[T, ...]:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise fault(f"is {value!r} again", "Write each one once.", place)
    return values


def _named(model: object) -> object:
    return {"name": model} if isinstance(model, str) else model


def _same_for_all(given: Mapping[str, Any], *at: str) -> None:
    for key in {"budget", "seed"} & given.keys():
        raise fault("is the same for all methods", "Set it at the top of the file.", *at, key)


@contextmanager
def _placed(what: str, *at: str) -> Generator[None]:
    """Give the place of a setting that cannot be used."""
    try:
        yield
    except UsageError as error:
        raise fault(f"{what}: {error}", error.hint or "", *at) from error


def _check_settings(given: dict[str, Any]) -> dict[str, Any]:
    _same_for_all(given)
    for key in given:
        if key not in setting_fields():
            raise fault("is not known", suggestion(key, setting_fields(), "Known here"), key)
    with _placed("cannot be used"):
        Settings(**given)
    return given


def _check_methods(given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for name, table in given.items():
        _same_for_all(table, name)
        if name in BASELINES and table:
            raise fault("takes no settings", f"Write {name} = {{}}.", name)
        if name not in BASELINES:
            with _placed("cannot be run", name):
                _method(name, table)
    return given


def _method(name: str, table: Mapping[str, Any]) -> Method:
    own = {key: value for key, value in table.items() if key != "optimizer"}
    return make_method(name, str(table.get("optimizer", name)), own)


Name = Annotated[Text, AfterValidator(_printable)]
Names = Annotated[tuple[Name, ...], AfterValidator(_different)]
SomeNames = Annotated[Names, Field(min_length=1)]
Count = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0)]


class ModelChoice(Section):
    """The model's name, revision, precision, chat template and embeddings, as `load_model` takes them."""

    name: Text
    revision: Text | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    chat: Chat = "auto"
    embeddings: Text | None = None

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """Its name with what else was chosen, as in the tidy table."""
        return self._with_choices(self.name)

    @property
    def shown(self) -> str:
        """The same with the last part alone of a path or a name on the hub."""
        return self._with_choices(Path(self.name).name or self.name)

    def _with_choices(self, name: str) -> str:
        kept = {"revision", "dtype", "chat"}
        chosen = self.model_dump(include=kept, exclude_defaults=True)
        told = (f"chat {value}" if key == "chat" else value for key, value in chosen.items())
        return ", ".join([name, *told])

    def load(self) -> AnswerModel:
        """Load it; see `load_model`."""
        return load_model(**self.model_dump())


OneModel = Annotated[ModelChoice, BeforeValidator(_named)]


class Range(Section):
    """Values of a setting that a search tries: some choices, or numbers between two ends.

    Attributes:
        choices: One of these; empty where it is a number.
        low: The least.
        high: The largest; between two whole numbers all are whole.
        log: Whether small numbers are tried as densely as large ones.
    """

    choices: tuple[Any, ...] = ()
    low: Any = None
    high: Any = None
    log: Flag = False

    @model_validator(mode="after")
    def _check(self) -> Range:
        ends = self.low, self.high
        numbers = all(type(end) in (int, float) and math.isfinite(end) for end in ends)
        between = numbers and self.low < self.high and (self.low > 0 or not self.log)
        untouched = self.low is None and self.high is None and not self.log
        if between == bool(self.choices) or (self.choices and not untouched):
            hint = "Write numbers low < high, above 0 with log = true, or else choices = [...]."
            raise fault(f"is from {self.low!r} to {self.high!r}", hint)
        return self

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        names = ("choices",) if self.choices else ("low", "high", "log")
        return {name: getattr(self, name) for name in names}


class SettingsSearch(Section):
    """A search over settings of a method; its objective is the mean held-out loss of its cells.

    Attributes:
        method: The method whose settings are tried.
        trials: Number of trials.
        seed: Seed of the sampler.
        ranges: Values to try, by setting.
    """

    method: Text
    trials: Count
    seed: Seed = 0
    ranges: Annotated[dict[str, Range], Field(min_length=1)]


class Experiment(Section):
    """Models x methods x tables x countries x seeds.

    Attributes:
        name: Names its directory and its report; that of the file where it says nothing.
        about: A sentence on it, or empty.
        model: The model to ask, the first of several.
        models: Several models, those after `model`.
        instrument: Name or file of the questionnaire.
        tables: Names or files of the country tables; `load_experiment` finds that of the questionnaire.
        countries: Targets, as they were written.
        chosen: Settings of each method by its label, baselines among them: the file's `methods`.
        seeds: Seeds of every method that searches.
        budget: Evaluations of every run.
        goal: A loss to reach, or the label of the method whose median loss is to be reached.
        settings: Fields of `Settings` that all methods share.
        evaluate: Whether every run is asked forms that its search never saw.
        languages: Other languages for that; None for all.
        benchmarks: Names of benchmarks to run.
        search: A search over settings, or None.
    """

    name: Name = ""
    about: str = ""
    model: OneModel | None = None
    models: tuple[OneModel, ...] = ()
    instrument: Text = "vsm13"
    tables: Names = ()
    countries: SomeNames
    chosen: Annotated[
        dict[Name, dict[str, Any]],
        Field(min_length=1, alias="methods"),
        AfterValidator(_check_methods),
    ]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_different)] = (0,)
    budget: Count = 1
    goal: Any = None
    settings: Annotated[dict[str, Any], AfterValidator(_check_settings)] = {}  # noqa: RUF012  # copied
    evaluate: Flag = False
    languages: Names | None = None
    benchmarks: Names = ()
    search: SettingsSearch | None = None

    @cached_property
    def every_model(self) -> tuple[ModelChoice, ...]:
        """All models, in their order."""
        return (*([self.model] if self.model else []), *self.models)

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """Labels of the methods without a search."""
        return tuple(name for name in BASELINES if name in self.chosen)

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """Methods that search."""
        return tuple(
            _method(name, table) for name, table in self.chosen.items() if name not in BASELINES
        )

    @model_validator(mode="after")
    def _check(self) -> Experiment:
        labels = [method.label for method in self.methods]
        if not self.every_model:
            raise fault("is missing", 'Add it: model = "embedded", or models = [...].', "model")
        for model in self.every_model if labels else ():
            if is_remote(model.name) and model.embeddings is None:
                raise fault(
                    f"{model.name} is behind an endpoint, which shows no embeddings for {', '.join(labels)}",
                    'Add embeddings = "FOLDER" of the served model, or leave them out (docs/large-models.md).',
                    "model" if model is self.model else "models",
                )
        if labels and "budget" not in self.model_fields_set:
            raise fault("is missing", "Add it: evaluations of every run.", "budget")
        if self.languages is not None and not self.evaluate:
            raise fault(
                "is set and evaluate is not", "Add evaluate = true, or take it out.", "languages"
            )
        is_loss = type(self.goal) in (int, float) and math.isfinite(float(self.goal))
        if self.goal is not None and not is_loss and self.goal not in labels:
            hint = suggestion(str(self.goal), labels, "Write a loss, or one of")
            raise fault(
                f"is {self.goal!r}, neither a loss nor a method that searches", hint, "goal"
            )
        if self.search is not None:
            self._check_search(self.search, labels)
        return self

    def _check_search(self, search: SettingsSearch, labels: list[str]) -> None:
        if search.method not in labels:
            hint = suggestion(search.method, labels, "Write one of") if labels else "Add a method."
            raise fault(f'is "{search.method}"', hint, "search", "method")
        _same_for_all(search.ranges, "search", "ranges")
        base = self.methods[labels.index(search.method)]
        for key, tried in search.ranges.items():
            with _placed("cannot be tried", "search", "ranges", key):
                for value in tried.choices or (tried.low, tried.high):
                    changed(base, "a trial", {key: value})

    def to_dict(self) -> dict[str, Any]:
        """Return all that decides the results, for experiment.toml; what is not set is left out."""
        methods: dict[str, Any] = {name: {} for name in self.baselines}
        for method in self.methods:
            own = {"optimizer": method.optimizer, **method.own, **method.settings}
            methods[method.label] = own
        # The first model stands as a single one does, so that others can be added.
        one, *others = (
            each.model_dump(mode="json", exclude_none=True) for each in self.every_model
        )
        models = {"model": one} | ({"models": others} if others else {})
        left_out = {"about", "chosen", "model", "models"}
        plan = self.model_dump(mode="json", exclude=left_out, exclude_none=True)
        return models | plan | {"methods": methods}


def preset_names() -> tuple[str, ...]:
    """Return the names of the experiments that come with the package."""
    return tuple(sorted(file.stem for file in PRESETS.glob("*.toml")))


@checked
def load_experiment(name_or_path: str | Path, base: Path | None = None) -> Experiment:
    """Read an experiment file.

    Args:
        name_or_path: A preset's name, or the path of a TOML file.
        base: The folder that paths of the questionnaire and of tables start at; that of the file if None.

    Raises:
        UsageError: There is no such file, or something in it is unknown, missing or of the wrong kind;
            the message names the file and the key.
    """
    name = str(name_or_path)
    if isinstance(name_or_path, str) and name in preset_names():
        path, folder = PRESETS / f"{name}.toml", None
    elif isinstance(name_or_path, Path) or is_path(name, ".toml"):
        path, folder = Path(name), base or Path(name).parent
    else:
        raise UsageError(
            f"there is no experiment {name!r}",
            suggestion(name, preset_names(), "Give a TOML file, or one of"),
        )
    what = "experiment file"
    plan = validated(Experiment, parse_toml(read_bytes(path, what), path, what), path)

    def local(given: str, suffix: str) -> str:
        return str(folder / given) if folder is not None and is_path(given, suffix) else given

    instrument, name = local(plan.instrument, ".toml"), plan.name or path.stem
    tables = tuple(local(table, ".csv") for table in plan.tables)
    tables = tables or (_table_of(instrument, path),)
    return plan.model_copy(update={"name": name, "instrument": instrument, "tables": tables})


def _table_of(instrument: str, path: Path) -> str:
    """Return the name of the country table that comes with the package for a questionnaire."""
    table = default_table(load_instrument(instrument), None)
    if table is None:
        raise UsageError(
            f"{path}: tables is missing, and none that comes with the package is of {instrument}",
            'Add it: tables = ["FILE.csv"].',
        )
    return table.key


def changed(method: Method, label: str, values: Mapping[str, Any]) -> Method:
    """Return a method with other values for some of its settings.

    Raises:
        UsageError: A setting does not exist, or a value is of the wrong kind.
    """
    return make_method(label, method.optimizer, {**method.own, **method.settings, **values})
