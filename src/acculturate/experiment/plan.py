"""An experiment as its TOML file says it, checked and frozen.

In: a path, or the name of a preset. Out: an `Experiment`. Whether countries, languages and settings fit the
questionnaire is checked by `prepare`.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.io import is_path, parse_toml, read_bytes
from acculturate.schema import Flag, Section, Text, Whole, fault, validated
from acculturate.tuning import Method, Settings, make_method, setting_fields

PRESETS = Path(__file__).parent / "presets"

BASELINES: Mapping[str, str] = {
    "naive": "the model as it is",
    "persona": "a line that names the country",
    "in-context": "the country's scores in words",
    "constant": "the same answer to everything",
}
"""Methods without a search; each is measured once a country."""

_SAME_FOR_ALL = ("budget", "seed")
_LONGEST_NAME = 100


def _printable(text: str) -> str:
    if any(unicodedata.category(letter)[0] == "C" for letter in text):
        raise fault(f"holds a control character: {text!a}", "Take it out.")
    if len(text) > _LONGEST_NAME:
        raise fault(f"is {len(text)} letters long", f"Use 1 to {_LONGEST_NAME}.")
    return text


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise fault(f'is "{name}" again', "Write each one once.", place)
    return names


def _named(model: object) -> object:
    return {"name": model} if isinstance(model, str) else model


def _end(number: Any) -> int | float:
    if type(number) not in (int, float) or not math.isfinite(number):
        raise fault(f"is {number!r}", "Write a finite number.")
    return number


def _seeds(given: object) -> object:
    entries: list[Any] = given if isinstance(given, list) else []
    whole = {seed for seed in entries if type(seed) is int and seed >= 0}
    if not entries or len(whole) < len(entries):
        raise fault(f"is {given!r}", "Write different whole numbers from 0, as in [0, 1, 2].")
    return given


def _shared_settings(given: dict[str, Any]) -> dict[str, Any]:
    for key in given:
        if key in _SAME_FOR_ALL:
            raise fault("stands at the top of the file", f"Move {key} there.", key)
        if key not in setting_fields():
            raise fault("is not known", suggestion(key, setting_fields(), "Known here"), key)
    try:
        Settings(**given)
    except UsageError as error:
        raise fault(f"cannot be used: {error}", error.hint or "") from error
    return given


def _check_methods(given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for name, table in given.items():
        if name in BASELINES:
            if table:
                raise fault("takes no settings", f"Write {name} = {{}}.", name)
            continue
        for key in _SAME_FOR_ALL:
            if key in table:
                raise fault("is the same for all methods", f"Move {key} to the top.", name, key)
        try:
            _method(name, table)
        except UsageError as error:
            raise fault(f"cannot be run: {error}", error.hint or "", name) from error
    return given


def _method(name: str, table: Mapping[str, Any]) -> Method:
    own = {key: value for key, value in table.items() if key != "optimizer"}
    return make_method(name, str(table.get("optimizer", name)), own)


Name = Annotated[Text, AfterValidator(_printable)]
Names = Annotated[tuple[Name, ...], AfterValidator(_different)]
SomeNames = Annotated[Names, Field(min_length=1)]
Count = Annotated[Whole, Field(ge=1)]


class ModelChoice(Section):
    """The model's name, revision and precision, as `load_model` takes them."""

    name: Text
    revision: Text | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"


class Range(Section):
    """Values of a setting that a search tries: some choices, or numbers between two ends.

    Attributes:
        choices: One of these; None where it is a number.
        low: The least.
        high: The largest; between two whole numbers all are whole.
        log: Whether small numbers are tried as densely as large ones.
    """

    choices: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    low: Annotated[Any, AfterValidator(_end)] = None
    high: Annotated[Any, AfterValidator(_end)] = None
    log: Flag = False

    @model_validator(mode="after")
    def _check(self) -> Range:
        if self.choices is not None:
            for key in self.model_fields_set - {"choices"}:
                raise fault("stands beside choices", "Take one of them out.", key)
            return self
        for key in ("low", "high"):
            if getattr(self, key) is None:
                raise fault("is missing", "Write low and high, or a list of choices.", key)
        if not self.low < self.high or (self.log and self.low <= 0):
            hint = "Write low < high, above 0 with log = true."
            raise fault(f"is {self.high:g}", hint, "high")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return it as the file would say it."""
        if self.choices is not None:
            return {"choices": list(self.choices)}
        return {"low": self.low, "high": self.high, "log": self.log}


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
    seed: Whole = 0
    ranges: Annotated[dict[str, Range], Field(min_length=1)]


class Experiment(Section):
    """Methods x tables x countries x seeds on one model.

    Attributes:
        name: Names its directory and its report; that of the file where it says nothing.
        about: A sentence on it, or empty.
        model: The model to ask.
        instrument: Name or file of the questionnaire.
        tables: Names or files of the country tables.
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
    model: Annotated[ModelChoice, BeforeValidator(_named)]
    instrument: Text
    tables: SomeNames
    countries: SomeNames
    chosen: Annotated[
        dict[Name, dict[str, Any]],
        Field(min_length=1, alias="methods"),
        AfterValidator(_check_methods),
    ]
    seeds: Annotated[tuple[int, ...], BeforeValidator(_seeds)] = (0,)
    budget: Count = 1
    goal: str | float | None = None
    settings: Annotated[dict[str, Any], AfterValidator(_shared_settings)] = Field(
        default_factory=dict
    )
    evaluate: Flag = False
    languages: Names | None = None
    benchmarks: Names = ()
    search: SettingsSearch | None = None

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
        if labels and "budget" not in self.model_fields_set:
            raise fault("is missing", "Add it: evaluations of every run.", "budget")
        if self.languages is not None and not self.evaluate:
            raise fault(
                "is set and evaluate is not", "Add evaluate = true, or take it out.", "languages"
            )
        if isinstance(self.goal, str) and self.goal not in labels:
            hint = suggestion(self.goal, labels, "Write a loss, or one of")
            raise fault(f'is "{self.goal}", which is no method that searches', hint, "goal")
        if self.search is not None:
            self._check_search(self.search, labels)
        return self

    def _check_search(self, search: SettingsSearch, labels: list[str]) -> None:
        if search.method not in labels:
            hint = suggestion(search.method, labels, "Write one of") if labels else "Add a method."
            raise fault(f'is "{search.method}"', hint, "search", "method")
        base = self.methods[labels.index(search.method)]
        for key, tried in search.ranges.items():
            where = "search", "ranges", key
            if key in _SAME_FOR_ALL:
                raise fault("is the same for all methods", "Take it out.", *where)
            for value in tried.choices or (tried.low, tried.high):
                try:
                    changed(base, "a trial", {key: value})
                except UsageError as error:
                    raise fault(f"cannot be tried: {error}", error.hint or "", *where) from error

    def to_dict(self) -> dict[str, Any]:
        """Return all that decides the results, for experiment.toml; what is not set is left out."""
        methods: dict[str, Any] = {name: {} for name in self.baselines}
        for method in self.methods:
            methods[method.label] = {
                "optimizer": method.optimizer,
                **method.own,
                **method.settings,
            }
        left_out = {"about", "chosen", "search"}
        search = self.search and vars(self.search) | {
            "ranges": {key: tried.to_dict() for key, tried in self.search.ranges.items()}
        }
        everything = self.model_dump(exclude=left_out, exclude_none=True, mode="json")
        return everything | {"methods": methods} | ({"search": search} if search else {})


def preset_names() -> tuple[str, ...]:
    """Return the names of the experiments that come with the package."""
    return tuple(sorted(file.stem for file in PRESETS.glob("*.toml")))


def load_experiment(name_or_path: str | Path, base: Path | None = None) -> Experiment:
    """Read an experiment file.

    Args:
        name_or_path: A preset's name, or the path of a TOML file.
        base: The folder that paths in the file start at; that of the file if None.

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
        if folder is None or not is_path(given, suffix) or Path(given).is_absolute():
            return given
        return str(folder / given)

    located = {
        "name": plan.name or path.stem,
        "instrument": local(plan.instrument, ".toml"),
        "tables": tuple(local(table, ".csv") for table in plan.tables),
    }
    return plan.model_copy(update=located)


def changed(method: Method, label: str, values: Mapping[str, Any]) -> Method:
    """Return a method with other values for some of its settings.

    Raises:
        UsageError: A setting does not exist, or a value is of the wrong kind.
    """
    return make_method(label, method.optimizer, {**method.own, **method.settings, **values})
